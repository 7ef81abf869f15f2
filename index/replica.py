"""The vector indexes of one process, kept equal to the catalogue by following its feed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from index.catalogue import Catalogue
from index.faiss_index import Codes, FaissIndex
from index.files import write_atomically
from index.types import (
    CorruptIndexError,
    FeedPosition,
    FingerprintError,
    Float32Array,
    Generation,
    Hit,
    Kind,
    Score,
    Selection,
)

logger = logging.getLogger(__name__)

_CHANGES_A_STEP = 2000


class IndexReplica:
    """One :class:`FaissIndex` a kind. A cache: it can be thrown away at any time and is rebuilt from the catalogue.

    Safe to call from several threads; any number of processes may follow one catalogue, each with a replica.
    """

    def __init__(
        self, catalogue: Catalogue, folder: Path | str | None, generation: Generation, *, codes: Codes = "fp16"
    ) -> None:
        """Load the indexes saved in ``folder`` (None: keep none), or build them from the catalogue, and catch up.

        Raises FingerprintError if ``generation`` isn't the active one.
        """
        self._catalogue = catalogue
        self._folder = None if folder is None else Path(folder)
        self.generation = generation
        self._codes = codes
        self._following = threading.Lock()  # held while changes are applied
        self._saved_seq = -1
        self._check_generation(catalogue.position())
        self._seq, self._indexes = self._load() or self._build()
        self.sync()

    @property
    def seq(self) -> int:
        """The last change of the feed that the indexes hold."""
        return self._seq

    def index(self, kind: Kind) -> FaissIndex:
        """The index of a kind, for reading only."""
        return self._indexes[kind]

    def sync(self) -> int:
        """Apply what the feed has had since; returns the sequence number reached. One cheap query if that is nothing.

        Raises FingerprintError once another generation has become the active one: this process's encoder then
        speaks another language than the catalogue's vectors.
        """
        position = self._catalogue.position()
        self._check_generation(position)
        if position.seq == self._seq:
            return self._seq
        with self._following:
            position = self._catalogue.position()  # another thread may have gone past what was read before the lock
            if position.seq < self._seq:
                self._rebuild("the catalogue is older than the index, as after a restored backup")
            while self._seq < position.seq:
                self._follow()
            return self._seq

    def search(self, kind: Kind, query: Float32Array, k: int, selection: Selection | None = None) -> list[Hit]:
        """:meth:`FaissIndex.search` after :meth:`sync`, so that every write committed before the call is seen."""
        self.sync()
        return self._indexes[kind].search(query, k, selection)

    def search_scored(self, kind: Kind, score: Score, k: int, selection: Selection | None = None) -> list[Hit]:
        """:meth:`FaissIndex.search_scored` after :meth:`sync`."""
        self.sync()
        return self._indexes[kind].search_scored(score, k, selection)

    def vectors_of(self, pks: Iterable[int]) -> dict[int, Float32Array]:
        """The vectors (dim,) of those of ``pks``, of either kind, that are there; after :meth:`sync`."""
        self.sync()
        wanted = [int(pk) for pk in pks]
        return {pk: row for index in self._indexes.values() for pk, row in index.reconstruct(wanted).items()}

    def rebuild(self) -> None:
        """Throw the indexes away and build them from the catalogue."""
        with self._following:
            self._rebuild("asked to")

    def save(self) -> bool:
        """Save the indexes; False if there is no folder or nothing changed since the last save. Raises OSError, and
        then the files saved before are as they were."""
        if self._folder is None:
            return False
        with self._following:
            seq = self._seq
            if seq == self._saved_seq:
                return False
            dumps = {
                kind: index.dump(seq=seq, generation=self.generation.number, catalogue=self._catalogue_id)
                for kind, index in self._indexes.items()
            }
        for kind, parts in dumps.items():
            write_atomically(self._path(self._folder, kind), parts)
        self._saved_seq = seq
        self._remove_older(self._folder)
        return True

    @property
    def _catalogue_id(self) -> str:
        return self._catalogue.database.catalogue_id

    def _path(self, folder: Path, kind: Kind) -> Path:
        return folder / f"{kind}.g{self.generation.number}.index"

    def _check_generation(self, position: FeedPosition) -> None:
        if position.generation != self.generation.number:
            raise FingerprintError(
                f"the catalogue now serves generation {position.generation} of its vectors, but this process searches "
                f"generation {self.generation.number} by {self.generation.encoder}; restart it with the new encoder"
            )

    def _follow(self) -> None:
        """Apply one step of the feed. Only the present state of each changed item counts, so that a step may be
        applied again, or over a state that is ahead of it."""
        changes = self._catalogue.changes(self._seq, _CHANGES_A_STEP)
        if not changes:
            self._rebuild("the feed lacks its last changes")
            return
        pks = {kind: {change.pk for change in changes if change.kind is kind} for kind in Kind}
        found = {kind: list(self._catalogue.vectors(pks[kind], self.generation.number)) for kind in Kind}
        # Vectors of a generation that was swapped out meanwhile are gone, which must not look like deleted items.
        self._check_generation(self._catalogue.position())
        for kind, chunks in found.items():
            index = self._indexes[kind]
            present: set[int] = set()
            for chunk_pks, rows in chunks:
                index.add(chunk_pks, rows)
                present.update(chunk_pks.tolist())
            index.remove(np.array(sorted(pks[kind] - present), dtype=np.int64))
        self._seq = changes[-1].seq

    def _rebuild(self, reason: str) -> None:
        logger.warning("rebuilding the vector indexes from the catalogue: %s", reason)
        seq, self._indexes = self._build()  # the indexes first: a search must not see them older than the number says
        self._seq, self._saved_seq = seq, -1

    def _build(self) -> tuple[int, dict[Kind, FaissIndex]]:
        # The feed's head is read before the vectors: what changes meanwhile is applied once more by sync.
        position = self._catalogue.position()
        indexes = {kind: FaissIndex(self.generation.dim, codes=self._codes) for kind in Kind}
        for kind, index in indexes.items():
            for pks, rows in self._catalogue.vectors(kind, self.generation.number):
                index.add(pks, rows)
        self._check_generation(self._catalogue.position())
        return position.seq, indexes

    def _load(self) -> tuple[int, dict[Kind, FaissIndex]] | None:
        if self._folder is None:
            return None
        try:
            loaded = {kind: self._load_one(self._path(self._folder, kind)) for kind in Kind}
        except FileNotFoundError:
            logger.info("no saved vector indexes; building them from the catalogue")
            return None
        except CorruptIndexError as error:
            logger.warning("rebuilding the vector indexes from the catalogue: %s", error)
            return None
        # After a crash between the two files their places differ; the feed is replayed from the earlier one.
        return min(seq for seq, _ in loaded.values()), {kind: index for kind, (_, index) in loaded.items()}

    def _load_one(self, path: Path) -> tuple[int, FaissIndex]:
        saved = FaissIndex.load(path)
        expected = (self._catalogue_id, self.generation.number, self.generation.dim, self._codes)
        if (saved.catalogue, saved.generation, saved.index.dim, saved.index.codes) != expected:
            raise CorruptIndexError(f"the saved index {path.name} belongs to another catalogue or encoder")
        if saved.seq > self._catalogue.head():
            raise CorruptIndexError(
                f"the saved index {path.name} is ahead of the catalogue, as after a restored backup"
            )
        return saved.seq, saved.index

    def _remove_older(self, folder: Path) -> None:
        for kind in Kind:
            for path in folder.glob(f"{kind}.g*.index"):
                number = path.name.split(".")[1].removeprefix("g")
                if number.isdigit() and int(number) < self.generation.number:
                    path.unlink(missing_ok=True)
