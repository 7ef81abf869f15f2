"""Proof that catalogue, vectors, indexes and blobs agree, or a list of where they don't."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, and_, func, or_, select, text
from sqlalchemy.exc import DatabaseError

from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.faiss_index import FaissIndex
from index.generations import active_generation
from index.positional import CAPTIONS, INGREDIENTS
from index.replica import IndexReplica
from index.schema import changes, generations, items, pictures, recipes, tags, vectors
from index.types import BlobCorruptError, BlobMissingError, FingerprintError, Generation, Kind
from index.vectors import STORED_DTYPE, check_unit_rows

_NAMED = 5  # examples in a finding; the count is of all


class Severity(StrEnum):
    ERROR = "error"  # an answer can be wrong or missing
    WARNING = "warning"  # nothing is lost, but it should not be so
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable and for programs; ``detail`` is one sentence with the remedy."""

    severity: Severity
    code: str
    detail: str


def examine(
    catalogue: Catalogue, replica: IndexReplica | None, blobs: BlobStore | None, *, deep: bool = False
) -> list[Finding]:
    """Check everything that can be checked while the service runs; an empty list means that all agrees.

    ``deep`` also reads the whole database file, every vector and every blob. Without a replica or blob store their
    checks are left out. The database should not change meanwhile: a write between two reads can look like a finding.
    """
    findings: list[Finding] = []
    try:
        findings.extend(_examine_database(catalogue, deep=deep))
        if replica is not None:
            findings.extend(_examine_indexes(catalogue, replica, deep=deep))
        if blobs is not None:
            findings.extend(_examine_blobs(catalogue, blobs, deep=deep))
    except DatabaseError as error:
        # A file damaged badly enough can't even be read to be checked.
        findings.append(_error("database-unreadable", f"the database can't be read ({error.orig}); restore a backup"))
    return findings


def _error(code: str, detail: str) -> Finding:
    return Finding(Severity.ERROR, code, detail)


def _examine_database(catalogue: Catalogue, *, deep: bool) -> Iterator[Finding]:
    with catalogue.database.read() as connection:
        if catalogue.database.dialect == "sqlite":
            yield from _examine_sqlite(connection, deep=deep)
        yield from _examine_rows(connection)
        yield from _examine_feed(connection)
        count = connection.scalar(select(func.count()).select_from(generations).where(generations.c.active)) or 0
        stored = connection.scalar(select(func.count()).select_from(items)) or 0
        if count > 1 or (count == 0 and stored):
            yield _error(
                "generations", f"{count} generations of vectors are active; restore the database from a backup"
            )
        generation = active_generation(connection) if count == 1 else None
        if generation is not None:
            yield from _examine_vectors(connection, generation)
        yield from _examine_words(connection)
    if generation is not None and deep:
        yield from _examine_norms(catalogue, generation)


def _examine_sqlite(connection: Connection, *, deep: bool) -> Iterator[Finding]:
    pragma = "integrity_check" if deep else "quick_check"
    problems = [str(row[0]) for row in connection.execute(text(f"PRAGMA {pragma}")) if row[0] != "ok"]
    if problems:
        yield _error("sqlite-integrity", f"SQLite finds the file damaged ({problems[0]}); restore it from a backup")
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if orphans:
        yield _error(
            "orphan-rows", f"{len(orphans)} rows belong to items that don't exist, the first in table {orphans[0][0]!r}"
        )


def _examine_rows(connection: Connection) -> Iterator[Finding]:
    for kind, table in ((Kind.RECIPE, recipes), (Kind.IMAGE, pictures)):
        bare = (
            select(items.c.id)
            .select_from(items.outerjoin(table, table.c.pk == items.c.pk))
            .where(items.c.kind == kind.value, table.c.pk.is_(None))
        )
        yield from _listed(
            connection, bare, "content-missing", f"{kind}s have no content; delete and import them again"
        )
        foreign = select(items.c.id).join(table, table.c.pk == items.c.pk).where(items.c.kind != kind.value)
        yield from _listed(connection, foreign, "content-foreign", f"items that are no {kind} have a {kind}'s content")
    places = select(tags.c.pk, func.count().label("n"), func.max(tags.c.position).label("last")).group_by(tags.c.pk)
    counted = places.subquery()
    gaps = select(items.c.id).join(counted, counted.c.pk == items.c.pk).where(counted.c.last + 1 != counted.c.n)
    yield from _listed(connection, gaps, "tags-incomplete", "items have lost a tag; put them again")


def _examine_words(connection: Connection) -> Iterator[Finding]:
    """The words that filters by ingredient and by caption read, made anew from what is stored and compared."""
    for name, index, kind in (("ingredient", INGREDIENTS, "recipes"), ("caption", CAPTIONS, "photos")):
        pks = list(index.differing(connection))
        if pks:
            yield _error(
                f"{name}-words",
                f"filters by {name} misjudge {len(pks)} {kind} (pk {_some(pks)}); run `tastespace doctor --repair`",
            )


