"""Encode the whole catalogue anew, into a generation of its own that replaces the old one at once when it is full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.engine.types import Done, EncodeOperation, EncodePayload, Engine, Operation, Outcome, Priority
from app.executors import Executors
from app.pictures import PictureError, PictureLimits, decode
from app.services.drafts import recipe_text
from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.types import (
    BlobCorruptError,
    BlobMissingError,
    Float32Array,
    Generation,
    IndexRoomError,
    Kind,
    StoredImage,
    StoredRecipe,
)
from models.preprocess import to_pixels
from models.types import UInt8Array

_CHUNK = 64
_ROUNDS = 5  # how often what was written meanwhile is caught up with before giving up

OnProgress = Callable[[int, int], None]


class ReindexError(IndexRoomError):
    """Some items can't be encoded, so the old generation stays; the message is one clear sentence."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """``encoded`` items in this run (an interrupted run's are kept); ``generation`` is the active one now."""

    generation: Generation
    encoded: int


@dataclass(frozen=True, slots=True)
class Reindexer:
    """Needs a started engine, whose encoder is the new one."""

    catalogue: Catalogue
    blobs: BlobStore
    engine: Engine
    executors: Executors
    limits: PictureLimits

    async def run(self, on_progress: OnProgress) -> ReindexReport:
        """Fill what the new generation lacks, then swap it in. Nothing happens if it is the active one and full.

        Searches and writes go on meanwhile with the old generation; items written meanwhile are caught up with.
        A run that was interrupted is resumed by running again. ``on_progress(done, total)`` counts items.

        Raises:
            ReindexError: an item can't be encoded (a lost or broken picture); all the others are kept for the next run.
            EngineError, OSError.
        """
        info, database = self.engine.encoder, self.executors.database
        new = await database(self.catalogue.begin_generation, info.fingerprint, info.name, info.dim)
        total = sum([await database(self.catalogue.count, kind) for kind in Kind])
        encoded = 0
        for _ in range(_ROUNDS):
            failures: list[str] = []
            for kind in Kind:
                after = 0
                while pks := await database(self.catalogue.missing_vectors, new.number, _CHUNK, kind=kind, after=after):
                    after = pks[-1]
                    encoded += await self._fill(new, kind, pks, failures)
                    on_progress(encoded, max(total, encoded))
            if failures:
                more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
                raise ReindexError(
                    f"{failures[0]}{more}; put these items again or delete them, then run `tastespace reindex` again"
                )
            if not await database(self.catalogue.missing_vectors, new.number, 1):
                return ReindexReport(await database(self.catalogue.activate_generation, new.number), encoded)
        raise ReindexError("items are written faster than they are encoded; run `tastespace reindex` at a quieter time")

    async def _fill(self, new: Generation, kind: Kind, pks: Sequence[int], failures: list[str]) -> int:
        items = await self.executors.database(self.catalogue.get_many, kind, pks)
        payloads: list[EncodePayload] = []
        encodable: list[tuple[int, str, str]] = []  # pk, digest, name for messages
        for item in items:
            name = f"{kind} {item.id!r}"
            try:
                payloads.append(await self._payload(item))
            except (BlobMissingError, BlobCorruptError, PictureError, ValueError) as error:
                failures.append(f"{name} can't be encoded ({error})")
            else:
                encodable.append((item.pk, item.digest, name))
        if not payloads:
            return 0
        operation: EncodeOperation = Operation.ENCODE_RECIPE if kind is Kind.RECIPE else Operation.ENCODE_PIXELS
        outcomes = await self.engine.submit(operation, payloads, priority=Priority.BULK)
        return await self._store(new, encodable, outcomes, failures)

    async def _payload(self, item: StoredRecipe | StoredImage) -> EncodePayload:
        if isinstance(item, StoredRecipe):
            return recipe_text(item.recipe)
        return await self.executors.decode(self._pixels, item.picture.blob)

    def _pixels(self, blob: str) -> UInt8Array:
        spec = self.engine.encoder.preprocess
        return to_pixels(decode(self.blobs.read(blob), self.limits, target_side=spec.size).image, spec)

    async def _store(
        self,
        new: Generation,
        encoded: Sequence[tuple[int, str, str]],
        outcomes: Sequence[Outcome[Float32Array]],
        failures: list[str],
    ) -> int:
        """Keep the vectors of content that is still as it was encoded; returns how many."""
        kept: list[tuple[int, str, Float32Array]] = []
        for (pk, digest, name), outcome in zip(encoded, outcomes, strict=True):
            if isinstance(outcome, Done):
                kept.append((pk, digest, outcome.value))
            else:
                failures.append(f"{name} can't be encoded ({outcome.detail})")
        if not kept:
            return 0
        pks, digests, vectors = zip(*kept, strict=True)
        return await self.executors.database(
            self.catalogue.put_vectors, new.number, pks, np.stack(vectors), digests=digests
        )
