"""Hooks through which the engine tells what it does, without knowing who listens (Prometheus, say)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from typing import Protocol

from app.engine.types import Operation, Priority

_logger = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch as it ran. ``waits_s`` has each item's time in the queue, ``run_s`` the batch's own, in seconds."""

    lane: str
    operation: Operation
    priority: Priority
    items: int
    failed: int
    waits_s: tuple[float, ...]
    run_s: float


class EngineObserver(Protocol):
    """Called from the lanes' threads: implementations are quick and thread-safe. What they raise is logged."""

    def batch_finished(self, report: BatchReport) -> None: ...

    def submission_refused(self, lane: str, items: int) -> None:
        """A queue was full."""
        ...

    def worker_restarted(self, lane: str) -> None: ...


def tell(observer: EngineObserver | None, message: Callable[[EngineObserver], None]) -> None:
    """Tell the observer, if there is one; its failure must not be the lane's."""
    if observer is None:
        return
    try:
        message(observer)
    except Exception:
        _logger.exception("the engine's observer failed")
