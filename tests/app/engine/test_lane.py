"""How a lane queues, shares and drops work. The worker's gate decides what happens when; nothing sleeps."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, wait
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.observe import BatchReport
from app.engine.types import (
    ENCODE_OPERATIONS,
    DeadlineError,
    Failed,
    LaneState,
    Operation,
    Outcome,
    Priority,
    SaturatedError,
    UnavailableError,
)
from tests.app.engine.conftest import StartLane
from tests.app.engine.fakes import PATIENCE_S, FakeClock, FakeWorker, values, vector

TEXT = Operation.ENCODE_TEXT


def block(lane: Lane, worker: FakeWorker) -> Future[list[Outcome[Any]]]:
    """Occupy the worker with one item, so that what follows queues."""
    worker.gate.clear()
    worker.forget_entered()
    future = lane.submit(TEXT, ["blocker"])
    worker.wait_entered()
    return future


def expected(*texts: str) -> list[list[float]]:
    return [vector(text).tolist() for text in texts]


def result(future: Future[list[Outcome[Any]]]) -> list[list[float]]:
    return values(future.result(PATIENCE_S))


def test_outcomes_come_in_the_order_of_items(start_lane: StartLane) -> None:
    lane = start_lane()
    texts = ["soup", "a", "rice with saffron", "", "b"]
    assert result(lane.submit(TEXT, texts)) == expected(*texts)


def test_an_idle_lane_runs_what_is_there_at_once(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    lane.submit(TEXT, ["one"]).result(PATIENCE_S)
    assert worker.texts() == [["one"]]


def test_requests_share_a_batch(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    futures = [lane.submit(TEXT, [text]) for text in ("a", "b", "c")]
    worker.gate.set()
    assert [result(future) for future in futures] == [expected("a"), expected("b"), expected("c")]
    assert worker.texts() == [["blocker"], ["a", "b", "c"]]


def test_operations_never_share_a_batch(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    futures = [lane.submit(operation, ["x"]) for operation in (TEXT, Operation.ENCODE_RECIPE, TEXT)]
    worker.gate.set()
    wait(futures, PATIENCE_S)
    assert [(operation, len(batch)) for operation, batch in worker.batches[1:]] == [
        (TEXT, 2),
        (Operation.ENCODE_RECIPE, 1),
    ]


def test_a_small_request_does_not_wait_for_a_large_one(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane(max_queue_items=100)
    block(lane, worker)
    large = lane.submit(TEXT, [f"l{number}" for number in range(40)])
    small = lane.submit(TEXT, ["small"])
    worker.gate.set()
    assert result(large) == expected(*(f"l{number}" for number in range(40)))
    assert result(small) == expected("small")
    assert "small" in worker.texts()[1]


def test_an_idle_lane_waits_for_company_only_until_the_batch_is_full(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane(batch_wait_s=PATIENCE_S * 10, max_batch=3)
    futures = [lane.submit(TEXT, [text]) for text in ("a", "b", "c")]
    assert wait(futures, PATIENCE_S).not_done == set()
    assert worker.texts() == [["a", "b", "c"]]


def test_a_lane_that_waits_for_company_stops_at_once(start_lane: StartLane) -> None:
    lane = start_lane(batch_wait_s=PATIENCE_S * 10)
    future = lane.submit(TEXT, ["a"])
    assert lane.stop(PATIENCE_S)
    with pytest.raises(UnavailableError, match="stopping"):
        future.result(PATIENCE_S)


def test_interactive_overtakes_bulk_at_the_next_batch(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    bulk = lane.submit(TEXT, [f"b{number}" for number in range(20)], priority=Priority.BULK)
    interactive = lane.submit(TEXT, ["now"])
    worker.gate.set()
    assert result(interactive) == expected("now")
    assert result(bulk) == expected(*(f"b{number}" for number in range(20)))
    assert worker.texts()[1] == ["now"]


def test_bulk_work_gets_its_turn_under_a_flood(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane(max_batch=1, bulk_every=2, max_queue_items=50)
    block(lane, worker)
    bulk = lane.submit(TEXT, ["b0", "b1"], priority=Priority.BULK)
    flood = lane.submit(TEXT, [f"i{number}" for number in range(10)])
    worker.gate.set()
    wait([bulk, flood], PATIENCE_S)
    order = [batch[0] for batch in worker.texts()]
    assert order[:7] == ["blocker", "i0", "b0", "i1", "i2", "b1", "i3"]


def test_cancelled_work_never_reaches_the_worker(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    doomed, kept = lane.submit(TEXT, ["doomed"] * 7), lane.submit(TEXT, ["kept"])
    assert lane.health().queued_items == 8
    assert doomed.cancel()
    assert lane.health().queued_items == 1, "its room is free at once"
    worker.gate.set()
    assert result(kept) == expected("kept")
    assert worker.texts() == [["blocker"], ["kept"]]
    with pytest.raises(CancelledError):
        doomed.result(0)


def test_cancelling_running_work_harms_nobody(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    running = block(lane, worker)
    assert running.cancel()
    worker.gate.set()
    assert result(lane.submit(TEXT, ["next"])) == expected("next")


def test_expired_work_is_dropped_before_it_runs(start_lane: StartLane, worker: FakeWorker, clock: FakeClock) -> None:
    lane = start_lane()
    block(lane, worker)
    late = lane.submit(TEXT, ["late"], timeout_s=5.0)
    kept = lane.submit(TEXT, ["kept"], timeout_s=50.0)
    clock.now += 5.0
    worker.gate.set()
    assert result(kept) == expected("kept")
    with pytest.raises(DeadlineError, match="time"):
        late.result(PATIENCE_S)
    assert worker.texts() == [["blocker"], ["kept"]]


def test_a_full_queue_refuses_and_says_when_to_come_back(
    start_lane: StartLane, worker: FakeWorker, clock: FakeClock
) -> None:
    reports, refused = [], []

    class Observer:
        def batch_finished(self, report: BatchReport) -> None:
            reports.append(report)

        def submission_refused(self, lane: str, items: int) -> None:
            refused.append((lane, items))

        def worker_restarted(self, lane: str) -> None: ...

    lane = start_lane(observer=Observer())
    first = block(lane, worker)
    clock.now += 2.0  # the batch of one took two seconds
    worker.gate.set()
    first.result(PATIENCE_S)
    lane.submit(TEXT, ["settle"]).result(PATIENCE_S)  # after this the first report is in
    assert (reports[0].items, reports[0].failed, reports[0].run_s, reports[0].waits_s) == (1, 0, 2.0, (0.0,))
    block(lane, worker)
    waiting = lane.submit(TEXT, ["w"] * 8)
    with pytest.raises(SaturatedError) as caught:
        lane.submit(TEXT, ["one too many"])
    assert caught.value.retry_after_s == 15.0, "9 items at the smoothed 1.6 s"
    assert refused == [("encoder", 1)]
    worker.gate.set()
    assert result(waiting) == expected(*["w"] * 8), "what was queued is not harmed"


def test_a_submission_larger_than_the_queue(start_lane: StartLane) -> None:
    lane = start_lane()
    with pytest.raises(ValueError, match="9 items are more than the queue of 8 can hold: send them as BULK"):
        lane.submit(TEXT, ["x"] * 9)
    texts = [f"bulk{number}" for number in range(100)]
    assert result(lane.submit(TEXT, texts, priority=Priority.BULK)) == expected(*texts)


def test_a_poisoned_item_fails_alone(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    good, bad, other = (lane.submit(TEXT, [text]) for text in ("good", "poison", "nan"))
    worker.gate.set()
    assert result(good) == expected("good")
    assert bad.result(PATIENCE_S) == [Failed("the model failed on this item (RuntimeError)")]
    (outcome,) = other.result(PATIENCE_S)
    assert isinstance(outcome, Failed)
    assert result(lane.submit(TEXT, ["after"])) == expected("after")
    health = lane.health()
    assert (health.completed_items, health.failed_items) == (3, 2)


def test_running_out_of_memory_makes_batches_smaller(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    worker.memory = 1
    texts = [f"t{number}" for number in range(8)]
    assert result(lane.submit(TEXT, texts)) == expected(*texts)
    assert [len(batch) for batch in worker.texts()][-4:] == [1] * 4


def test_health_counts_truly(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    block(lane, worker)
    waiting = lane.submit(TEXT, ["a", "b"])
    health = lane.health()
    assert (health.state, health.queued_items, health.running_items) == (LaneState.READY, 2, 1)
    assert health.device == "fake:0"
    assert lane.occupancy == 3
    worker.gate.set()
    waiting.result(PATIENCE_S)
    assert lane.health().completed_items == 3


def test_an_observer_that_fails_harms_nobody(start_lane: StartLane, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def batch_finished(self, report: BatchReport) -> None:
            raise RuntimeError("broken observer")

        def submission_refused(self, lane: str, items: int) -> None: ...

        def worker_restarted(self, lane: str) -> None: ...

    lane = start_lane(observer=Broken())
    lane.submit(TEXT, ["a"]).result(PATIENCE_S)
    assert result(lane.submit(TEXT, ["b"])) == expected("b")
    assert "broken observer" in caplog.text


words = st.sampled_from(["soup", "rice", "poison", "unfit", "nan", "tea", "short"])
submissions = st.lists(
    st.tuples(
        st.sampled_from(sorted(ENCODE_OPERATIONS)), st.sampled_from(list(Priority)), st.lists(words, max_size=20)
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(submissions, st.integers(1, 5), st.integers(1, 6), st.sets(st.integers(0, 7)))
def test_any_mix_gets_each_exactly_its_own_results(
    plan: list[tuple[Operation, Priority, list[str]]], max_batch: int, memory: int, cancelled: set[int]
) -> None:
    worker = FakeWorker()
    worker.memory = memory
    lane = Lane("mix", worker, LaneLimits(max_queue_items=200, max_batch=max_batch, bulk_every=2))
    lane.start().result(PATIENCE_S)
    try:
        sent = []
        for number, (operation, priority, kinds) in enumerate(plan):
            texts = [f"{kind}-{number}-{index}" for index, kind in enumerate(kinds)] or [f"tea-{number}"]
            sent.append((texts, lane.submit(operation, texts, priority=priority)))
        for number in cancelled & set(range(len(sent))):
            sent[number][1].cancel()
        for texts, future in sent:
            if future.cancelled():
                continue
            outcomes = future.result(PATIENCE_S)
            assert len(outcomes) == len(texts)
            for text, outcome in zip(texts, outcomes, strict=True):
                healthy = text.startswith(("soup", "rice", "tea"))
                assert values([outcome]) == (expected(text) if healthy else [[]])
    finally:
        assert lane.stop(PATIENCE_S)
