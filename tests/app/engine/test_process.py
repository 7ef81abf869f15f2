"""Workers in processes of their own, and what becomes of them when they die, hang or lose their parent."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.process import ProcessSpec, ProcessWorker
from app.engine.process_child import RemoteError, SetUp
from app.engine.types import Done, Failed, LaneState, Operation, UnavailableError
from app.engine.workers import ItemError, SelfTestError, WorkerDiedError
from app.observability import configure_logging
from models.captioning.types import CaptionOptionError
from models.types import EncoderUnavailableError, ModelError
from tests.app.engine.fakes import PATIENCE_S, FakeClock, info
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.engine.test_lane_faults import wait_for_state, wait_until

TEXT = Operation.ENCODE_TEXT
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def worker() -> Iterator[ProcessWorker]:
    """One process for the tests that leave it in order."""
    worker = ProcessWorker(ScriptedSpec())
    worker.load()
    yield worker
    worker.close()


@pytest.fixture
def own() -> Iterator[ProcessWorker]:
    """A process that a test may spoil; it is not started yet."""
    worker = ProcessWorker(ScriptedSpec())
    yield worker
    worker.close()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_it_is_known_before_it_is_started() -> None:
    worker = pickle.loads(pickle.dumps(ProcessSpec(ScriptedSpec()))).build()
    assert worker.operations == ScriptedSpec().build().operations
    assert (worker.device, worker.info, worker.pid, worker.is_alive) == ("scripted", None, None, False)
    assert not worker.abort()
    with pytest.raises(WorkerDiedError, match="not started"):
        worker.run(TEXT, ["x"])
    worker.close()


def test_it_answers_as_its_worker_does_from_elsewhere(worker: ProcessWorker) -> None:
    assert (worker.info, worker.device) == (info(), "scripted:1")
    worker.self_test()
    rows = worker.run(TEXT, ["soup", "rice pudding"])
    assert [row.tolist() for row in rows if isinstance(row, np.ndarray)] == [[4, 1, 2, 3], [12, 1, 2, 3]]
    (row,) = worker.run(TEXT, ["pid"])
    assert isinstance(row, np.ndarray)
    assert int(row[0]) == worker.pid != os.getpid()
    assert worker.is_alive


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("unfit", ItemError, "the text is unfit"),
        ("memory", MemoryError, "no room for a map"),
        ("option", CaptionOptionError, "no such style"),
        ("unloaded", WorkerDiedError, "the encoder is not loaded"),
        ("raise", RemoteError, "a bug"),
        ("unpicklable", RemoteError, "pickle"),
        ("unheard-of", ModelError, "a model's own words"),
    ],
)
def test_errors_come_back_as_what_they_were(
    worker: ProcessWorker, text: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as caught:
        worker.run(TEXT, [text])
    if text == "raise":
        assert type(caught.value).__name__ == "ZeroDivisionError", "named in answers and logs as in a thread"
    assert len(worker.run(TEXT, ["next"])) == 1, "the process goes on"


def test_what_cannot_be_sent_harms_nobody(worker: ProcessWorker) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        worker.run(TEXT, [lambda: None])  # type: ignore[list-item]
    assert len(worker.run(TEXT, ["next"])) == 1


def test_a_ctrl_c_is_the_services(worker: ProcessWorker) -> None:
    assert len(worker.run(TEXT, ["interrupt"])) == 1


@pytest.mark.parametrize(
    ("set_up", "line"),
    [
        (None, "WARNING encoder/app.scripted: loaded by the script"),
        (partial(configure_logging, "info", as_json=True), '"logger": "encoder/app.scripted"'),
    ],
    ids=["by default", "set up"],
)
def test_it_logs_to_standard_error_under_its_name(
    capfd: pytest.CaptureFixture[str], set_up: SetUp | None, line: str
) -> None:
    worker = ProcessWorker(ScriptedSpec(), set_up)
    worker.load()
    worker.close()
    assert line in capfd.readouterr().err


@pytest.mark.parametrize(
    ("broken", "error", "sentence"),
    [
        ("load", EncoderUnavailableError, "the weights are missing; run make weights"),
        ("exit", WorkerDiedError, "its process ended with exit code 7"),
    ],
)
def test_a_load_that_fails_leaves_no_process(broken: str, error: type[Exception], sentence: str) -> None:
    worker = ProcessWorker(ScriptedSpec(broken=broken))
    with pytest.raises(error, match=sentence):
        worker.load()
    assert worker.pid is None


def test_a_wrong_answer_to_the_self_test_is_told() -> None:
    worker = ProcessWorker(ScriptedSpec(broken="self-test"))
    worker.load()
    try:
        with pytest.raises(SelfTestError, match="it answers wrongly"):
            worker.self_test()
    finally:
        worker.close()


@pytest.mark.fault
@pytest.mark.parametrize(("text", "code"), [("exit", 7), ("system-exit", 3)])
def test_a_process_that_ends_says_how_and_is_started_again(own: ProcessWorker, text: str, code: int) -> None:
    own.load()
    first = own.pid
    with pytest.raises(WorkerDiedError, match=f"its process ended with exit code {code}"):
        own.run(TEXT, [text])
    with pytest.raises(WorkerDiedError, match="its process ended"):
        own.run(TEXT, ["next"])
    assert not own.is_alive
    own.load()
    assert own.pid != first
    assert len(own.run(TEXT, ["next"])) == 1


@pytest.mark.fault
def test_closing_ends_a_process_that_is_busy(fifo: Path) -> None:
    lane = Lane("encoder", ProcessWorker(ScriptedSpec(fifo)), LaneLimits())
    started = lane.start()
    with fifo.open("rb") as end:
        started.result(PATIENCE_S)
        hanging = lane.submit(TEXT, ["hang"])
        assert end.read(1) == b"!"
        assert lane.stop(0.0), "what can be aborted never keeps a lane from stopping"
        assert end.read() == b"", "the process has ended"
    with pytest.raises(UnavailableError):
        hanging.result(PATIENCE_S)


@pytest.mark.fault
def test_killed_in_the_middle_of_a_batch(fifo: Path) -> None:
    worker = ProcessWorker(ScriptedSpec(fifo))
    lane = Lane("encoder", worker, LaneLimits(restart_s=(0.0, 0.0)))
    started = lane.start()
    try:
        with fifo.open("rb") as end:
            started.result(PATIENCE_S)
            running = lane.submit(TEXT, ["hang"])
            assert end.read(1) == b"!"
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            with pytest.raises(
                UnavailableError, match="the encoder is not available: its process was killed by SIGKILL"
            ):
                running.result(PATIENCE_S)
        with fifo.open("rb"):
            wait_for_state(lane, LaneState.READY)
            (outcome,) = lane.submit(TEXT, ["next"]).result(PATIENCE_S)
            assert isinstance(outcome, Done)
            assert lane.stop(PATIENCE_S)
    finally:
        lane.stop(PATIENCE_S)


@pytest.mark.fault
def test_killed_while_idle_it_is_replaced_before_anybody_asks(caplog: pytest.LogCaptureFixture) -> None:
    worker = ProcessWorker(ScriptedSpec())
    lane = Lane("encoder", worker, LaneLimits(restart_s=(0.0, 0.0)))
    lane.start().result(PATIENCE_S)
    try:
        first = worker.pid
        assert first is not None
        lane.check()
        assert lane.is_ready
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: not worker.is_alive)
        lane.check()
        wait_until(lambda: worker.pid not in (None, first))
        wait_for_state(lane, LaneState.READY)
        assert isinstance(lane.submit(TEXT, ["next"]).result(PATIENCE_S)[0], Done)
        assert "its process was killed by SIGKILL" in caplog.text
    finally:
        assert lane.stop(PATIENCE_S)


@pytest.mark.fault
def test_a_hanging_process_is_killed_and_the_lane_recovers(fifo: Path) -> None:
    clock = FakeClock()
    lane = Lane("encoder", ProcessWorker(ScriptedSpec(fifo)), LaneLimits(restart_s=(0.0, 0.0)), clock=clock)
    started = lane.start()
    with fifo.open("rb") as end:
        started.result(PATIENCE_S)
        hanging = lane.submit(TEXT, ["hang"])
        assert end.read(1) == b"!"
        clock.now += 1000.0
        lane.check()
        with pytest.raises(UnavailableError, match="hangs"):
            hanging.result(PATIENCE_S)
        assert end.read() == b"", "the process has ended"
    with fifo.open("rb"):
        wait_for_state(lane, LaneState.READY)
        assert isinstance(lane.submit(TEXT, ["next"]).result(PATIENCE_S)[0], Done)
        assert lane.stop(PATIENCE_S)


@pytest.mark.fault
def test_a_bad_item_costs_only_itself_across_the_pipe() -> None:
    lane = Lane("encoder", ProcessWorker(ScriptedSpec()), LaneLimits(batch_wait_s=0.0))
    lane.start().result(PATIENCE_S)
    try:
        texts = ["soup", "unfit", "raise", "unpicklable", "memory", "rice"]
        outcomes = lane.submit(TEXT, texts).result(PATIENCE_S)
    finally:
        assert lane.stop(PATIENCE_S)
    assert [isinstance(each, Done) for each in outcomes] == [True, False, False, False, False, True]
    assert outcomes[1:3] == [Failed("the text is unfit"), Failed("the model failed on this item (ZeroDivisionError)")]
    assert outcomes[4] == Failed("there is not enough memory for this item")


PARENT = """
import sys
from pathlib import Path
from app.engine.process import ProcessWorker
from app.engine.types import Operation
from tests.app.engine.process_fakes import ScriptedSpec

worker = ProcessWorker(ScriptedSpec(Path(sys.argv[1])))
worker.load()
worker.run(Operation.ENCODE_TEXT, [sys.argv[2]])
input()
"""


@pytest.mark.fault
@pytest.mark.parametrize("doing", ["hang", "nothing"], ids=["busy", "idle"])
def test_no_process_outlives_its_killed_service(fifo: Path, doing: str) -> None:
    command = [sys.executable, "-c", PARENT, str(fifo), doing]
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=quiet) as parent,
        fifo.open("rb") as end,
    ):
        if doing == "hang":
            assert end.read(1) == b"!"
        parent.kill()
        assert end.read() == b"", "its writing end closes when the process ends"
