"""Dead, hanging and broken workers, and stopping in the middle of work."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.engine.lane import Lane
from app.engine.observe import BatchReport
from app.engine.types import LaneState, Operation, Priority, UnavailableError
from app.engine.workers import WorkerUnreachableError
from models.types import EncoderUnavailableError
from tests.app.engine.conftest import StartLane
from tests.app.engine.fakes import PATIENCE_S, FakeClock, FakeWorker, info, values, vector
from tests.app.engine.test_lane import block, expected, result

pytestmark = pytest.mark.fault
TEXT = Operation.ENCODE_TEXT


class CountingObserver:
    def __init__(self) -> None:
        self.restarts = 0

    def batch_finished(self, report: BatchReport) -> None: ...

    def submission_refused(self, lane: str, items: int) -> None: ...

    def worker_restarted(self, lane: str) -> None:
        self.restarts += 1


def wait_until(happened: Callable[[], bool]) -> None:
    """Poll: a lane tells nobody when it recovers."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.002)):
        if happened():
            return
        pause.wait(0.002)
    pytest.fail("what was waited for did not happen")


def wait_for_state(lane: Lane, state: LaneState) -> None:
    wait_until(lambda: lane.health().state is state)


def test_a_worker_that_dies_fails_what_waits_and_comes_back(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    blocked = block(lane, worker)
    deadly, bystander = lane.submit(TEXT, ["die"]), lane.submit(TEXT, ["bystander"])
    waiting = lane.submit(Operation.ENCODE_RECIPE, ["queued"])
    outside = lane.submit(TEXT, ["bulk"] * 50, priority=Priority.BULK)
    worker.load_gate.clear()
    worker.gate.set()
    assert result(blocked) == expected("blocker"), "what ran before is not harmed"
    for future in (deadly, bystander, waiting, outside):
        with pytest.raises(UnavailableError, match="the worker died of SystemExit"):
            future.result(PATIENCE_S)
    assert lane.health().state is LaneState.FAILED
    assert lane.health().queued_items == lane.health().running_items == 0
    with pytest.raises(UnavailableError, match="died"):
        lane.submit(TEXT, ["refused while down"])
    worker.load_gate.set()
    wait_for_state(lane, LaneState.READY)
    assert result(lane.submit(TEXT, ["again"])) == expected("again")
    assert (worker.loads, worker.closes) == (2, 1)


def test_loading_again_is_tried_until_it_works(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    worker.load_errors = [OSError("disk"), SystemExit(1), EncoderUnavailableError("files are gone")]
    with pytest.raises(UnavailableError):
        lane.submit(TEXT, ["die"]).result(PATIENCE_S)
    wait_for_state(lane, LaneState.READY)
    assert worker.loads == 5
    assert result(lane.submit(TEXT, ["again"])) == expected("again")


def test_a_worker_out_of_reach_is_waited_for_from_the_start(start_lane: StartLane, worker: FakeWorker) -> None:
    worker.load_errors = [WorkerUnreachableError("nobody answers at gpu:1"), WorkerUnreachableError("still nobody")]
    observer = CountingObserver()
    lane = start_lane(observer, restart_s=(0.01, 0.01))
    with pytest.raises(UnavailableError, match="the encoder could not be loaded: nobody answers at gpu:1"):
        lane.submit(TEXT, ["too early"])
    wait_for_state(lane, LaneState.READY)
    assert result(lane.submit(TEXT, ["soup"])) == expected("soup")
    assert (worker.loads, observer.restarts) == (3, 0), "what comes up for the first time is not restarted"


def test_a_worker_out_of_reach_does_not_keep_a_lane_from_stopping(start_lane: StartLane, worker: FakeWorker) -> None:
    worker.load_errors = [WorkerUnreachableError("nobody answers")]
    lane = start_lane(restart_s=(PATIENCE_S, PATIENCE_S))
    assert lane.stop(PATIENCE_S)
    assert "nobody answers" in lane.health().detail


def test_another_encoder_is_not_taken_for_the_old_one(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane(restart_s=(0.01, PATIENCE_S))
    worker.next_info = info(fingerprint="0" * 64)
    with pytest.raises(UnavailableError):
        lane.submit(TEXT, ["die"]).result(PATIENCE_S)
    wait_until(lambda: "files were changed" in lane.health().detail)
    assert lane.health().state is LaneState.FAILED
    with pytest.raises(UnavailableError, match="restart the service"):
        lane.submit(TEXT, ["x"])


def test_failures_that_no_item_explains_put_the_worker_to_the_test(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    lane.submit(TEXT, ["unfit"]).result(PATIENCE_S)
    result(lane.submit(TEXT, ["a"]))
    assert worker.self_tests == 1, "an item's own fault is no reason to doubt the worker"
    lane.submit(TEXT, ["poison"]).result(PATIENCE_S)
    result(lane.submit(TEXT, ["a"]))
    assert (worker.self_tests, worker.loads) == (2, 1)


def test_a_worker_lost_for_good_is_found_out_and_loaded_again(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    worker.self_test_errors = [RuntimeError("CUDA error: device-side assert triggered")]
    lane.submit(TEXT, ["poison"]).result(PATIENCE_S)
    wait_until(lambda: worker.loads == 2)
    wait_for_state(lane, LaneState.READY)
    assert result(lane.submit(TEXT, ["a"])) == expected("a")


def test_a_hanging_batch_is_seen_and_its_callers_are_let_go(
    start_lane: StartLane, worker: FakeWorker, clock: FakeClock
) -> None:
    lane = start_lane(batch_timeout_s=10.0)
    hanging = block(lane, worker)
    queued = lane.submit(TEXT, ["queued"])
    clock.now += 10.0
    lane.check()
    assert lane.health().state is LaneState.READY, "slow is not hanging"
    clock.now += 0.1
    assert lane.health().state is LaneState.FAILED, "health needs no watchdog to be true"
    with pytest.raises(UnavailableError, match="runs for longer than 10 s"):
        lane.submit(TEXT, ["refused"])
    lane.check()
    for future in (hanging, queued):
        with pytest.raises(UnavailableError, match="hangs"):
            future.result(PATIENCE_S)
    health = lane.health()
    assert (health.running_items, health.queued_items) == (1, 0)
    worker.gate.set()
    wait_for_state(lane, LaneState.READY)
    assert worker.self_tests == 2, "a worker that was stuck is tested before it is trusted"
    assert result(lane.submit(TEXT, ["again"])) == expected("again")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (EncoderUnavailableError("no encoder is called 'x'"), "^no encoder is called 'x'$"),
        (OSError("disk on fire"), r"^the encoder could not be loaded \(OSError: disk on fire\)$"),
        (SystemExit(1), "could not be loaded"),
    ],
)
def test_a_first_load_that_fails_is_said_in_one_sentence(
    worker: FakeWorker, error: BaseException, sentence: str
) -> None:
    worker.load_errors = [error]
    lane = Lane("encoder", worker)
    with pytest.raises(UnavailableError, match=sentence):
        lane.start().result(PATIENCE_S)
    assert lane.health().state is LaneState.FAILED
    with pytest.raises(UnavailableError):
        lane.submit(TEXT, ["x"])
    assert lane.stop(PATIENCE_S)
    assert (lane.health().state, worker.loads) == (LaneState.STOPPED, 1)
    assert lane.health().detail != "stopped", "it keeps saying why"


def test_a_first_self_test_that_fails_is_a_failed_start(worker: FakeWorker) -> None:
    worker.self_test_errors = [RuntimeError("wrong numbers")]
    lane = Lane("encoder", worker)
    with pytest.raises(UnavailableError, match="wrong numbers"):
        lane.start().result(PATIENCE_S)
    assert worker.closes == 1


def test_no_work_is_taken_before_the_start_is_done_or_after_the_stop(worker: FakeWorker) -> None:
    lane = Lane("encoder", worker)
    with pytest.raises(UnavailableError, match="not started"):
        lane.submit(TEXT, ["x"])
    worker.load_gate.clear()
    ready = lane.start()
    assert lane.health().state is LaneState.STARTING
    with pytest.raises(UnavailableError, match="loading"):
        lane.submit(TEXT, ["x"])
    with pytest.raises(RuntimeError, match="started already"):
        lane.start()
    worker.load_gate.set()
    ready.result(PATIENCE_S)
    assert lane.stop(PATIENCE_S)
    assert lane.stop(PATIENCE_S), "stopping twice is fine"
    with pytest.raises(UnavailableError, match="stopped"):
        lane.submit(TEXT, ["x"])
    lane.start().result(PATIENCE_S)
    assert values(lane.submit(TEXT, ["x"]).result(PATIENCE_S)) == [vector("x").tolist()]
    assert lane.stop(PATIENCE_S)


def test_stopping_while_busy_ends_the_batch_and_fails_the_rest(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane()
    running = block(lane, worker)
    queued = lane.submit(TEXT, ["queued"])
    assert not lane.stop(0.0), "the batch still runs"
    with pytest.raises(UnavailableError, match="stopping"):
        queued.result(PATIENCE_S)
    with pytest.raises(UnavailableError, match="stopping"):
        lane.submit(TEXT, ["too late"])
    worker.gate.set()
    assert lane.stop(PATIENCE_S)
    assert result(running) == expected("blocker")
    assert worker.texts() == [["blocker"]]
    assert worker.closes == 1


def test_stopping_ends_the_wait_for_a_restart(start_lane: StartLane, worker: FakeWorker) -> None:
    lane = start_lane(restart_s=(PATIENCE_S * 10, PATIENCE_S * 10))
    with pytest.raises(UnavailableError):
        lane.submit(TEXT, ["die"]).result(PATIENCE_S)
    assert lane.stop(PATIENCE_S)
    assert worker.loads == 1


def test_a_mistake_in_the_lane_itself_leaves_nobody_waiting(
    start_lane: StartLane, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(*_: object) -> int:
        raise ZeroDivisionError("a bug")

    lane = start_lane()
    running = block(lane, worker)
    queued = lane.submit(TEXT, ["queued"])
    monkeypatch.setattr("app.engine.intake.Intake.finish", mistaken)
    worker.gate.set()
    for future in (running, queued):
        with pytest.raises(UnavailableError, match="its thread ended"):
            future.result(PATIENCE_S)
    with pytest.raises(UnavailableError, match="restart the service"):
        lane.submit(TEXT, ["refused"])
    assert lane.health().state is LaneState.FAILED
    assert "a bug" in caplog.text