def _examine_feed(connection: Connection) -> Iterator[Finding]:
    """The last entry of each item must say what is so: "put" of what is there, "delete" of what isn't."""
    last = select(changes.c.pk, func.max(changes.c.seq).label("seq")).group_by(changes.c.pk).subquery()
    entry = select(changes.c.pk, changes.c.op, changes.c.kind, changes.c.id).join(last, last.c.seq == changes.c.seq)
    entries = entry.subquery()
    joined = items.outerjoin(entries, entries.c.pk == items.c.pk)
    same = and_(entries.c.op == "put", entries.c.kind == items.c.kind, entries.c.id == items.c.id)
    unannounced = select(items.c.id).select_from(joined).where(or_(entries.c.pk.is_(None), ~same))
    yield from _listed(connection, unannounced, "feed-behind", "items are not in the feed as they are; put them again")
    ghosts = (
        select(entries.c.id)
        .select_from(entries.outerjoin(items, items.c.pk == entries.c.pk))
        .where(items.c.pk.is_(None), entries.c.op != "delete")
    )
    yield from _listed(connection, ghosts, "feed-ghosts", "items are in the feed but not in the catalogue")


def _examine_vectors(connection: Connection, generation: Generation) -> Iterator[Finding]:
    own = and_(vectors.c.pk == items.c.pk, vectors.c.generation == generation.number)
    bare = select(items.c.id).select_from(items.outerjoin(vectors, own)).where(vectors.c.pk.is_(None))
    yield from _listed(connection, bare, "vector-missing", "items can't be found by search; run `tastespace reindex`")
    width = STORED_DTYPE.itemsize * generation.dim
    odd = select(items.c.id).join(vectors, own).where(func.length(vectors.c.vector) != width)
    yield from _listed(connection, odd, "vector-width", f"items' vectors are not {generation.dim} wide; reindex them")


def _examine_norms(catalogue: Catalogue, generation: Generation) -> Iterator[Finding]:
    bad: list[int] = []
    for kind in Kind:
        with contextlib.suppress(ValueError):  # found as vector-width
            for pks, rows in catalogue.vectors(kind, generation.number):
                bad += [int(pk) for pk, row in zip(pks, rows, strict=True) if not _is_unit(row, generation.dim)]
    if bad:
        yield _error(
            "vector-norm", f"{len(bad)} vectors are not unit vectors (pk {_some(bad)}); run `tastespace reindex`"
        )


def _is_unit(row: np.ndarray[Any, Any], dim: int) -> bool:
    try:
        check_unit_rows(row[None], dim)
    except ValueError:
        return False
    return True


def _examine_indexes(catalogue: Catalogue, replica: IndexReplica, *, deep: bool) -> Iterator[Finding]:
    try:
        replica.sync()
    except FingerprintError as error:
        yield _error("index-generation", str(error))
        return
    for kind in Kind:
        index = replica.index(kind)
        with catalogue.database.read() as connection:
            query = (
                select(items.c.pk)
                .join(vectors, vectors.c.pk == items.c.pk)
                .where(items.c.kind == kind.value, vectors.c.generation == replica.generation.number)
            )
            expected = np.fromiter(connection.scalars(query.order_by(items.c.pk)), dtype=np.int64)
        found = index.pks()
        lacking, extra = np.setdiff1d(expected, found), np.setdiff1d(found, expected)
        if len(lacking):
            yield _error(
                "index-missing", f"{len(lacking)} {kind}s are not in the index (pk {_some(lacking)}); rebuild it"
            )
        if len(extra):
            yield _error("index-extra", f"{len(extra)} {kind}s are in the index only (pk {_some(extra)}); rebuild it")
        if deep:
            yield from _compare_vectors(catalogue, replica, kind, index)


def _compare_vectors(catalogue: Catalogue, replica: IndexReplica, kind: Kind, index: FaissIndex) -> Iterator[Finding]:
    wrong: list[int] = []
    with contextlib.suppress(ValueError):  # found as vector-width
        for pks, rows in catalogue.vectors(kind, replica.generation.number):
            indexed = index.reconstruct(pks)
            pairs = zip(pks.tolist(), rows, strict=True)
            wrong += [pk for pk, row in pairs if pk in indexed and not np.array_equal(indexed[pk], row)]
    if wrong:
        yield _error(
            "index-vectors", f"{len(wrong)} {kind}s have another vector in the index (pk {_some(wrong)}); rebuild it"
        )


def _examine_blobs(catalogue: Catalogue, blobs: BlobStore, *, deep: bool) -> Iterator[Finding]:
    present, missing, damaged = set(blobs), [], []
    needed = set(catalogue.blob_references())
    for sha256 in sorted(needed):
        if sha256 not in present:
            missing.append(sha256)
        elif deep:
            try:
                blobs.read(sha256)
            except BlobCorruptError:
                damaged.append(sha256)
            except BlobMissingError:
                missing.append(sha256)
    if missing:
        yield _error("blob-missing", f"{len(missing)} blobs are gone ({_some(missing)}); put their pictures again")
    if damaged:
        yield _error("blob-damaged", f"{len(damaged)} blobs are damaged ({_some(damaged)}); put their pictures again")
    orphans = present - needed
    if orphans:
        yield Finding(Severity.INFO, "blob-orphans", f"{len(orphans)} blobs belong to no picture; a sweep removes them")


def _listed(connection: Connection, query: Select[Any], code: str, detail: str) -> Iterator[Finding]:
    count = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    if count:
        yield _error(code, f"{count} {detail} ({_some(list(connection.scalars(query.limit(_NAMED))), count)})")


def _some(names: Sequence[object] | np.ndarray[Any, Any], count: int | None = None) -> str:
    shown = ", ".join(str(name) for name in names[:_NAMED])
    return f"{shown}, ..." if (len(names) if count is None else count) > _NAMED else shown
