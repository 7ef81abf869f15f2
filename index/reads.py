"""Reading the catalogue: items with their tags and links, pages, tag counts, the feed, vectors."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, func, select

from index.database import Database
from index.filters import conditions
from index.schema import changes, items, links, pictures, recipes, tags, vectors
from index.text import is_storable, tag_key
from index.types import (
    Change,
    Filter,
    Float32Array,
    Int64Array,
    Kind,
    Page,
    Picture,
    PictureCaption,
    Recipe,
    StoredImage,
    StoredRecipe,
    TagCount,
)
from index.vectors import from_blobs

MAX_PAGE = 10_000
_CURSOR = re.compile(r"(recipe|image|job):(\d{1,18})")


def encode_cursor(name: str, last: int) -> str:
    """An opaque, url-safe token for 'after ``last`` in the listing of ``name``'."""
    return base64.urlsafe_b64encode(f"{name}:{last}".encode()).rstrip(b"=").decode()


def decode_cursor(name: str, cursor: str) -> int:
    """Raises ValueError on anything that :func:`encode_cursor` didn't make for the same listing."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        match = _CURSOR.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
    except (UnicodeError, binascii.Error):
        match = None
    if match is None or match[1] != name or encode_cursor(name, int(match[2])) != cursor:
        raise ValueError(f"cursor is not one of this listing of {name}s; take next_cursor of its last page")
    return int(match[2])


def check_limit(limit: int) -> int:
    """Raises ValueError unless 1 <= limit <= 10,000."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"limit must be between 1 and {MAX_PAGE}, not {limit}")
    return limit


def load_recipes(connection: Connection, database: Database, pks: Sequence[int]) -> list[StoredRecipe]:
    """In the order of ``pks``; those that aren't recipes (any more) are left out. Four queries, however many pks."""
    wanted = list(dict.fromkeys(pks))
    rows = _content(connection, database, Kind.RECIPE, wanted)
    tagged = _tags(connection, database, wanted)
    linked = _linked_ids(connection, database, Kind.RECIPE, wanted)
    return [
        StoredRecipe(
            **_stored(row),
            recipe=Recipe(
                title=row.title,
                ingredients=tuple(row.ingredients),
                instructions=tuple(row.instructions),
                tags=tagged.get(pk, ()),
                extra=row.extra,
            ),
            image_ids=linked.get(pk, ()),
        )
        for pk in pks
        if (row := rows.get(pk)) is not None
    ]


def load_images(connection: Connection, database: Database, pks: Sequence[int]) -> list[StoredImage]:
    """As :func:`load_recipes`, of photos."""
    wanted = list(dict.fromkeys(pks))
    rows = _content(connection, database, Kind.IMAGE, wanted)
    tagged = _tags(connection, database, wanted)
    linked = _linked_ids(connection, database, Kind.IMAGE, wanted)
    return [
        StoredImage(
            **_stored(row),
            picture=Picture(
                blob=row.blob,
                media_type=row.media_type,
                width=row.width,
                height=row.height,
                size=row.size,
                title=row.title,
                tags=tagged.get(pk, ()),
                generated=row.generated,
                captions=tuple(PictureCaption(**caption) for caption in row.captions),
                extra=row.extra,
            ),
            recipe_ids=linked.get(pk, ()),
        )
        for pk in pks
        if (row := rows.get(pk)) is not None
    ]


def page(
    connection: Connection, database: Database, kind: Kind, cursor: str | None, limit: int, wanted: Filter
) -> Page:
    after = 0 if cursor is None else decode_cursor(kind.value, cursor)
    held = conditions(database, kind, wanted)
    query = select(items.c.pk).where(*held, items.c.pk > after).order_by(items.c.pk).limit(check_limit(limit) + 1)
    pks = tuple(connection.scalars(query))
    more = len(pks) > limit
    return Page(pks[:limit], encode_cursor(kind.value, pks[limit - 1]) if more else None)


