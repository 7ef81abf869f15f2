"""Content in: checked, decoded, encoded, its blob written, committed; with an outcome for each item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from app.engine.types import Priority
from app.problems import Problem
from app.services.drafts import Draft, Parcel, draft_picture, item_error, parcel, refuse_doubles
from app.services.items import Bundle, BundleOutcome, ItemError, ItemOutcome, PictureItem, RecipeItem
from app.services.preparation import Preparation
from app.services.resources import Resources
from index.types import (
    Delete,
    FingerprintError,
    IndexRoomError,
    Kind,
    Picture,
    StoredImage,
    StoredRecipe,
)

_CHANGE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PictureChange:
    """What a photo shall be: ``picture`` with the bytes it has; ``recipe_ids`` None keeps its links."""

    picture: Picture
    recipe_ids: tuple[str, ...] | None = None


class Ingest:
    """Writes to the catalogue. Every method may raise EngineError (saturated, late, unavailable) for the whole call."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._preparation = Preparation(resources)

    async def put_recipe(self, item: RecipeItem, *, priority: Priority = Priority.INTERACTIVE) -> ItemOutcome:
        """Insert or replace one recipe."""
        (outcome,) = await self.put_many([Bundle(recipe=item)], priority)
        return outcome.parts[0]

    async def put_image(self, item: PictureItem, *, priority: Priority = Priority.INTERACTIVE) -> ItemOutcome:
        """Insert or replace one photo."""
        (outcome,) = await self.put_many([Bundle(pictures=(item,))], priority)
        return outcome.parts[0]

    async def put_many(self, bundles: Sequence[Bundle], priority: Priority = Priority.BULK) -> list[BundleOutcome]:
        """Insert or replace what the bundles hold; an outcome for each, in order.

        What can't be used (a broken picture, a bad id) costs only itself. The rest is one transaction; should that
        fail because of one item, the items are written one by one. Content that is stored already is neither
        encoded nor written again. Once this returns, what it says is committed.
        """
        parcels = await self._prepared(bundles, priority)
        for each in parcels:
            each.link()
        await self._commit(parcels)
        self._count(parcels)
        return [each.outcome() for each in parcels]

    async def put_all(
        self, items: Sequence[PictureItem], priority: Priority = Priority.INTERACTIVE
    ) -> list[ItemOutcome]:
        """Insert or replace photos in one transaction: all of them or, where one can't be stored, none.

        Raises:
            Problem: one can't be stored; why.
            IndexRoomError: the catalogue refuses one: its recipe is not there, say, or it has another revision.
        """
        parcels = await self._prepared([Bundle(pictures=(item,)) for item in items], priority)
        drafts = [draft for each in parcels for draft in each.drafts]
        failed = next((draft.error for draft in drafts if draft.error is not None), None)
        if failed is None and drafts:
            await self._resources.executors.write(self._write, drafts)
        self._count(parcels)
        if failed is not None:
            raise Problem(failed.slug, failed.detail)
        return [each.outcome().parts[0] for each in parcels]

    async def change_recipe(
        self, item_id: str, change: Callable[[StoredRecipe], RecipeItem], *, retry: bool = True
    ) -> ItemOutcome:
        """Replace a recipe by what ``change`` makes of the stored one; ``retry``: again if it was changed meanwhile.

        Raises:
            UnknownItemError: there is none of this id.
        """
        catalogue = self._resources.catalogue

        async def attempt() -> ItemOutcome:
            stored = await self._resources.executors.database(lambda: catalogue.get(Kind.RECIPE, item_id))
            return await self.put_recipe(change(stored))

        return await (_persistently(attempt) if retry else attempt())

    async def change_image(
        self, item_id: str, change: Callable[[StoredImage], PictureChange], *, revision: int | None = None
    ) -> ItemOutcome:
        """Replace what is said about a photo, not its bytes. Without a ``revision`` that it must have, again if it was
        changed meanwhile.

        Raises:
            UnknownItemError: there is none of this id.
        """
        catalogue = self._resources.catalogue

        async def attempt() -> ItemOutcome:
            stored = await self._resources.executors.database(lambda: catalogue.get(Kind.IMAGE, item_id))
            expected = stored.revision if revision is None else revision
            return await self._write_change(stored, change(stored), expected)

        return await (_persistently(attempt) if revision is None else attempt())

    async def delete(self, kind: Kind, item_id: str, revision: int | None = None) -> None:
        """Delete an item. Raises UnknownItemError, RevisionError."""
        write = Delete(kind=kind, id=item_id, revision=revision)
        await self._resources.executors.write(
            self._resources.catalogue.write, [write], generation=self._resources.generation.number
        )
        self._resources.metrics.count_item(kind.value, "deleted")

    async def link(self, recipe_id: str, image_id: str) -> bool:
        """Link a photo with a recipe; False if they are. Raises UnknownItemError."""
        return await self._resources.executors.write(self._resources.catalogue.link, recipe_id, image_id)

    async def unlink(self, recipe_id: str, image_id: str) -> bool:
        """Take a link away; False if there is none. Raises UnknownItemError."""
        return await self._resources.executors.write(self._resources.catalogue.unlink, recipe_id, image_id)

    # --- one step each ----------------------------------------------------------------------------------

    async def _prepared(self, bundles: Sequence[Bundle], priority: Priority) -> list[Parcel]:
        """Ready to be written, but for what is wrong with some."""
        parcels = [parcel(bundle) for bundle in bundles]
        drafts = [draft for each in parcels for draft in each.drafts]
        refuse_doubles(drafts)
        await self._preparation.prepare(drafts, priority)
        return parcels

    def _count(self, parcels: Sequence[Parcel]) -> None:
        for draft in (draft for each in parcels for draft in each.drafts):
            status = draft.result.status.value if draft.result else "failed"
            self._resources.metrics.count_item(draft.kind.value, status)

    async def _commit(self, parcels: Sequence[Parcel]) -> None:
        ready = [draft for each in parcels for draft in each.drafts if draft.write() is not None]
        if not ready:
            return
        try:
            await self._resources.executors.write(self._write, ready)
        except FingerprintError:
            raise
        except (IndexRoomError, ValueError) as error:
            if len(ready) == 1:
                ready[0].error = item_error(error, ready[0].kind)
            else:
                await self._commit_singly(parcels)

    async def _commit_singly(self, parcels: Sequence[Parcel]) -> None:
        """One bad item must not cost the others: photos first, then the recipes with those that made it."""
        for each in parcels:
            for draft in each.drafts:
                if draft is each.recipe:
                    each.link()
                if draft.write() is None:
                    continue
                try:
                    await self._resources.executors.write(self._write, [draft])
                except FingerprintError:
                    raise
                except (IndexRoomError, ValueError) as error:
                    draft.error = item_error(error, draft.kind)

    def _write(self, drafts: Sequence[Draft]) -> None:
        writes = [write for draft in drafts if (write := draft.write()) is not None]
        results = self._resources.catalogue.write(writes, generation=self._resources.generation.number)
        for draft, result in zip(drafts, results, strict=True):
            draft.result = result

    async def _write_change(self, stored: StoredImage, change: PictureChange, revision: int) -> ItemOutcome:
        resources, picture = self._resources, change.picture
        item = PictureItem(
            data=b"",
            id=stored.id,
            title=picture.title,
            tags=picture.tags,
            captions=picture.captions,
            generated=picture.generated,
            extra=picture.extra,
            revision=revision,
            recipe_ids=change.recipe_ids,
        )
        draft = draft_picture(item)
        known = await resources.executors.database(self._preparation.vectors, [stored.pk])
        if draft.error is None and stored.pk in known:
            draft.picture, draft.vector = replace(picture, tags=draft.tags, captions=draft.captions), known[stored.pk]
        elif draft.error is None:
            data = await resources.executors.database(resources.blobs.read, stored.picture.blob)
            draft.item = replace(item, data=data)
            await self._preparation.open(draft, None, None)
            await self._preparation.encode([draft], Priority.INTERACTIVE)
        changed = Parcel(None, (draft,))
        await self._commit([changed])
        return changed.outcome().parts[0]


async def _persistently(attempt: Callable[[], Awaitable[ItemOutcome]]) -> ItemOutcome:
    """Try again where someone else was faster, a few times."""
    outcome, left = await attempt(), _CHANGE_ATTEMPTS - 1
    while outcome.error is not None and outcome.error.slug == "precondition-failed":
        if not left:
            error = ItemError("conflict", "Others keep changing this item; try again.")
            return replace(outcome, error=error)
        outcome, left = await attempt(), left - 1
    return outcome
