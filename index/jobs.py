"""Long work that outlives a request and a restart: its state, progress, errors, and who is running it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select

from index.database import Database
from index.reads import check_limit, decode_cursor, encode_cursor
from index.schema import job_errors, jobs
from index.text import is_storable
from index.types import JsonValue, LeaseLostError, UnknownJobError

MAX_KEPT_ERRORS = 1000


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of items so far. ``total`` is None while it isn't known."""

    done: int = 0
    total: int | None = None
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class JobError:
    """Why one item failed: what the item is called in the input, and a sentence for the user."""

    item: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as stored. ``attempts`` counts the claims: more than one means it was interrupted and taken up again."""

    id: str
    kind: str
    params: Mapping[str, JsonValue]
    state: JobState
    detail: str  # why it failed, or what it says at its end
    cancel_requested: bool
    attempts: int
    owner: str | None
    lease_until: datetime | None
    progress: Progress
    error_count: int  # all of them; at most 1,000 are kept
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the cursor of the next page (None: this was the last)."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


def _now() -> datetime:
    return datetime.now(UTC)


class JobStore:
    """Jobs beside the catalogue. A runner claims a job for a lease, renews it while it works, and finishes it; a job
    whose lease ran out (its runner died) can be claimed again. Safe to call from several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database, self._clock = database, clock

    def create(self, kind: str, params: Mapping[str, JsonValue]) -> Job:
        """Queue a job. Raises ValueError if ``params`` is not JSON."""
        now = self._clock()
        values = {
            "id": uuid.uuid4().hex,
            "kind": kind,
            "params": dict(params),
            "state": JobState.QUEUED.value,
            "detail": "",
            "cancel_requested": False,
            "attempts": 0,
            "error_count": 0,
            "created_at": now,
            "updated_at": now,
        } | _progress_columns(Progress())
        with self._database.write() as connection:
            return _job(connection.execute(jobs.insert().values(values).returning(jobs)).one())

    def get(self, job_id: str) -> Job:
        """Raises UnknownJobError."""
        with self._database.read() as connection:
            return _job(_row(connection, job_id))

    def page(self, *, cursor: str | None = None, limit: int = 50, kind: str | None = None) -> JobPage:
        """Newest first. Raises ValueError on a bad cursor or limit."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(check_limit(limit) + 1)
        if cursor is not None:
            query = query.where(jobs.c.number < decode_cursor("job", cursor))
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        last = encode_cursor("job", rows[limit - 1].number) if len(rows) > limit else None
        return JobPage(tuple(_job(row) for row in rows[:limit]), last)

    def errors(self, job_id: str, *, offset: int = 0, limit: int = 100) -> list[JobError]:
        """The kept errors, in the order of adding. Raises UnknownJobError, ValueError on a bad limit."""
        with self._database.read() as connection:
            number = _row(connection, job_id).number
            query = (
                select(job_errors.c.item, job_errors.c.detail)
                .where(job_errors.c.job_number == number, job_errors.c.position >= offset)
                .order_by(job_errors.c.position)
                .limit(check_limit(limit))
            )
            return [JobError(row.item, row.detail) for row in connection.execute(query)]

    def request_cancel(self, job_id: str) -> Job:
        """A queued job is cancelled at once, a running one as soon as its runner sees the flag; one that has ended
        stays as it is. Raises UnknownJobError."""
        with self._database.write() as connection:
            row = _row(connection, job_id)
            now = self._clock()
            if row.state == JobState.QUEUED:
                ended = {"state": JobState.CANCELLED.value, "finished_at": now}
                return _update(connection, row.number, now, cancel_requested=True, **ended)
            if row.state == JobState.RUNNING:
                return _update(connection, row.number, now, cancel_requested=True)
            return _job(row)

    def claim(self, owner: str, lease_s: float, *, kinds: Sequence[str] | None = None) -> Job | None:
        """The oldest job that waits or whose lease ran out, now run by ``owner``; None if there is none.

        A job taken up again starts over (its writes are upserts, so that repeats nothing): counts and errors of the
        attempt before are cleared. One that was to be cancelled when its runner died is cancelled here instead.
        """
        now = self._clock()
        lapsed = and_(jobs.c.state == JobState.RUNNING.value, jobs.c.lease_until < now)
        waiting = or_(jobs.c.state == JobState.QUEUED.value, lapsed)
        with self._database.write() as connection:
            ended = {"state": JobState.CANCELLED.value, "finished_at": now, "owner": None, "lease_until": None}
            connection.execute(jobs.update().where(lapsed, jobs.c.cancel_requested).values(ended | {"updated_at": now}))
            query = select(jobs).where(waiting).order_by(jobs.c.number).limit(1)
            if kinds is not None:
                query = query.where(jobs.c.kind.in_(list(kinds)))
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            connection.execute(job_errors.delete().where(job_errors.c.job_number == row.number))
            return _update(
                connection,
                row.number,
                now,
                state=JobState.RUNNING.value,
                attempts=row.attempts + 1,
                owner=owner,
                lease_until=now + timedelta(seconds=lease_s),
                error_count=0,
                started_at=row.started_at or now,
                **_progress_columns(Progress()),
            )

    def heartbeat(self, job_id: str, owner: str, lease_s: float, *, progress: Progress | None = None) -> Job:
        """Renew the lease, and store the progress if given; the answer tells whether a cancel was requested.

        Raises LeaseLostError if ``owner`` no longer holds the job, UnknownJobError.
        """
        with self._database.write() as connection:
            row = _held(connection, job_id, owner)
            now = self._clock()
            columns = {} if progress is None else _progress_columns(progress)
            return _update(connection, row.number, now, lease_until=now + timedelta(seconds=lease_s), **columns)

    def add_errors(self, job_id: str, owner: str, errors: Sequence[JobError]) -> Job:
        """Count all of ``errors``, keep what fits into the first 1,000. Raises LeaseLostError, UnknownJobError."""
        with self._database.write() as connection:
            row = _held(connection, job_id, owner)
            kept = [
                {
                    "job_number": row.number,
                    "position": row.error_count + place,
                    "item": error.item,
                    "detail": error.detail,
                }
                for place, error in enumerate(errors[: max(0, MAX_KEPT_ERRORS - row.error_count)])
            ]
            if kept:
                connection.execute(job_errors.insert(), kept)
            return _update(connection, row.number, self._clock(), error_count=row.error_count + len(errors))

    def finish(
        self, job_id: str, owner: str, state: JobState, *, detail: str = "", progress: Progress | None = None
    ) -> Job:
        """End the job as succeeded, failed or cancelled. Raises LeaseLostError, UnknownJobError, ValueError."""
        if not state.is_final:
            raise ValueError(f"a job can't end as {state}; give succeeded, failed or cancelled")
        with self._database.write() as connection:
            row = _held(connection, job_id, owner)
            now = self._clock()
            columns = {} if progress is None else _progress_columns(progress)
            ended = {"state": state.value, "detail": detail, "finished_at": now, "owner": None, "lease_until": None}
            return _update(connection, row.number, now, **ended, **columns)

    def release(self, job_id: str, owner: str) -> Job:
        """Give the job back to the queue, as at a shutdown. Raises LeaseLostError, UnknownJobError."""
        with self._database.write() as connection:
            row = _held(connection, job_id, owner)
            queued = {"state": JobState.QUEUED.value, "owner": None, "lease_until": None}
            return _update(connection, row.number, self._clock(), **queued)

    def count(self, state: JobState) -> int:
        with self._database.read() as connection:
            query = select(func.count()).select_from(jobs).where(jobs.c.state == state.value)
            return connection.scalar(query) or 0


def _row(connection: Connection, job_id: str) -> Row[Any]:
    row = None
    if is_storable(job_id):
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise UnknownJobError(job_id)
    return row


def _held(connection: Connection, job_id: str, owner: str) -> Row[Any]:
    row = _row(connection, job_id)
    if row.state != JobState.RUNNING or row.owner != owner:
        holder = f"is run by {row.owner}" if row.state == JobState.RUNNING else f"is {row.state}"
        raise LeaseLostError(f"the job {job_id} {holder} and no longer belongs to {owner}; stop working on it")
    return row


def _update(connection: Connection, number: int, now: datetime, **columns: Any) -> Job:
    query = jobs.update().where(jobs.c.number == number).values(columns | {"updated_at": now}).returning(jobs)
    return _job(connection.execute(query).one())


def _progress_columns(progress: Progress) -> dict[str, int | None]:
    return {
        "done": progress.done,
        "total": progress.total,
        "created": progress.created,
        "updated": progress.updated,
        "unchanged": progress.unchanged,
        "failed": progress.failed,
    }


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        params=row.params,
        state=JobState(row.state),
        detail=row.detail,
        cancel_requested=row.cancel_requested,
        attempts=row.attempts,
        owner=row.owner,
        lease_until=row.lease_until,
        progress=Progress(
            done=row.done,
            total=row.total,
            created=row.created,
            updated=row.updated,
            unchanged=row.unchanged,
            failed=row.failed,
        ),
        error_count=row.error_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
