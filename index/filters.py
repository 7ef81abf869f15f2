"""Filters as SQL conditions on ``items``. Exact, and the same for listing, counting and searching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, Table, and_, exists, or_, select, union_all

from index.database import Database
from index.schema import caption_words, ingredient_words, items, links, pictures, tags
from index.text import caption_phrase, ingredient_phrase, normalize_tag, tag_key
from index.types import Filter, Int64Array, Kind, Selection

_PHRASES_A_UNION = 200  # SQLite takes 500


def conditions(database: Database, kind: Kind, wanted: Filter) -> list[ColumnElement[bool]]:
    """All that must hold of an ``items`` row.

    Raises ValueError on a bad tag, ingredient name or phrase, or a condition of the other kind.
    """
    _refuse_foreign(kind, wanted)
    held: list[ColumnElement[bool]] = [items.c.kind == kind.value]
    held += [_tagged(database, [key]) for key in _keys(wanted.tags_all)]
    if wanted.tags_any:
        held.append(_tagged(database, _keys(wanted.tags_any)))
    held += [_with_ingredient(database, kind, _phrases([group])) for group in wanted.ingredients_all]
    if wanted.ingredients_any:
        held.append(_with_ingredient(database, kind, _phrases(wanted.ingredients_any)))
    held += [_captioned(database, [phrase]) for phrase in wanted.captions_all]
    if wanted.captions_any:
        held.append(_captioned(database, wanted.captions_any))
    if wanted.ids is not None:
        held.append(database.among(items.c.id, wanted.ids))
    if wanted.has_image is not None:
        linked = exists().where(links.c.recipe_pk == items.c.pk)
        held.append(linked if wanted.has_image else ~linked)
    if wanted.has_recipe is not None:
        linked = exists().where(links.c.image_pk == items.c.pk)
        held.append(linked if wanted.has_recipe else ~linked)
    if wanted.generated is not None:
        drawn = select(pictures.c.pk).where(pictures.c.generated == wanted.generated)
        held.append(items.c.pk.in_(drawn))
    return held + [~dropped for dropped in _exclusions(database, kind, wanted)]


def select_items(connection: Connection, database: Database, kind: Kind, wanted: Filter) -> Selection:
    """The filter as pks. A filter that only excludes gives the (usually few) excluded ones. Raises ValueError."""
    if wanted.is_empty:
        return Selection()
    _refuse_foreign(kind, wanted)
    only_excludes = wanted == Filter(
        tags_none=wanted.tags_none,
        ingredients_none=wanted.ingredients_none,
        captions_none=wanted.captions_none,
        exclude_ids=wanted.exclude_ids,
    )
    if not only_excludes:
        return Selection(include=_pks(connection, conditions(database, kind, wanted)))
    excluded = or_(*_exclusions(database, kind, wanted))
    return Selection(exclude=_pks(connection, [items.c.kind == kind.value, excluded]))


def _exclusions(database: Database, kind: Kind, wanted: Filter) -> list[ColumnElement[bool]]:
    dropped: list[ColumnElement[bool]] = []
    if wanted.tags_none:
        dropped.append(_tagged(database, _keys(wanted.tags_none)))
    if wanted.ingredients_none:
        dropped.append(_with_ingredient(database, kind, _phrases(wanted.ingredients_none)))
    if wanted.captions_none:
        dropped.append(_captioned(database, wanted.captions_none))
    if wanted.exclude_ids:
        dropped.append(database.among(items.c.id, wanted.exclude_ids))
    return dropped


def _pks(connection: Connection, held: Iterable[ColumnElement[bool]]) -> Int64Array:
    found = connection.scalars(select(items.c.pk).where(*held).order_by(items.c.pk))
    return np.fromiter(found, dtype=np.int64)


def _tagged(database: Database, keys: Sequence[str]) -> ColumnElement[bool]:
    return items.c.pk.in_(select(tags.c.pk).where(database.among(tags.c.key, keys)))


def _with_ingredient(database: Database, kind: Kind, phrases: Sequence[tuple[str, ...]]) -> ColumnElement[bool]:
    """Recipes that have one of ``phrases`` in a line, or the photos linked with them."""
    if kind is Kind.RECIPE:
        return or_(*(items.c.pk.in_(pks) for pks in _having(database, ingredient_words, phrases)))
    linked = or_(*(links.c.recipe_pk.in_(pks) for pks in _having(database, ingredient_words, phrases)))
    return items.c.pk.in_(select(links.c.image_pk).where(linked))


def _captioned(database: Database, phrases: Sequence[str]) -> ColumnElement[bool]:
    """Photos that have one of ``phrases`` in a caption."""
    wanted = list(dict.fromkeys(caption_phrase(phrase) for phrase in phrases))
    return or_(*(items.c.pk.in_(pks) for pks in _having(database, caption_words, wanted)))


def _having(database: Database, words: Table, phrases: Sequence[tuple[str, ...]]) -> Iterator[CompoundSelect[Any]]:
    """Queries for pks; together they find each item that has one of ``phrases`` by the positional index ``words``."""
    single = [phrase[0] for phrase in phrases if len(phrase) == 1]
    queries: list[Select[Any]] = [select(words.c.pk).where(database.among(words.c.word, single))] if single else []
    queries += [_adjacent(words, phrase) for phrase in phrases if len(phrase) > 1]
    for start in range(0, len(queries), _PHRASES_A_UNION):
        yield union_all(*queries[start : start + _PHRASES_A_UNION])


def _adjacent(words: Table, phrase: tuple[str, ...]) -> Select[Any]:
    """Where each next word has the next place."""
    first = words.alias()
    query = select(first.c.pk).where(first.c.word == phrase[0])
    for distance, word in enumerate(phrase[1:], 1):
        other = words.alias()
        beside = and_(other.c.pk == first.c.pk, other.c.place == first.c.place + distance)
        query = query.join(other, and_(beside, other.c.word == word))
    return query


def _phrases(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    if not all(groups):
        raise ValueError("a group of ingredient names is empty; give each group a name")
    return list(dict.fromkeys(ingredient_phrase(name) for group in groups for name in group))


def _keys(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag_key(normalize_tag(name)) for name in names))


def _refuse_foreign(kind: Kind, wanted: Filter) -> None:
    if kind is Kind.IMAGE and wanted.has_image is not None:
        raise ValueError("has_image is a condition on recipes; ask has_recipe of photos")
    if kind is Kind.RECIPE and wanted.has_recipe is not None:
        raise ValueError("has_recipe is a condition on photos; ask has_image of recipes")
    if kind is Kind.RECIPE and wanted.generated is not None:
        raise ValueError("generated is a condition on photos; leave it out for recipes")
    for name in ("captions_all", "captions_any", "captions_none"):
        if kind is Kind.RECIPE and getattr(wanted, name):
            raise ValueError(f"{name} is a condition on photos; leave it out for recipes")
