from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from index.catalogue import Catalogue
from index.jobs import MAX_KEPT_ERRORS, Job, JobError, JobState, JobStore, Progress
from index.types import LeaseLostError, UnknownJobError


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(catalogue: Catalogue, clock: Clock) -> JobStore:
    return JobStore(catalogue.database, clock=clock)


def test_a_job_lives_from_queue_to_success(store: JobStore, clock: Clock) -> None:
    job = store.create("import", {"folder": "x", "n": [1, 2]})
    assert (job.state, job.params, job.progress) == (JobState.QUEUED, {"folder": "x", "n": [1, 2]}, Progress())
    claimed = store.claim("me", 30)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.owner, claimed.attempts) == (job.id, JobState.RUNNING, "me", 1)
    assert store.claim("other", 30) is None
    clock.advance(20)
    progress = Progress(done=5, total=9, created=3, updated=1, unchanged=0, failed=1)
    beaten = store.heartbeat(job.id, "me", 30, progress=progress)
    assert (beaten.progress, beaten.lease_until) == (progress, clock.now + timedelta(seconds=30))
    assert store.heartbeat(job.id, "me", 30).progress == progress
    ended = store.finish(job.id, "me", JobState.SUCCEEDED, detail="done", progress=Progress(done=9, total=9))
    assert (ended.state, ended.detail, ended.owner, ended.finished_at) == (JobState.SUCCEEDED, "done", None, clock.now)
    assert store.get(job.id) == ended
    assert store.count(JobState.SUCCEEDED) == 1


def test_jobs_are_claimed_in_order_and_by_kind(store: JobStore) -> None:
    first, second, third = store.create("a", {}), store.create("b", {}), store.create("a", {})
    claims = [store.claim("me", 30, kinds=["b"]), store.claim("me", 30), store.claim("me", 30)]
    assert [claim.id for claim in claims if claim is not None] == [second.id, first.id, third.id]
    assert store.claim("me", 30) is None


def test_a_job_whose_runner_died_starts_over(store: JobStore, clock: Clock) -> None:
    job = store.create("import", {})
    store.claim("dead", 30)
    store.heartbeat(job.id, "dead", 30, progress=Progress(done=3))
    store.add_errors(job.id, "dead", [JobError("x", "bad")])
    clock.advance(31)
    taken = store.claim("alive", 30)
    assert taken is not None
    assert (taken.id, taken.owner, taken.attempts) == (job.id, "alive", 2)
    assert (taken.progress, taken.error_count, store.errors(job.id)) == (Progress(), 0, [])
    calls: list[Callable[[], Job]] = [
        lambda: store.heartbeat(job.id, "dead", 30),
        lambda: store.add_errors(job.id, "dead", []),
        lambda: store.finish(job.id, "dead", JobState.SUCCEEDED),
        lambda: store.release(job.id, "dead"),
    ]
    for call in calls:
        with pytest.raises(LeaseLostError, match="run by alive"):
            call()


def test_a_heartbeat_keeps_the_lease(store: JobStore, clock: Clock) -> None:
    job = store.create("import", {})
    store.claim("me", 30)
    for _ in range(3):
        clock.advance(25)
        store.heartbeat(job.id, "me", 30)
        assert store.claim("other", 30) is None


def test_a_released_job_can_be_claimed_at_once(store: JobStore) -> None:
    job = store.create("import", {})
    store.claim("me", 30)
    assert store.release(job.id, "me").state is JobState.QUEUED
    again = store.claim("other", 30)
    assert again is not None
    assert again.id == job.id


def test_cancelling_depends_on_the_state(store: JobStore, clock: Clock) -> None:
    queued = store.create("import", {})
    assert store.request_cancel(queued.id).state is JobState.CANCELLED
    running = store.create("import", {})
    store.claim("me", 30)
    flagged = store.request_cancel(running.id)
    assert (flagged.state, flagged.cancel_requested) == (JobState.RUNNING, True)
    assert store.heartbeat(running.id, "me", 30).cancel_requested
    ended = store.finish(running.id, "me", JobState.CANCELLED)
    assert store.request_cancel(running.id) == ended
    with pytest.raises(LeaseLostError, match="is cancelled"):
        store.heartbeat(running.id, "me", 30)


def test_a_cancelled_job_whose_runner_died_is_not_run_again(store: JobStore, clock: Clock) -> None:
    job = store.create("import", {})
    store.claim("dead", 30)
    store.request_cancel(job.id)
    clock.advance(31)
    assert store.claim("me", 30) is None
    assert store.get(job.id).state is JobState.CANCELLED


def test_errors_are_all_counted_and_the_first_thousand_kept(store: JobStore) -> None:
    job = store.create("import", {})
    store.claim("me", 30)
    for start in (0, 700, 1400):
        batch = [JobError(f"item {start + n}", f"no. {start + n} 🍕") for n in range(700)]
        assert store.add_errors(job.id, "me", batch).error_count == start + 700
    kept = store.errors(job.id, limit=10_000)
    assert [error.item for error in kept] == [f"item {n}" for n in range(MAX_KEPT_ERRORS)]
    assert store.errors(job.id, offset=998) == kept[998:]
    assert store.get(job.id).error_count == 2100


def test_pages_go_from_new_to_old(store: JobStore) -> None:
    ids = [store.create("ab"[n % 2], {}).id for n in range(5)]
    page = store.page(limit=3)
    assert [job.id for job in page.jobs] == ids[:1:-1]
    rest = store.page(limit=3, cursor=page.next_cursor)
    assert ([job.id for job in rest.jobs], rest.next_cursor) == (ids[1::-1], None)
    assert [job.id for job in store.page(kind="b").jobs] == [ids[3], ids[1]]
    with pytest.raises(ValueError, match="cursor"):
        store.page(cursor="cmVjaXBlOjY")


def test_what_is_not_there_or_not_allowed_is_refused(store: JobStore) -> None:
    for job_id in ("none", "", "a\0b", "\ud800"):
        with pytest.raises(UnknownJobError):
            store.get(job_id)
    job = store.create("import", {})
    store.claim("me", 30)
    with pytest.raises(ValueError, match="can't end as running"):
        store.finish(job.id, "me", JobState.RUNNING)


def test_jobs_are_there_after_opening_again(catalogue_url: str) -> None:
    with Catalogue.open(catalogue_url) as catalogue:
        job = JobStore(catalogue.database).create("import", {"a": None})
    with Catalogue.open(catalogue_url) as catalogue:
        assert JobStore(catalogue.database).get(job.id) == job
