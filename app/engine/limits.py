"""How much a lane takes on, and how fast it turned out to be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# A batch size that ran out of memory is tried again after so many good batches: other users of a GPU come and go.
_BATCHES_UNTIL_LARGER: Final = 64
_SMOOTHING: Final = 0.2
_RETRY_AFTER_S: Final = (1.0, 60.0)


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How a lane queues and runs.

    Attributes:
        max_queue_items: items that may wait, for each priority.
        max_batch: items in one run of the worker.
        batch_wait_s: how long an idle lane waits for company once work arrives; 0 runs what is there at once.
            Work that arrives during a run is batched in any case.
        batch_timeout_s: a run longer than this counts as hanging.
        bulk_every: after so many interactive batches in a row, one bulk batch goes first.
        restart_s: first and longest pause before a dead worker is loaded again; doubles from one to the other.
    """

    max_queue_items: int = 256
    max_batch: int = 16
    batch_wait_s: float = 0.0
    batch_timeout_s: float = 120.0
    bulk_every: int = 8
    restart_s: tuple[float, float] = (0.5, 30.0)

    def __post_init__(self) -> None:
        for name in ("max_queue_items", "max_batch", "bulk_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not self.batch_wait_s >= 0:
            raise ValueError("batch_wait_s must not be negative")
        if not self.batch_timeout_s > 0:
            raise ValueError("batch_timeout_s must be positive")
        if not 0 <= self.restart_s[0] <= self.restart_s[1]:
            raise ValueError("restart_s must be two pauses, the shorter one first")

    def restart_pause_s(self, restarts: int) -> float:
        """The pause before restart number ``restarts`` (0 for the first since all was well)."""
        shortest, longest = self.restart_s
        return min(longest, shortest * 2.0 ** min(restarts, 32))


class Pace:
    """A lane's measured speed and the batch size that its memory holds."""

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._good_batches = 0
        self._item_s: float | None = None
        self.batch_limit = max_batch

    def learn(self, items: int, seconds: float, fits: int | None) -> None:
        """Take in one batch; ``fits`` is the batch size to fall back to where memory ran out."""
        item_s = max(seconds, 0.0) / items
        self._item_s = item_s if self._item_s is None else self._item_s + _SMOOTHING * (item_s - self._item_s)
        if fits is not None:
            self.batch_limit, self._good_batches = min(fits, self.batch_limit), 0
        elif self.batch_limit < self._max_batch:
            self._good_batches += 1
            if self._good_batches >= _BATCHES_UNTIL_LARGER:
                self.batch_limit, self._good_batches = min(2 * self.batch_limit, self._max_batch), 0

    def retry_after_s(self, items: int) -> float:
        """Whole seconds until ``items`` are worked off, 1 to 60; 1 before anything was measured."""
        shortest, longest = _RETRY_AFTER_S
        return min(longest, max(shortest, math.ceil(items * (self._item_s or 0.0))))
