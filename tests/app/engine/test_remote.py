"""Workers on a worker host, and what becomes of them when process, host or service is lost."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.engine.host import WorkerHost
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.process_child import RemoteError
from app.engine.remote import RemoteSpec, RemoteWorker
from app.engine.types import Done, LaneState, Operation, UnavailableError
from app.engine.wire import connect
from app.engine.workers import ItemError, WorkerDiedError, WorkerUnreachableError
from models.types import EncoderUnavailableError
from tests.app.engine.fakes import PATIENCE_S, FakeClock, info
from tests.app.engine.hosting import KEY, hosting, nowhere
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.engine.test_lane_faults import wait_for_state, wait_until

TEXT = Operation.ENCODE_TEXT
AT_ONCE = LaneLimits(restart_s=(0.0, 0.0))


@pytest.fixture(scope="module")
def host() -> Iterator[WorkerHost]:
    with hosting() as running:
        yield running


@pytest.fixture(scope="module")
def worker(host: WorkerHost) -> Iterator[RemoteWorker]:
    """One connection for the tests that leave it in order."""
    worker = RemoteWorker(ScriptedSpec(), host.address, KEY)
    worker.load()
    yield worker
    worker.close()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def pid_of(worker: RemoteWorker) -> int:
    (row,) = worker.run(TEXT, ["pid"])
    assert isinstance(row, np.ndarray)
    return int(row[0])


def test_it_is_known_before_it_is_connected() -> None:
    address = nowhere()
    spec = RemoteSpec(ScriptedSpec(), address, KEY)
    assert "sesame" not in repr(spec)
    worker = pickle.loads(pickle.dumps(spec)).build()
    assert worker.operations == ScriptedSpec().build().operations
    assert (worker.device, worker.info, worker.is_alive) == (f"scripted@{address}", None, False)
    assert not worker.abort()
    with pytest.raises(WorkerDiedError, match="not started"):
        worker.run(TEXT, ["x"])
    with pytest.raises(WorkerUnreachableError, match=f"no worker host answers at {address}"):
        worker.load()
    worker.close()


def test_it_answers_as_its_worker_does_from_elsewhere(host: WorkerHost, worker: RemoteWorker) -> None:
    assert (worker.info, worker.device) == (info(), f"scripted:1@{host.address}")
    worker.self_test()
    rows = worker.run(TEXT, ["soup", "rice pudding"])
    assert [row.tolist() for row in rows if isinstance(row, np.ndarray)] == [[4, 1, 2, 3], [12, 1, 2, 3]]
    assert pid_of(worker) != os.getpid()
    assert worker.is_alive


def test_a_large_batch_passes_whole(worker: RemoteWorker) -> None:
    texts = ["x" * length for length in range(1, 3000)]
    rows = worker.run(TEXT, texts)
    assert [int(row[0]) for row in rows if isinstance(row, np.ndarray)] == list(range(1, 3000))


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("unfit", ItemError, "the text is unfit"),
        ("memory", MemoryError, "no room for a map"),
        ("raise", RemoteError, "a bug"),
    ],
)
def test_errors_come_back_as_what_they_were(
    worker: RemoteWorker, text: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        worker.run(TEXT, [text])
    assert len(worker.run(TEXT, ["next"])) == 1


def test_each_connection_has_a_process_of_its_own(host: WorkerHost, worker: RemoteWorker) -> None:
    other = RemoteWorker(ScriptedSpec(), host.address, KEY)
    other.load()
    try:
        assert pid_of(other) != pid_of(worker)
    finally:
        other.close()
    assert len(worker.run(TEXT, ["next"])) == 1


@pytest.mark.parametrize(
    ("broken", "error", "sentence"),
    [
        ("load", EncoderUnavailableError, "the weights are missing; run make weights"),
        ("exit", WorkerDiedError, "on the worker host, its process ended with exit code 7"),
    ],
)
def test_a_load_that_fails_says_why_and_is_no_outage(
    host: WorkerHost, broken: str, error: type[Exception], sentence: str
) -> None:
    worker = RemoteWorker(ScriptedSpec(broken=broken), host.address, KEY)
    with pytest.raises(error, match=sentence) as caught:
        worker.load()
    assert not isinstance(caught.value, WorkerUnreachableError)
    assert not worker.is_alive


@pytest.mark.fault
def test_a_process_killed_in_the_middle_of_a_batch(host: WorkerHost, fifo: Path) -> None:
    worker = RemoteWorker(ScriptedSpec(fifo), host.address, KEY)
    lane = Lane("encoder", worker, AT_ONCE)
    started = lane.start()
    try:
        with fifo.open("rb") as end:
            started.result(PATIENCE_S)
            (outcome,) = lane.submit(TEXT, ["pid"]).result(PATIENCE_S)
            assert isinstance(outcome, Done)
            running = lane.submit(TEXT, ["hang"])
            assert end.read(1) == b"!"
            os.kill(int(outcome.value[0]), signal.SIGKILL)
            with pytest.raises(UnavailableError, match="on the worker host, its process was killed by SIGKILL"):
                running.result(PATIENCE_S)
        with fifo.open("rb"):
            wait_for_state(lane, LaneState.READY)
            assert isinstance(lane.submit(TEXT, ["next"]).result(PATIENCE_S)[0], Done)
            assert lane.stop(PATIENCE_S)
    finally:
        lane.stop(PATIENCE_S)


@pytest.mark.fault
def test_a_process_killed_while_idle_is_replaced_before_anybody_asks(
    host: WorkerHost, caplog: pytest.LogCaptureFixture
) -> None:
    worker = RemoteWorker(ScriptedSpec(), host.address, KEY)
    lane = Lane("encoder", worker, AT_ONCE)
    lane.start().result(PATIENCE_S)
    try:
        (outcome,) = lane.submit(TEXT, ["pid"]).result(PATIENCE_S)
        assert isinstance(outcome, Done)
        lane.check()
        assert lane.is_ready
        os.kill(int(outcome.value[0]), signal.SIGKILL)
        wait_until(lambda: not worker.is_alive)
        lane.check()
        wait_until(lambda: worker.is_alive)
        wait_for_state(lane, LaneState.READY)
        assert isinstance(lane.submit(TEXT, ["next"]).result(PATIENCE_S)[0], Done)
        assert "on the worker host, its process was killed by SIGKILL" in caplog.text
    finally:
        assert lane.stop(PATIENCE_S)


@pytest.mark.fault
def test_a_hanging_process_is_cut_off_and_killed_and_the_lane_recovers(host: WorkerHost, fifo: Path) -> None:
    clock = FakeClock()
    lane = Lane("encoder", RemoteWorker(ScriptedSpec(fifo), host.address, KEY), AT_ONCE, clock=clock)
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
@pytest.mark.parametrize("doing", ["hang", "next"], ids=["busy", "idle"])
def test_no_process_outlives_its_service(host: WorkerHost, fifo: Path, doing: str) -> None:
    wire = connect(host.address, KEY)
    wire.pipe.send(ScriptedSpec(fifo))
    wire.pipe.send(("load", ()))
    with fifo.open("rb") as end:
        assert wire.pipe.recv().failure is None
        wire.pipe.send(("run", (TEXT, [doing])))
        if doing == "hang":
            assert end.read(1) == b"!"
        wire.close()
        assert end.read() == b"", "its writing end closes when the process ends"


@pytest.mark.fault
def test_a_host_that_stops_lets_the_call_under_way_finish(fifo: Path) -> None:
    with hosting(grace_s=PATIENCE_S) as host, ThreadPoolExecutor() as threads:
        worker = RemoteWorker(ScriptedSpec(fifo), host.address, KEY)
        loading = threads.submit(worker.load)
        with fifo.open("rb") as end:
            loading.result(PATIENCE_S)
            running = threads.submit(worker.run, TEXT, ["slow"])
            assert end.read(1) == b"!"
            host.stop()
            assert len(running.result(PATIENCE_S)) == 1
            assert end.read() == b"", "then the process has ended"
        with pytest.raises(WorkerUnreachableError, match=f"the connection to its worker host at {host.address} broke"):
            worker.run(TEXT, ["next"])
        worker.close()


@pytest.mark.fault
def test_a_host_that_is_gone_is_waited_for(fifo: Path) -> None:
    address = nowhere()
    lane = Lane("encoder", RemoteWorker(ScriptedSpec(fifo), address, KEY), AT_ONCE)
    lane.start().result(PATIENCE_S)
    try:
        with pytest.raises(
            UnavailableError, match=f"the encoder could not be loaded: no worker host answers at {address}"
        ):
            lane.submit(TEXT, ["too early"])
        with hosting(address.port), fifo.open("rb") as end:
            wait_for_state(lane, LaneState.READY)
            assert isinstance(lane.submit(TEXT, ["soup"]).result(PATIENCE_S)[0], Done)
            busy = lane.submit(TEXT, ["hang"])
            assert end.read(1) == b"!"
        with pytest.raises(UnavailableError, match=f"the connection to its worker host at {address} broke"):
            busy.result(PATIENCE_S)
        with hosting(address.port), fifo.open("rb"):
            wait_for_state(lane, LaneState.READY)
            assert isinstance(lane.submit(TEXT, ["again"]).result(PATIENCE_S)[0], Done)
            assert lane.stop(PATIENCE_S)
    finally:
        assert lane.stop(PATIENCE_S)
