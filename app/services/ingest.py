"""Content in: checked, decoded, encoded, its blob written, committed; with an outcome for each item."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.engine.types import Done, Operation, Priority
from app.problems import Problem
from app.services.drafts import (
    Draft,
    draft_picture,
    draft_recipe,
    item_error,
    open_picture,
    picture_bytes,
    reuse_recipe,
)
from app.services.items import Bundle, BundleOutcome, ItemError, ItemOutcome, PictureItem, RecipeItem
from app.services.resources import Resources
from index.types import (
    Delete,
    FingerprintError,
    Float32Array,
    IndexRoomError,
    Kind,
    Picture,
    StoredImage,
    StoredRecipe,
)

logger = logging.getLogger(__name__)

_CHANGE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PictureChange:
    """What a photo shall be: ``picture`` with the bytes it has, ``recipe_ids`` None keeps its links."""

    picture: Picture
    recipe_ids: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Parcel:
    """The drafts of a bundle."""

    recipe: Draft | None
    pictures: tuple[Draft, ...]

    @property
    def drafts(self) -> tuple[Draft, ...]:
        return (*self.pictures, *((self.recipe,) if self.recipe else ()))

    def link(self) -> None:
        """Let the recipe have those photos that can be stored."""
        if self.recipe is None:
            return
        ids = [draft.id for draft in self.pictures if draft.error is None and draft.id is not None]
        item = self.recipe.item
        assert isinstance(item, RecipeItem)
        if ids:
            self.recipe.links = tuple(dict.fromkeys([*(item.image_ids or ()), *ids]))
        elif self.pictures:
            self.recipe.links = item.image_ids

    def outcome(self) -> BundleOutcome:
        return BundleOutcome(
            recipe=self.recipe.outcome() if self.recipe else None,
            pictures=tuple(draft.outcome() for draft in self.pictures),
        )


class Ingest:
    """Writes to the catalogue. Every method may raise EngineError (saturated, late, unavailable) for the whole call."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def put_recipe(self, item: RecipeItem, *, priority: Priority = Priority.INTERACTIVE) -> ItemOutcome:
        """Insert or replace one recipe."""
        (outcome,) = await self.put_many([Bundle(recipe=item)], priority)
        assert outcome.recipe is not None
        return outcome.recipe

    async def put_image(self, item: PictureItem, *, priority: Priority = Priority.INTERACTIVE) -> ItemOutcome:
        """Insert or replace one photo."""
        (outcome,) = await self.put_many([Bundle(pictures=(item,))], priority)
        return outcome.pictures[0]

    async def put_many(self, bundles: Sequence[Bundle], priority: Priority = Priority.BULK) -> list[BundleOutcome]:
        """Insert or replace what the bundles hold; an outcome for each, in order.

        What can't be used (a broken picture, a bad id) costs only itself. The rest is one transaction; should that
        fail because of one item, the items are written one by one. Content that is stored already is neither
        encoded nor written again. Once this returns, what it says is committed.
        """
        parcels = [
            _Parcel(
                draft_recipe(bundle.recipe) if bundle.recipe else None,
                tuple(draft_picture(picture) for picture in bundle.pictures),
            )
            for bundle in bundles
        ]
        drafts = [draft for parcel in parcels for draft in parcel.drafts]
        _refuse_doubles(drafts)
        await self._prepare(drafts)
        await self._encode([draft for draft in drafts if draft.error is None], priority)
        for parcel in parcels:
            parcel.link()
        await self._commit(parcels)
        for draft in drafts:
            status = draft.result.status.value if draft.result else "failed"
            self._resources.metrics.count_item(draft.kind.value, status)
        return [parcel.outcome() for parcel in parcels]

    async def change_recipe(
        self, item_id: str, change: Callable[[StoredRecipe], RecipeItem], *, retry: bool = True
    ) -> ItemOutcome:
        """Replace a recipe by what ``change`` makes of the stored one; again if it was changed meanwhile.

        Raises:
            UnknownItemError: there is none of this id.
        """
        for attempt in range(_CHANGE_ATTEMPTS):
            stored = await self._database_get_recipe(item_id)
            outcome = await self.put_recipe(change(stored))
            if not (retry and _lost_race(outcome) and attempt + 1 < _CHANGE_ATTEMPTS):
                return outcome
        raise AssertionError("the last attempt returns")

    async def change_image(
        self,
        item_id: str,
        change: Callable[[StoredImage], PictureChange],
        *,
        revision: int | None = None,
    ) -> ItemOutcome:
        """Replace what is said about a photo, not its bytes; again if it was changed meanwhile and any revision will do.

        Raises:
            UnknownItemError: there is none of this id.
        """
        for attempt in range(_CHANGE_ATTEMPTS):
            stored = await self._resources.executors.database(self._resources.catalogue.get, Kind.IMAGE, item_id)
            assert isinstance(stored, StoredImage)
            outcome = await self._write_change(stored, change(stored), revision)
            if not (revision is None and _lost_race(outcome) and attempt + 1 < _CHANGE_ATTEMPTS):
                return outcome
        raise AssertionError("the last attempt returns")

    async def delete(self, kind: Kind, item_id: str, revision: int | None = None) -> None:
        """Delete an item. Raises UnknownItemError, RevisionError."""
        resources = self._resources
        write = Delete(kind=kind, id=item_id, revision=revision)
        await resources.executors.database(resources.catalogue.write, [write], generation=resources.generation.number)
        resources.metrics.count_item(kind.value, "deleted")

    async def link(self, recipe_id: str, image_id: str) -> bool:
        """Link a photo with a recipe; False if they are. Raises UnknownItemError."""
        return await self._resources.executors.database(self._resources.catalogue.link, recipe_id, image_id)

    async def unlink(self, recipe_id: str, image_id: str) -> bool:
        """Take a link away; False if there is none. Raises UnknownItemError."""
        return await self._resources.executors.database(self._resources.catalogue.unlink, recipe_id, image_id)

    # --- one step each ----------------------------------------------------------------------------------

    async def _database_get_recipe(self, item_id: str) -> StoredRecipe:
        stored = await self._resources.executors.database(self._resources.catalogue.get, Kind.RECIPE, item_id)
        assert isinstance(stored, StoredRecipe)
        return stored

    async def _prepare(self, drafts: Sequence[Draft]) -> None:
        """Compare with what is stored; decode pictures and write their blobs."""
        usable = [draft for draft in drafts if draft.error is None]
        recipes, images, vectors = await self._resources.executors.database(self._stored, usable)
        pictures = []
        for draft in usable:
            assert draft.id is not None
            if draft.kind is Kind.RECIPE:
                if (recipe := recipes.get(draft.id)) is not None:
                    reuse_recipe(draft, recipe, vectors.get(recipe.pk))
            else:
                image = images.get(draft.id)
                pictures.append(self._open(draft, image, vectors.get(image.pk) if image else None))
        await asyncio.gather(*pictures)

    def _stored(
        self, drafts: Sequence[Draft]
    ) -> tuple[dict[str, StoredRecipe], dict[str, StoredImage], dict[int, Float32Array]]:
        """What is stored under the ids of ``drafts``, and the vectors by pk."""
        catalogue = self._resources.catalogue
        pks: dict[Kind, list[int]] = {}
        for kind in Kind:
            # An id that was made here a moment ago is nobody's yet.
            ids = [draft.id for draft in drafts if draft.kind is kind and draft.id is not None and draft.item.id]
            pks[kind] = list(catalogue.ids_to_pks(kind, ids).values()) if ids else []
        vectors = self._vectors([*pks[Kind.RECIPE], *pks[Kind.IMAGE]])
        recipes = catalogue.get_many(Kind.RECIPE, pks[Kind.RECIPE]) if pks[Kind.RECIPE] else []
        images = catalogue.get_many(Kind.IMAGE, pks[Kind.IMAGE]) if pks[Kind.IMAGE] else []
        return {each.id: each for each in recipes}, {each.id: each for each in images}, vectors

    def _vectors(self, pks: Iterable[int]) -> dict[int, Float32Array]:
        found: dict[int, Float32Array] = {}
        for keys, rows in self._resources.catalogue.vectors(pks, self._resources.generation.number):
            # Stored as float16, so made exactly unit again.
            unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            found |= {int(pk): row for pk, row in zip(keys, unit, strict=True)}
        return found

    async def _open(self, draft: Draft, stored: StoredImage | None, vector: Float32Array | None) -> None:
        resources = self._resources
        item = draft.item
        assert isinstance(item, PictureItem)
        try:
            data = await resources.executors.database(picture_bytes, item)
            await resources.executors.decode(
                open_picture,
                draft,
                data,
                stored,
                vector,
                resources.picture_limits,
                resources.engine.encoder.preprocess,
            )
            if draft.payload is not None:
                await resources.executors.database(resources.blobs.put, data)
        except Exception as error:  # noqa: BLE001 - item_error raises what is not the item's own fault
            draft.error = item_error(error, Kind.IMAGE)

    async def _encode(self, drafts: Sequence[Draft], priority: Priority) -> None:
        work: dict[Operation, list[Draft]] = {Operation.ENCODE_PIXELS: [], Operation.ENCODE_RECIPE: []}
        for draft in drafts:
            if draft.payload is not None:
                operation = Operation.ENCODE_RECIPE if draft.kind is Kind.RECIPE else Operation.ENCODE_PIXELS
                work[operation].append(draft)
        await asyncio.gather(*(self._submit(each, group, priority) for each, group in work.items() if group))

    async def _submit(self, operation: Operation, drafts: Sequence[Draft], priority: Priority) -> None:
        # Identical pictures of one call are encoded once.
        first: dict[object, Draft] = {}
        for draft in drafts:
            first.setdefault(_same_work(draft), draft)
        payloads = [draft.payload for draft in first.values() if draft.payload is not None]
        timeout_s = self._resources.settings.request_timeout_s if priority is Priority.INTERACTIVE else None
        outcomes = await self._resources.engine.submit(operation, payloads, timeout_s=timeout_s, priority=priority)
        by_work = dict(zip(first, outcomes, strict=True))
        for draft in drafts:
            outcome = by_work[_same_work(draft)]
            if isinstance(outcome, Done):
                draft.vector, draft.payload = outcome.value, None
            else:
                draft.error = ItemError("encoding-failed", outcome.detail)

    async def _commit(self, parcels: Sequence[_Parcel]) -> None:
        ready = [draft for parcel in parcels for draft in parcel.drafts if draft.ready]
        if not ready:
            return
        try:
            await self._resources.executors.database(self._write, ready)
        except FingerprintError:
            raise
        except (IndexRoomError, ValueError) as error:
            if len(ready) == 1:
                ready[0].fail(error)
                return
            await self._commit_singly(parcels)

    async def _commit_singly(self, parcels: Sequence[_Parcel]) -> None:
        """One bad item must not cost the others: photos first, then the recipes with those that made it."""
        for parcel in parcels:
            for draft in parcel.drafts:
                if draft is parcel.recipe:
                    parcel.link()
                if not draft.ready:
                    continue
                try:
                    await self._resources.executors.database(self._write, [draft])
                except FingerprintError:
                    raise
                except (IndexRoomError, ValueError) as error:
                    draft.fail(error)

    def _write(self, drafts: Sequence[Draft]) -> None:
        writes = [draft.write() for draft in drafts]
        results = self._resources.catalogue.write(writes, generation=self._resources.generation.number)
        for draft, result in zip(drafts, results, strict=True):
            draft.result = result

    async def _write_change(self, stored: StoredImage, change: PictureChange, revision: int | None) -> ItemOutcome:
        item = PictureItem(
            data=b"",
            id=stored.id,
            title=change.picture.title,
            tags=change.picture.tags,
            generated=change.picture.generated,
            extra=change.picture.extra,
            revision=stored.revision if revision is None else revision,
            recipe_ids=change.recipe_ids,
        )
        draft = draft_picture(item)
        vectors = await self._resources.executors.database(self._vectors, [stored.pk])
        if stored.pk in vectors:
            draft.picture, draft.vector = replace(change.picture, tags=draft.tags), vectors[stored.pk]
        else:
            data = await self._resources.executors.database(self._resources.blobs.read, stored.picture.blob)
            draft.item = replace(item, data=data)
            await self._open(draft, None, None)
            await self._encode([draft] if draft.error is None else [], Priority.INTERACTIVE)
        await self._commit([_Parcel(None, (draft,))])
        return draft.outcome()


def _same_work(draft: Draft) -> object:
    return draft.picture.blob if draft.picture is not None else draft


def _lost_race(outcome: ItemOutcome) -> bool:
    return outcome.error is not None and outcome.error.slug == "precondition-failed"


def _refuse_doubles(drafts: Iterable[Draft]) -> None:
    """Of two items with one id in a call, which one counts would be chance: the second is refused."""
    seen: set[tuple[Kind, str | None]] = set()
    for draft in drafts:
        key = (draft.kind, draft.id)
        if draft.error is None and key in seen:
            draft.fail(Problem("conflict", f"The id {draft.id!r} stands twice in this call."))
        seen.add(key)
