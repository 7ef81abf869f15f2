"""``tastespace worker``: a program of its own, killed and started again under a lane that uses it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.cli.common import EXIT_FAILURE, EXIT_USAGE
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.placement import WorkerAddress
from app.engine.remote import RemoteWorker
from app.engine.types import Done, LaneState, Operation, UnavailableError
from tests.app.cli.conftest import Tastespace
from tests.app.engine.fakes import PATIENCE_S
from tests.app.engine.hosting import KEY
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.engine.test_lane_faults import wait_for_state, wait_until
from tests.paths import REPOSITORY

TEXT = Operation.ENCODE_TEXT


def start(port: int) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASTESPACE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "worker", "--port", str(port)],
        cwd=REPOSITORY,
        env={**environment, "TASTESPACE_WORKER_KEY": KEY.decode()},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(port: int = 0) -> Iterator[tuple[subprocess.Popen[str], WorkerAddress]]:
    with start(port) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"a worker host listens on (.+):(\d+)", process.stderr.readline())
            assert found is not None
            yield process, WorkerAddress(found[1], int(found[2]))
        finally:
            process.kill()
            process.communicate()


def pid(lane: Lane) -> int:
    (outcome,) = lane.submit(TEXT, ["pid"]).result(PATIENCE_S)
    assert isinstance(outcome, Done)
    return int(outcome.value[0])


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # Killed with its parent, it is a zombie where whoever inherits it does not reap at once.
    with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(("key", "sentence"), [(None, "is not set"), ("short", "has fewer than 16 characters")])
def test_without_a_good_key_it_does_not_start(
    tastespace: Tastespace, monkeypatch: pytest.MonkeyPatch, key: str | None, sentence: str
) -> None:
    monkeypatch.delenv("TASTESPACE_WORKER_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("TASTESPACE_WORKER_KEY", key)
    result = tastespace("worker", "--port", "0")
    assert result.exit_code == EXIT_USAGE
    assert "TASTESPACE_WORKER_KEY" in result.stderr
    assert sentence in result.stderr


@pytest.mark.fault
def test_killed_it_takes_its_processes_along_and_is_used_again_once_it_is_back() -> None:
    with running() as (process, address):
        lane = Lane("encoder", RemoteWorker(ScriptedSpec(), address, KEY), LaneLimits(restart_s=(0.05, 0.05)))
        lane.start().result(PATIENCE_S)
        first = pid(lane)
        process.kill()
        process.wait(PATIENCE_S)
        wait_until(lambda: is_gone(first))
        lane.check()
        wait_for_state(lane, LaneState.FAILED)
        with pytest.raises(UnavailableError, match=f"worker host at {address}|no worker host answers at {address}"):
            lane.submit(TEXT, ["x"])
    with running(address.port):
        wait_for_state(lane, LaneState.READY)
        assert pid(lane) != first
        assert lane.stop(PATIENCE_S)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_processes_with_0(how: signal.Signals) -> None:
    with running() as (process, address):
        worker = RemoteWorker(ScriptedSpec(), address, KEY)
        worker.load()
        process.send_signal(how)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr
        assert not worker.is_alive
        worker.close()


def test_a_port_that_is_taken_is_said() -> None:
    with running() as (_, address), start(address.port) as second:
        _, stderr = second.communicate(timeout=60)
    assert second.returncode == EXIT_FAILURE
    assert f"it can't listen on 127.0.0.1, port {address.port}: Address already in use" in stderr