def tag_counts(connection: Connection, database: Database, kind: Kind, prefix: str, limit: int) -> list[TagCount]:
    """The most used tags that start with ``prefix`` (compared by key), each in its most frequent spelling."""
    if not is_storable(prefix):
        return []
    spelt = func.count(tags.c.pk.distinct())
    of_kind = tags.join(items, items.c.pk == tags.c.pk)
    key, first = database.bytewise(tags.c.key), tag_key(prefix)
    # As a range, so that the index on the keys is used, which LIKE can't.
    held = [items.c.kind == kind.value, key >= first, key < first + chr(sys.maxunicode)]
    ordered = (spelt.desc(), key)
    counted = (
        select(tags.c.key, spelt.label("n")).select_from(of_kind).where(*held).group_by(tags.c.key).order_by(*ordered)
    )
    counts = {row.key: row.n for row in connection.execute(counted.limit(check_limit(limit)))}
    spellings = (
        select(tags.c.key, tags.c.tag)
        .select_from(of_kind)
        .where(items.c.kind == kind.value, database.among(tags.c.key, list(counts)))
        .group_by(tags.c.key, tags.c.tag)
        .order_by(spelt.desc(), database.bytewise(tags.c.tag))
    )
    best: dict[str, str] = {}
    for row in connection.execute(spellings):
        best.setdefault(row.key, row.tag)
    return [TagCount(best[known], count) for known, count in counts.items()]


def read_changes(connection: Connection, after: int, limit: int) -> list[Change]:
    query = select(changes).where(changes.c.seq > after).order_by(changes.c.seq).limit(limit)
    return [Change(row.seq, row.op, Kind(row.kind), row.pk, row.id) for row in connection.execute(query)]


def read_vectors(
    connection: Connection, database: Database, pks: Sequence[int], generation: int, dim: int
) -> tuple[Int64Array, Float32Array]:
    """(m,) pks ascending and float32 (m, dim) of those of ``pks`` that have a vector."""
    held = (database.among(vectors.c.pk, pks), vectors.c.generation == generation)
    return _matrix(connection.execute(select(vectors.c.pk, vectors.c.vector).where(*held).order_by(vectors.c.pk)), dim)


def read_vectors_after(
    connection: Connection, kind: Kind, after: int, limit: int, generation: int, dim: int
) -> tuple[Int64Array, Float32Array]:
    """The next ``limit`` vectors of a kind, by ascending pk."""
    query = (
        select(vectors.c.pk, vectors.c.vector)
        .select_from(vectors.join(items, items.c.pk == vectors.c.pk))
        .where(items.c.kind == kind.value, vectors.c.generation == generation, vectors.c.pk > after)
        .order_by(vectors.c.pk)
        .limit(limit)
    )
    return _matrix(connection.execute(query), dim)


def _matrix(rows: Any, dim: int) -> tuple[Int64Array, Float32Array]:
    found = [(row[0], row[1]) for row in rows]
    pks = np.array([pk for pk, _ in found], dtype=np.int64)
    return pks, from_blobs([blob for _, blob in found], dim)


def _stored(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("pk", "id", "digest", "revision", "created_at", "updated_at")}


def _content(connection: Connection, database: Database, kind: Kind, pks: Sequence[int]) -> dict[int, Row[Any]]:
    table = recipes if kind is Kind.RECIPE else pictures
    columns = [column for column in table.c if column.name != "pk"]
    query = select(items, *columns).join(table, table.c.pk == items.c.pk).where(database.among(items.c.pk, pks))
    return {row.pk: row for row in connection.execute(query)}


def _tags(connection: Connection, database: Database, pks: Sequence[int]) -> dict[int, tuple[str, ...]]:
    query = select(tags.c.pk, tags.c.tag).where(database.among(tags.c.pk, pks)).order_by(tags.c.pk, tags.c.position)
    return _grouped(connection, query)


def _linked_ids(
    connection: Connection, database: Database, kind: Kind, pks: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    if kind is Kind.RECIPE:
        own, other, place = links.c.recipe_pk, links.c.image_pk, links.c.position
    else:
        own, other, place = links.c.image_pk, links.c.recipe_pk, links.c.recipe_position
    query = (
        select(own, items.c.id)
        .select_from(links.join(items, items.c.pk == other))
        .where(database.among(own, pks))
        .order_by(own, place, other)
    )
    return _grouped(connection, query)


def _grouped(connection: Connection, query: Any) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    for pk, value in connection.execute(query):
        found[pk].append(value)
    return {pk: tuple(values) for pk, values in found.items()}
