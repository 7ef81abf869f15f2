"""From a source into the catalogue: read ahead, store in chunks, report what could not be used.

Every chunk is committed before it is counted, and what is stored already is neither decoded nor encoded again (only
automatic captions are made again: the captioner may be another by now). So an import that was killed is resumed by
running it once more, and an import that is run twice changes nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from app.engine.types import Priority, SaturatedError, UnavailableError
from app.importers.archive import ArchiveLimits
from app.importers.base import Entry, ImportItem, ImportProblem
from app.importers.detect import Source, open_source
from app.services.items import Automatic, Bundle, BundleOutcome
from app.settings import Settings
from index.types import Kind

#: Bundles, and as far as it goes photos, in one transaction; their pixels are what an import holds in memory.
CHUNK_BUNDLES = 64
#: Chunks under way at once: while one is encoded and committed the next is decoded.
CHUNKS_IN_FLIGHT = 2
#: Problems kept in a report; all of them are counted, and all reach ``on_problem``.
MAX_PROBLEMS = 1000
_NOTHING = Automatic()
# How long a worker that is being replaced is waited for: a model takes seconds to load, a large one a minute.
_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class BundleStore(Protocol):
    """What stores bundles: :class:`app.services.ingest.Ingest`."""

    async def put_many(self, bundles: Sequence[Bundle], priority: Priority = ...) -> list[BundleOutcome]: ...


class ImportTarget(Protocol):
    """Where an import goes: :class:`app.runtime.Runtime`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def ingest(self) -> BundleStore: ...


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """Items by what became of them."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, at its end or so far.

    ``failed`` counts the items that could not be stored and ``unreadable`` what could not even be read; ``problems``
    has the first :data:`MAX_PROBLEMS` of ``problem_count`` (which also counts what was read differently from how it
    was written). ``total`` is about how many entries the source has, ``done`` how many were dealt with.
    """

    source: str = ""
    total: int = 0
    done: int = 0
    recipes: ImportCounts = ImportCounts()
    images: ImportCounts = ImportCounts()
    unreadable: int = 0
    problem_count: int = 0
    problems: tuple[ImportProblem, ...] = ()
    cancelled: bool = False
    seconds: float = 0.0

    @property
    def created(self) -> int:
        return self.recipes.created + self.images.created

    @property
    def updated(self) -> int:
        return self.recipes.updated + self.images.updated

    @property
    def unchanged(self) -> int:
        return self.recipes.unchanged + self.images.unchanged

    @property
    def failed(self) -> int:
        return self.recipes.failed + self.images.failed + self.unreadable

    @property
    def stored(self) -> int:
        """Items that are in the catalogue now."""
        return self.created + self.updated + self.unchanged


OnProgress = Callable[[ImportReport], None]
OnProblem = Callable[[ImportProblem], None]


async def run_import(
    source: Path,
    runtime: ImportTarget,
    *,
    on_progress: OnProgress | None = None,
    on_problem: OnProblem | None = None,
    should_cancel: Callable[[], bool] | None = None,
    format: str | None = None,  # noqa: A002 - the name users know
    folder_tags: bool = True,
    automatic: Automatic = _NOTHING,
) -> ImportReport:
    """Import a folder, a file or a zip archive, giving its photos what ``automatic`` asks for.

    ``on_progress`` is called after every chunk and ``on_problem`` for every problem, both in the event loop;
    ``should_cancel`` is asked between chunks, and what is stored by then stays.

    Raises:
        ImportSourceError: the source as a whole can't be imported.
        EngineError, IndexRoomError, OSError: the service can't go on, a minute after its model went; what is stored by
            then stays.
    """
    settings = runtime.settings
    opened = open_source(
        source,
        format=format,
        folder_tags=folder_tags,
        limits=ArchiveLimits(max_bytes=settings.import_max_bytes),
        scratch=settings.uploads_dir,
    )
    found = await asyncio.to_thread(opened.__enter__)
    try:
        work = _Import(runtime.ingest, on_progress, on_problem, should_cancel or (lambda: False), automatic)
        return await work.run(found)
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


