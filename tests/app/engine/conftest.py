from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from tests.app.engine.fakes import PATIENCE_S, FakeClock, FakeWorker

StartLane = Callable[..., Lane]


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def start_lane(worker: FakeWorker, clock: FakeClock) -> Iterator[StartLane]:
    """Starts a lane on ``worker`` and ``clock`` with small limits; stops it after the test."""
    lanes: list[Lane] = []

    def start(observer: Any = None, **limits: Any) -> Lane:
        chosen: dict[str, Any] = {"max_queue_items": 8, "max_batch": 4, "restart_s": (0.0, 0.0)} | limits
        lane = Lane("encoder", worker, LaneLimits(**chosen), clock=clock, observer=observer)
        lanes.append(lane)
        lane.start().result(PATIENCE_S)
        return lane

    yield start
    worker.gate.set()
    worker.load_gate.set()
    for lane in lanes:
        assert lane.stop(PATIENCE_S)
