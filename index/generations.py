"""Generations of vectors: which encoder made them, filling a new one, and swapping it in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, Select, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from index.database import Database
from index.schema import changes, generations, items, vectors
from index.types import (
    FeedPosition,
    FingerprintError,
    Float32Array,
    Generation,
    IncompleteGenerationError,
    IndexRoomError,
    Kind,
)
from index.vectors import check_unit_rows, to_blobs


def _generation(row: Row[tuple[object, ...]]) -> Generation:
    return Generation(row.number, row.fingerprint, row.encoder, row.dim, row.active)


def list_generations(connection: Connection) -> list[Generation]:
    return [_generation(row) for row in connection.execute(select(generations).order_by(generations.c.number))]


def get_generation(connection: Connection, number: int) -> Generation:
    """Raises FingerprintError if there is none of this number."""
    row = connection.execute(select(generations).where(generations.c.number == number)).one_or_none()
    if row is None:
        raise FingerprintError(f"the catalogue has no generation {number} of vectors (any more); restart the service")
    return _generation(row)


def active_generation(connection: Connection) -> Generation | None:
    row = connection.execute(select(generations).where(generations.c.active)).one_or_none()
    return None if row is None else _generation(row)


def require_active(connection: Connection, number: int) -> Generation:
    """The active generation. Raises FingerprintError if that is not ``number``."""
    active = active_generation(connection)
    if active is None or active.number != number:
        serving = "none yet" if active is None else f"generation {active.number}, made by {active.encoder}"
        raise FingerprintError(
            f"the catalogue serves vectors of {serving}, not of generation {number}; restart with that encoder"
        )
    return active


def position(connection: Connection) -> FeedPosition:
    """The last sequence number and the active generation, of one moment."""
    last = select(func.coalesce(func.max(changes.c.seq), 0)).scalar_subquery()
    active = select(func.coalesce(func.max(generations.c.number), 0)).where(generations.c.active).scalar_subquery()
    seq, number = connection.execute(select(last, active)).one()
    return FeedPosition(seq, number)


def ensure_generation(connection: Connection, fingerprint: str, encoder: str, dim: int) -> Generation:
    """The active generation, created on first use. Raises FingerprintError if another encoder made it."""
    active = active_generation(connection)
    if active is None:
        return _insert(connection, fingerprint, encoder, dim, active=True)
    if (active.fingerprint, active.dim) != (fingerprint, dim):
        raise FingerprintError(
            f"the vectors of this catalogue were made by {active.encoder} (fingerprint {active.fingerprint}), not by "
            f"{encoder} (fingerprint {fingerprint}); run `tastespace reindex`, or start with the encoder that made them"
        )
    return active


def begin_generation(connection: Connection, fingerprint: str, encoder: str, dim: int) -> Generation:
    """A generation to be filled; the one begun earlier (or the active one) if it has this fingerprint."""
    row = connection.execute(select(generations).where(generations.c.fingerprint == fingerprint)).one_or_none()
    if row is None:
        return _insert(connection, fingerprint, encoder, dim, active=False)
    if row.dim != dim:
        raise FingerprintError(f"generation {row.number} of the same fingerprint is {row.dim} wide, not {dim}")
    return _generation(row)


def put_vectors(
    connection: Connection,
    database: Database,
    number: int,
    pks: Sequence[int],
    rows: Float32Array,
    digests: Sequence[str] | None,
) -> int:
    """Store vectors of ``pks``; those of items that vanished, or whose digest is no longer the one given, are
    dropped. Returns how many were stored. Raises FingerprintError, ValueError."""
    generation = get_generation(connection, number)
    blobs = to_blobs(check_unit_rows(rows, generation.dim))
    if len(blobs) != len(pks) or (digests is not None and len(digests) != len(pks)):
        raise ValueError(f"{len(pks)} pks need as many vectors and digests")
    found = select(items.c.pk, items.c.kind, items.c.id, items.c.digest).where(database.among(items.c.pk, list(pks)))
    stored = {row.pk: row for row in connection.execute(found)}
    expected = [stored[pk].digest if pk in stored else "" for pk in pks] if digests is None else list(digests)
    kept = {
        pk: blob
        for pk, blob, digest in zip(pks, blobs, expected, strict=True)
        if pk in stored and stored[pk].digest == digest
    }
    if kept:
        insert = (sqlite.insert if database.dialect == "sqlite" else postgresql.insert)(vectors)
        upsert = insert.on_conflict_do_update(
            index_elements=[vectors.c.pk, vectors.c.generation], set_={"vector": insert.excluded.vector}
        )
        connection.execute(upsert, [{"pk": pk, "generation": number, "vector": blob} for pk, blob in kept.items()])
        if generation.active:
            feed = [{"op": "put", "kind": stored[pk].kind, "pk": pk, "id": stored[pk].id} for pk in kept]
            connection.execute(changes.insert(), feed)
    return len(kept)


def missing_vectors(connection: Connection, number: int, limit: int, kind: Kind | None, after: int) -> list[int]:
    query = _without_vector(number).where(items.c.pk > after).order_by(items.c.pk).limit(limit)
    if kind is not None:
        query = query.where(items.c.kind == kind.value)
    return list(connection.scalars(query))


def activate_generation(connection: Connection, number: int) -> Generation:
    """Make ``number`` the active generation and drop the others with their vectors.

    Raises IncompleteGenerationError while an item lacks its vector, FingerprintError on an unknown number.
    """
    generation = get_generation(connection, number)
    lacking = connection.scalar(select(func.count()).select_from(_without_vector(number).subquery())) or 0
    if lacking:
        raise IncompleteGenerationError(
            f"generation {number} lacks the vectors of {lacking} items; run `tastespace reindex` again to fill them in"
        )
    connection.execute(vectors.delete().where(vectors.c.generation != number))
    connection.execute(generations.delete().where(generations.c.number != number))
    connection.execute(generations.update().where(generations.c.number == number).values(active=True))
    return Generation(number, generation.fingerprint, generation.encoder, generation.dim, active=True)


def drop_generation(connection: Connection, number: int) -> None:
    """Give up a generation that is not active. Raises IndexRoomError on the active one, FingerprintError."""
    if get_generation(connection, number).active:
        raise IndexRoomError(f"generation {number} is the active one and can't be dropped; activate another first")
    connection.execute(vectors.delete().where(vectors.c.generation == number))
    connection.execute(generations.delete().where(generations.c.number == number))


def _insert(connection: Connection, fingerprint: str, encoder: str, dim: int, *, active: bool) -> Generation:
    values = {"fingerprint": fingerprint, "encoder": encoder, "dim": dim, "active": active}
    insert = generations.insert().values(values | {"created_at": datetime.now(UTC)}).returning(generations.c.number)
    return Generation(connection.execute(insert).scalar_one(), fingerprint, encoder, dim, active)


def _without_vector(number: int) -> Select[tuple[int]]:
    join = items.outerjoin(vectors, and_(vectors.c.pk == items.c.pk, vectors.c.generation == number))
    return select(items.c.pk).select_from(join).where(vectors.c.pk.is_(None))
