"""Everything that one process of Tastespace has open: catalogue, blobs, index, engine, threads, services."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Self, TypeVar

from app.builtin import builtin_bundles, builtin_recipes, late_pictures
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.placement import places_of
from app.engine.types import Engine, ModelInfo, Priority, UnavailableError
from app.executors import Executors
from app.jobs import JobRunner
from app.metrics import Metrics
from app.placed import placed_specs
from app.services.answering import Answering
from app.services.captioning import Captioning
from app.services.generation import PictureGeneration
from app.services.ingest import Ingest
from app.services.items import Bundle
from app.services.library import Library
from app.services.resources import Resources
from app.services.search import Search
from app.services.taggers import Taggers
from app.services.tagging import Tagging
from app.services.words import Words
from app.settings import Settings, SettingsError
from app.upkeep import follow, maintain, save
from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.jobs import JobStore
from index.replica import IndexReplica
from index.types import Generation, Kind
from models.tagging.types import TaggerUnavailableError
from models.types import EncoderInfo
from models.words.errors import WordsUnavailableError

logger = logging.getLogger(__name__)
T = TypeVar("T")

# A large diffusion model takes minutes for a batch on a processor; that is slow, not hanging.
_DRAWING_TIMEOUT_S = 900.0
_LOOK_AGAIN_S = 0.25


def local_engine(settings: Settings, metrics: Metrics) -> LocalEngine:
    """The engine that the settings ask for; not started."""
    limits = LaneLimits(
        max_queue_items=settings.queue_items,
        max_batch=settings.batch_items,
        batch_wait_s=settings.batch_wait_ms / 1e3,
    )
    specs = placed_specs(settings)
    drawing = replace(limits, max_batch=settings.generator_batch, batch_timeout_s=_DRAWING_TIMEOUT_S)
    own = dict.fromkeys(places_of("generator", settings.placement, settings.device), drawing)
    return LocalEngine.from_specs(specs, limits=limits, own_limits=own, observer=metrics)


@dataclass(frozen=True, slots=True)
class Runtime:
    """One per process, opened by :meth:`open`; routes, jobs and the command line all work with it."""

    resources: Resources
    jobs: JobRunner
    ingest: Ingest
    search: Search
    library: Library
    tagging: Tagging
    captioning: Captioning
    answering: Answering
    drawing: PictureGeneration

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, engine: Engine | None = None, *, on_wait: Callable[[Engine], None] | None = None
    ) -> AsyncIterator[Self]:
        """Open everything, and close it in the reverse order; a changed index is saved now and then and at the end.

        ``engine`` (not started; its life is this runtime's) replaces the one that the settings ask for. With
        ``on_wait`` an encoder whose worker can't be reached is waited for, and ``on_wait`` called with the engine each
        time that it was looked for in vain.

        Raises:
            UnavailableError: the model can't be loaded, or without ``on_wait`` not be reached.
            FingerprintError: the catalogue's vectors were made by another encoder.
            ValueError, IndexRoomError, OSError: the catalogue or its folder can't be opened.
        """
        metrics = Metrics()
        async with AsyncExitStack() as stack:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            executors = Executors(settings.decode_threads, settings.database_threads)
            stack.callback(executors.close)
            catalogue = await executors.database(Catalogue.open, settings.catalogue_url)
            stack.callback(catalogue.close)
            running = engine or local_engine(settings, metrics)
            stack.push_async_callback(running.stop)
            await running.start()
            info = await _encoder(running, on_wait)
            generation = await executors.database(catalogue.ensure_generation, info.fingerprint, info.name, info.dim)
            replica = await executors.database(IndexReplica, catalogue, settings.index_dir, generation)
            stack.callback(save, replica)
            resources = Resources(
                settings=settings,
                catalogue=catalogue,
                blobs=BlobStore(settings.blobs_url),
                replica=replica,
                engine=running,
                executors=executors,
                metrics=metrics,
                generation=generation,
                words=await executors.database(_words, settings),
                taggers=await executors.database(_taggers, settings, running.encoder),
            )
            metrics.watch(running.health, lambda: _sizes(resources), lambda: _models(running))
            maintenance = asyncio.create_task(maintain(resources), name="maintenance")
            stack.push_async_callback(_cancelled, maintenance)
            ingest = Ingest(resources)
            drawing = PictureGeneration(resources, ingest)
            jobs = JobRunner(JobStore(catalogue.database), resources, ingest, drawing)
            runtime = cls(
                resources=resources,
                jobs=jobs,
                ingest=ingest,
                search=Search(resources),
                library=Library(resources),
                tagging=Tagging(resources),
                captioning=Captioning(resources),
                answering=Answering(resources),
                drawing=drawing,
            )
            stack.push_async_callback(jobs.stop)
            yield runtime

    @property
    def settings(self) -> Settings:
        return self.resources.settings

    @property
    def catalogue(self) -> Catalogue:
        return self.resources.catalogue

    @property
    def blobs(self) -> BlobStore:
        return self.resources.blobs

    @property
    def replica(self) -> IndexReplica:
        return self.resources.replica

    @property
    def engine(self) -> Engine:
        return self.resources.engine

    @property
    def executors(self) -> Executors:
        return self.resources.executors

    @property
    def metrics(self) -> Metrics:
        return self.resources.metrics

    @property
    def words(self) -> Words:
        return self.resources.words

    @property
    def generation(self) -> Generation:
        return self.resources.generation

    async def fill_builtin(self) -> int:
        """Store the built-in recipes and their pictures in a catalogue that never held anything, and in any other the
        pictures that it lacks (see :func:`app.builtin.late_pictures`); returns how many recipes were stored.

        It is one transaction: a start that is interrupted leaves the catalogue as it was, and the next one fills it.
        """
        if not self.settings.builtin_catalogue:
            return 0
        bundles = await self.executors.database(self._missing_builtin)
        if not bundles:
            return 0
        parts = [part for outcome in await self.ingest.put_many(bundles, Priority.BULK) for part in outcome.parts]
        for part in parts:
            if part.error is not None:
                logger.error("the built-in %s %s was not stored: %s", part.kind.value, part.id, part.error.detail)
        recipes, pictures = (sum(part.ok and part.kind is kind for part in parts) for kind in (Kind.RECIPE, Kind.IMAGE))
        logger.info("stored %d built-in recipes and %d pictures of such, which the catalogue lacked", recipes, pictures)
        return recipes

    def _missing_builtin(self) -> list[Bundle]:
        if self.catalogue.head() == 0:
            return builtin_bundles()
        pks = self.catalogue.ids_to_pks(Kind.RECIPE, [recipe_id for recipe_id, _ in builtin_recipes()])
        return late_pictures(self.catalogue.get_many(Kind.RECIPE, pks.values()))


def if_loaded(look: Callable[[], T | None]) -> T | None:
    """A model beside the encoder; None also where its worker has not been reached yet."""
    try:
        return look()
    except UnavailableError:
        return None


def _models(engine: Engine) -> dict[str, ModelInfo | None]:
    return {
        "encoder": engine.encoder,
        "captioner": if_loaded(lambda: engine.captioner),
        "reasoner": if_loaded(lambda: engine.reasoner),
        "generator": if_loaded(lambda: engine.generator),
    }


async def _encoder(engine: Engine, on_wait: Callable[[Engine], None] | None) -> EncoderInfo:
    while True:
        try:
            return engine.encoder
        except UnavailableError:
            if on_wait is None:
                raise
            on_wait(engine)
        await asyncio.sleep(_LOOK_AGAIN_S)


def _taggers(settings: Settings, encoder: EncoderInfo) -> Taggers:
    try:
        return Taggers.load(encoder, settings.tags)
    except TaggerUnavailableError as error:
        raise SettingsError(f"TASTESPACE_TAGS is wrong: {error}") from error


def _words(settings: Settings) -> Words:
    """Read at the start: it takes some milliseconds, and a wrong folder should be known then."""
    words = Words(settings.words)
    try:
        words.load()
    except WordsUnavailableError as error:
        raise SettingsError(f"TASTESPACE_WORDS is wrong: {error}") from error
    return words


def _sizes(resources: Resources) -> dict[str, dict[str, int]]:
    follow(resources.replica)
    return {
        "catalogue_items": {kind.value: resources.catalogue.count(kind) for kind in Kind},
        "index_items": {kind.value: len(resources.replica.index(kind)) for kind in Kind},
    }


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
