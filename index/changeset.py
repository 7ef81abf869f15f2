"""What one list of writes touches, loaded from the database and changed in memory before it is flushed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from index.database import Database
from index.schema import items, links, vectors
from index.types import Float32Array, Kind, Picture, Recipe, UnknownItemError


@dataclass(slots=True, eq=False)
class Link:
    """Places of a link on both its sides; only their order counts."""

    position: int  # of the photo among the recipe's
    recipe_position: int  # of the recipe among the photo's


@dataclass(slots=True, eq=False)
class Draft:
    """One item as it will be. ``revision`` is the loaded one (0: new) and grows by one at the flush if touched."""

    kind: Kind
    id: str
    pk: int = 0
    digest: str = ""
    revision: int = 0
    exists: bool = False
    has_vector: bool = False  # of the active generation
    content: Recipe | Picture | None = None  # to be written
    vector: Float32Array | None = None  # to be written
    deleted: bool = False
    touched: bool = False  # content or links changed: the revision grows
    announced: bool = False  # gets an entry in the feed
    links: dict[Draft, Link] = field(default_factory=dict)  # by the item at the other end

    @property
    def is_new(self) -> bool:
        return self.pk == 0

    @property
    def final_revision(self) -> int:
        return self.revision + 1 if self.touched else self.revision

    def touch(self) -> None:
        self.touched = self.announced = True

    def ordered_links(self) -> list[Draft]:
        by_recipe = self.kind is Kind.RECIPE
        return sorted(
            self.links,
            key=lambda other: self.links[other].position if by_recipe else self.links[other].recipe_position,
        )


class ChangeSet:
    """Drafts of the items named, their neighbours and links. Changes stay in memory."""

    def __init__(self, connection: Connection, database: Database, named: Iterable[tuple[Kind, str]]) -> None:
        self._connection, self._database = connection, database
        self._by_id = {key: Draft(*key) for key in dict.fromkeys(named)}
        self.stored_links = self._load_links(self._load_items())

    @property
    def drafts(self) -> Sequence[Draft]:
        """Every draft, the named ones first and in the order of naming."""
        return list(self._by_id.values())

    def draft(self, kind: Kind, item_id: str) -> Draft:
        return self._by_id[kind, item_id]

    def existing(self, kind: Kind, item_id: str) -> Draft:
        """Raises UnknownItemError."""
        draft = self._by_id[kind, item_id]
        if not draft.exists:
            raise UnknownItemError(kind, item_id)
        return draft

    def load_vectors(self, generation: int) -> None:
        """Learn which drafts have their vector of ``generation``."""
        by_pk = {draft.pk: draft for draft in self.drafts if draft.exists}
        query = select(vectors.c.pk).where(
            self._database.among(vectors.c.pk, list(by_pk)), vectors.c.generation == generation
        )
        for pk in self._connection.scalars(query):
            by_pk[pk].has_vector = True

    def replace_links(self, item: Draft, other_ids: Iterable[str]) -> None:
        """Make ``other_ids`` exactly the items linked with ``item``, in that order. Raises UnknownItemError."""
        other_kind = Kind.IMAGE if item.kind is Kind.RECIPE else Kind.RECIPE
        wanted = [self.existing(other_kind, other_id) for other_id in dict.fromkeys(other_ids)]
        before = item.ordered_links()
        if wanted == before:
            return
        item.touch()
        for other in set(before) - set(wanted):
            self.unlink(item, other)
        for place, other in enumerate(wanted):
            if other not in item.links:
                self.link(item, other)
            if item.kind is Kind.RECIPE:
                item.links[other].position = place
            else:
                item.links[other].recipe_position = place

    def link(self, one: Draft, other: Draft) -> bool:
        """Link a recipe and a photo (in either order), last on both sides; False if they are linked already."""
        if other in one.links:
            return False
        recipe, image = (one, other) if one.kind is Kind.RECIPE else (other, one)
        position = 1 + max((known.position for known in recipe.links.values()), default=-1)
        recipe_position = 1 + max((known.recipe_position for known in image.links.values()), default=-1)
        recipe.links[image] = image.links[recipe] = Link(position, recipe_position)
        recipe.touch()
        image.touch()
        return True

    def unlink(self, one: Draft, other: Draft) -> bool:
        """False if they were not linked."""
        if other not in one.links:
            return False
        del one.links[other], other.links[one]
        one.touch()
        other.touch()
        return True

    def links_by_pk(self) -> dict[tuple[int, int], tuple[int, int]]:
        """(recipe pk, image pk) -> (position, recipe position) of all links in memory; call once pks are known."""
        return {
            (recipe.pk, image.pk): (link.position, link.recipe_position)
            for recipe in self._by_id.values()
            if recipe.kind is Kind.RECIPE
            for image, link in recipe.links.items()
        }

    def _load_items(self) -> dict[int, Draft]:
        by_pk: dict[int, Draft] = {}
        for kind in Kind:
            ids = [item_id for named_kind, item_id in self._by_id if named_kind is kind]
            if ids:
                query = select(items).where(items.c.kind == kind.value, self._database.among(items.c.id, ids))
                self._fill(query, by_pk)
        return by_pk

    def _fill(self, query: Select[Any], by_pk: dict[int, Draft]) -> None:
        for row in self._connection.execute(query):
            key = (Kind(row.kind), row.id)
            draft = self._by_id.setdefault(key, Draft(*key))
            draft.pk, draft.digest, draft.revision, draft.exists = row.pk, row.digest, row.revision, True
            by_pk[draft.pk] = draft

    def _load_links(self, by_pk: dict[int, Draft]) -> dict[tuple[int, int], tuple[int, int]]:
        """Every link of a named item. Of the neighbours thus found only these links are known, which is enough:
        a link is made only between named items."""
        pks = list(by_pk)
        query = select(links).where(
            or_(self._database.among(links.c.recipe_pk, pks), self._database.among(links.c.image_pk, pks))
        )
        rows = self._connection.execute(query).all()
        unknown = {pk for row in rows for pk in (row.recipe_pk, row.image_pk)} - by_pk.keys()
        if unknown:
            self._fill(select(items).where(self._database.among(items.c.pk, sorted(unknown))), by_pk)
        for row in rows:
            recipe, image = by_pk[row.recipe_pk], by_pk[row.image_pk]
            recipe.links[image] = image.links[recipe] = Link(row.position, row.recipe_position)
        return {(row.recipe_pk, row.image_pk): (row.position, row.recipe_position) for row in rows}
