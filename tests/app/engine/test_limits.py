from __future__ import annotations

from typing import Any

import pytest

from app.engine.limits import LaneLimits, Pace


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"max_queue_items": 0}, "max_queue_items"),
        ({"max_batch": 0}, "max_batch"),
        ({"bulk_every": 0}, "bulk_every"),
        ({"batch_wait_s": -1.0}, "batch_wait_s"),
        ({"batch_wait_s": float("nan")}, "batch_wait_s"),
        ({"batch_timeout_s": 0.0}, "batch_timeout_s"),
        ({"restart_s": (2.0, 1.0)}, "restart_s"),
    ],
)
def test_limits_that_make_no_sense_are_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        LaneLimits(**wrong)


def test_pauses_double_up_to_the_longest() -> None:
    limits = LaneLimits(restart_s=(0.5, 3.0))
    assert [limits.restart_pause_s(n) for n in (0, 1, 2, 3, 10_000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_retry_after_follows_the_measured_speed_within_bounds() -> None:
    pace = Pace(16)
    assert pace.retry_after_s(1000) == 1.0
    pace.learn(10, 5.0, None)
    assert pace.retry_after_s(20) == 10.0
    assert pace.retry_after_s(1) == 1.0
    assert pace.retry_after_s(10_000) == 60.0


def test_the_batch_size_shrinks_when_memory_runs_out_and_grows_again() -> None:
    pace = Pace(16)
    pace.learn(16, 1.0, fits=4)
    assert pace.batch_limit == 4
    sizes = []
    for _ in range(200):
        pace.learn(4, 1.0, None)
        sizes.append(pace.batch_limit)
    assert sizes[-1] == 16
    assert sorted(set(sizes)) == [4, 8, 16]