@dataclass(slots=True)
class _Import:
    """One import under way."""

    store: BundleStore
    on_progress: OnProgress | None
    on_problem: OnProblem | None
    should_cancel: Callable[[], bool]
    automatic: Automatic = _NOTHING
    report: ImportReport = ImportReport()
    problems: list[ImportProblem] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    # Chunks under way, with the ids that each of them writes.
    flying: dict[asyncio.Task[None], frozenset[tuple[Kind, str]]] = field(default_factory=dict)

    async def run(self, source: Source) -> ImportReport:
        total = await asyncio.to_thread(source.reader.count)
        self.report = replace(self.report, source=source.reader.summary, total=total)
        for problem in source.problems:
            self._problem(problem)
        entries = source.reader.entries()
        try:
            while not self.report.cancelled:
                # Readers do file work, so they run beside the event loop.
                batch = await asyncio.to_thread(_take, entries, CHUNK_BUNDLES)
                if not batch:
                    break
                for chunk in _chunks(self._sift(batch)):
                    await self._launch(chunk)
                if self.should_cancel():
                    self.report = replace(self.report, cancelled=True)
            await self._land(0)
        finally:
            for task in self.flying:
                task.cancel()
            await asyncio.gather(*self.flying, return_exceptions=True)
        self._tell()
        return self.report

    def _sift(self, batch: Sequence[Entry]) -> list[ImportItem]:
        for entry in batch:
            if isinstance(entry, ImportProblem):
                self._problem(entry)
        return [entry for entry in batch if isinstance(entry, ImportItem)]

    async def _launch(self, chunk: Sequence[ImportItem]) -> None:
        ids = frozenset(identity for item in chunk for identity in _identities(item))
        # Two chunks that write one item (a photo that recipes share) must not race for who creates it.
        clash = any(not ids.isdisjoint(others) for others in self.flying.values())
        await self._land(0 if clash else CHUNKS_IN_FLIGHT - 1)
        self.flying[asyncio.create_task(self._store(chunk))] = ids

    async def _land(self, most: int) -> None:
        """Wait until at most ``most`` chunks are under way. Raises what a chunk raised."""
        while len(self.flying) > most:
            done, _ = await asyncio.wait(self.flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self.flying[task]
                task.result()

    async def _store(self, chunk: Sequence[ImportItem]) -> None:
        outcomes = await self._put([self._asking(item.bundle) for item in chunk])
        for item, outcome in zip(chunk, outcomes, strict=True):
            for part in outcome.parts:
                status = part.result.status.value if part.result else "failed"
                if part.kind is Kind.RECIPE:
                    self.report = replace(self.report, recipes=_plus_one(self.report.recipes, status))
                else:
                    self.report = replace(self.report, images=_plus_one(self.report.images, status))
                if part.error is not None:
                    self._problem(ImportProblem(item.source, f"{part.kind} {part.id}: {part.error.detail}"), read=True)
        self.report = replace(self.report, done=self.report.done + len(chunk))
        self._tell()

    def _asking(self, bundle: Bundle) -> Bundle:
        """The bundle whose photos ask for what the import does."""
        wanted = self.automatic
        if wanted == _NOTHING:
            return bundle
        pictures = (replace(each, auto_tags=wanted.tags, auto_captions=wanted.captions) for each in bundle.pictures)
        return replace(bundle, pictures=tuple(pictures))

    async def _put(self, bundles: Sequence[Bundle]) -> list[BundleOutcome]:
        pauses = iter(_PAUSES_S)
        while True:
            try:
                return await self.store.put_many(bundles, Priority.BULK)
            except SaturatedError as error:
                await asyncio.sleep(error.retry_after_s)
            except UnavailableError:
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    def _problem(self, problem: ImportProblem, *, read: bool = False) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        unreadable = self.report.unreadable + (problem.lost and not read)
        self.report = replace(self.report, problem_count=self.report.problem_count + 1, unreadable=unreadable)
        if self.on_problem is not None:
            self.on_problem(problem)

    def _tell(self) -> None:
        seconds = time.monotonic() - self.started
        self.report = replace(self.report, problems=tuple(self.problems), seconds=seconds)
        if self.on_progress is not None:
            self.on_progress(self.report)


def _plus_one(counts: ImportCounts, status: str) -> ImportCounts:
    return replace(counts, **{status: getattr(counts, status) + 1})


def _take(entries: Iterator[Entry], count: int) -> list[Entry]:
    return list(itertools.islice(entries, count))


def _identities(item: ImportItem) -> Iterator[tuple[Kind, str]]:
    if item.bundle.recipe is not None and item.bundle.recipe.id is not None:
        yield Kind.RECIPE, item.bundle.recipe.id
    for picture in item.bundle.pictures:
        if picture.id is not None:
            yield Kind.IMAGE, picture.id


def _chunks(items: Sequence[ImportItem]) -> Iterator[list[ImportItem]]:
    """Split so that no item is written twice within a chunk, and no chunk has many photos because its recipes do."""
    chunk: list[ImportItem] = []
    seen: set[tuple[Kind, str]] = set()
    photos = 0
    for item in items:
        identities = set(_identities(item))
        more = len(item.bundle.pictures)
        if chunk and (photos + more > CHUNK_BUNDLES or not seen.isdisjoint(identities)):
            yield chunk
            chunk, seen, photos = [], set(), 0
        chunk.append(item)
        seen |= identities
        photos += more
    if chunk:
        yield chunk
