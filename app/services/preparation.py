"""Making drafts ready to be written: compare with what is stored, decode, keep the bytes, encode."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.engine.types import Done, EncodeOperation, EncodePayload, Operation, Outcome, Priority
from app.problems import Problem
from app.services.auto_captions import caption_plan
from app.services.drafts import (
    Draft,
    PictureDraft,
    RecipeDraft,
    item_error,
    open_picture,
    picture_bytes,
    reuse_recipe,
)
from app.services.items import ItemError
from app.services.resources import Resources
from index.types import Float32Array, Kind, StoredImage, StoredRecipe
from models.captioning.types import CaptionerUnavailableError
from models.tagging.types import TaggerUnavailableError

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored already: items by id, vectors by pk."""

    recipes: dict[str, StoredRecipe]
    images: dict[str, StoredImage]
    vectors: dict[int, Float32Array]


class Preparation:
    """Gives drafts their vectors. What is wrong with a draft ends in its ``error``."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def prepare(self, drafts: Sequence[Draft], priority: Priority) -> None:
        """Bring every draft that has no error to a vector. Raises EngineError for the whole call, OSError."""
        for draft in drafts:
            if isinstance(draft, PictureDraft) and draft.error is None:
                self._require_models(draft)
        usable = [draft for draft in drafts if draft.error is None]
        known = await self._resources.executors.database(self._known, usable)
        opening = []
        for draft in usable:
            if isinstance(draft, PictureDraft):
                image = known.images.get(draft.id)
                opening.append(self.open(draft, image, known.vectors.get(image.pk) if image else None))
            elif (recipe := known.recipes.get(draft.id)) is not None:
                reuse_recipe(draft, recipe, known.vectors.get(recipe.pk))
        await asyncio.gather(*opening)
        await asyncio.gather(self.encode(usable, priority), self._caption(usable, priority))
        for draft in usable:
            if isinstance(draft, PictureDraft):
                draft.add_auto_tags(self._resources.taggers)

    def _require_models(self, draft: PictureDraft) -> None:
        """Refuse what can't be tagged or captioned before anything is decoded for it."""
        try:
            if draft.item.auto_tags is not None:
                self._resources.taggers.head()
            if draft.item.auto_captions is not None:
                draft.caption_plan = caption_plan(self._resources.engine, draft.item.auto_captions)
        except (TaggerUnavailableError, CaptionerUnavailableError, Problem) as error:
            draft.error = item_error(error, Kind.IMAGE)

    async def open(self, draft: PictureDraft, stored: StoredImage | None, vector: Float32Array | None) -> None:
        """Decode a photo, and keep its bytes unless they are kept."""
        resources = self._resources
        spec = resources.engine.encoder.preprocess
        try:
            data = await resources.executors.database(picture_bytes, draft.item)
            await resources.executors.decode(open_picture, draft, data, stored, vector, resources.picture_limits, spec)
            if draft.payload is not None:
                await resources.executors.database(resources.blobs.put, data)
        except Exception as error:  # noqa: BLE001 - item_error raises what is not the item's own fault
            draft.error = item_error(error, Kind.IMAGE)

    async def encode(self, drafts: Sequence[Draft], priority: Priority) -> None:
        """Encode what has a payload. Identical pictures of one call are encoded once."""
        recipes = [draft for draft in drafts if isinstance(draft, RecipeDraft) and draft.error is None]
        pictures = [draft for draft in drafts if isinstance(draft, PictureDraft) and draft.error is None]
        by_recipe = {draft.payload: draft.payload for draft in recipes if draft.payload is not None}
        by_blob = {
            draft.picture.blob: draft.payload for draft in pictures if draft.picture and draft.payload is not None
        }
        of_recipes, of_pictures = await asyncio.gather(
            self._submit(Operation.ENCODE_RECIPE, by_recipe, priority),
            self._submit(Operation.ENCODE_PIXELS, by_blob, priority),
        )
        for recipe in recipes:
            if recipe.payload is not None:
                _settle(recipe, of_recipes[recipe.payload])
        for picture in pictures:
            if picture.payload is not None and picture.picture is not None:
                _settle(picture, of_pictures[picture.picture.blob])

    async def _caption(self, drafts: Sequence[Draft], priority: Priority) -> None:
        """Caption what is to be captioned. Identical pictures of one call are captioned once."""
        waiting = [
            (draft.picture.blob, draft, draft.to_caption)
            for draft in drafts
            if isinstance(draft, PictureDraft) and draft.picture is not None and draft.to_caption is not None
        ]
        if not waiting:
            return
        work = {(blob, photo.options.style): photo for blob, _, photo in waiting}
        outcomes = await self._resources.engine.submit(
            Operation.CAPTION, list(work.values()), timeout_s=self._timeout_s(priority), priority=priority
        )
        found = dict(zip(work, outcomes, strict=True))
        for blob, draft, photo in waiting:
            outcome = found[blob, photo.options.style]
            if isinstance(outcome, Done):
                draft.add_caption(outcome.value)
            else:
                draft.error = draft.error or ItemError("captioning-failed", outcome.detail)

    def vectors(self, pks: Iterable[int]) -> dict[int, Float32Array]:
        """The stored vectors of those of ``pks`` that have one."""
        found: dict[int, Float32Array] = {}
        for keys, rows in self._resources.catalogue.vectors(pks, self._resources.generation.number):
            # They are stored as float16, so they are made exactly unit again.
            unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            found |= {int(pk): row for pk, row in zip(keys, unit, strict=True)}
        return found

    async def _submit(
        self, operation: EncodeOperation, work: Mapping[Key, EncodePayload], priority: Priority
    ) -> dict[Key, Outcome[Float32Array]]:
        if not work:
            return {}
        outcomes = await self._resources.engine.submit(
            operation, list(work.values()), timeout_s=self._timeout_s(priority), priority=priority
        )
        return dict(zip(work, outcomes, strict=True))

    def _timeout_s(self, priority: Priority) -> float | None:
        return self._resources.settings.request_timeout_s if priority is Priority.INTERACTIVE else None

    def _known(self, drafts: Sequence[Draft]) -> _Known:
        # An id that was made here a moment ago is nobody's yet.
        named = [draft for draft in drafts if draft.item.id is not None]
        catalogue = self._resources.catalogue
        pks = {
            kind: list(catalogue.ids_to_pks(kind, ids).values()) if ids else []
            for kind in Kind
            for ids in [[draft.id for draft in named if draft.kind is kind]]
        }
        recipes = catalogue.get_many(Kind.RECIPE, pks[Kind.RECIPE]) if pks[Kind.RECIPE] else []
        images = catalogue.get_many(Kind.IMAGE, pks[Kind.IMAGE]) if pks[Kind.IMAGE] else []
        return _Known(
            recipes={recipe.id: recipe for recipe in recipes},
            images={image.id: image for image in images},
            vectors=self.vectors(pk for of_kind in pks.values() for pk in of_kind),
        )


def _settle(draft: Draft, outcome: Outcome[Float32Array]) -> None:
    if isinstance(outcome, Done):
        draft.vector, draft.payload = outcome.value, None
    else:
        draft.error = ItemError("encoding-failed", outcome.detail)
