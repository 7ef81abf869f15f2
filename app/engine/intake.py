"""The callers' side of a lane: what waits, what runs, how the lane is, and who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from app.engine.backlog import Backlog, Batch, Ticket
from app.engine.isolation import IsolatedRun
from app.engine.limits import LaneLimits, Pace
from app.engine.types import (
    DeadlineError,
    Failed,
    LaneHealth,
    LaneState,
    Operation,
    Outcome,
    Payload,
    Priority,
    SaturatedError,
    UnavailableError,
)


class Intake:
    """Where callers and a lane's thread meet; thread-safe.

    Futures are settled outside of the lock: their callbacks may call back.
    """

    def __init__(self, name: str, limits: LaneLimits, clock: Callable[[], float], hangs: Callable[[], bool]) -> None:
        """``hangs`` says whether the worker's call under way takes too long; asked from any thread."""
        self._name = name
        self._limits = limits
        self._clock = clock
        self._hangs = hangs
        self._changed = threading.Condition()  # guards everything below
        self._backlog = Backlog(limits.max_queue_items, limits.max_batch, limits.bulk_every)
        self._pace = Pace(limits.max_batch)
        self._state, self._detail = LaneState.STOPPED, "not started"
        self._running: Batch | None = None
        self._stopping = self._stalled = self._doubtful = False
        self._completed = self._failed = 0

    # --- for callers ----------------------------------------------------------------------------------------

    def submit(
        self, operation: Operation, items: Sequence[Payload], timeout_s: float | None, priority: Priority
    ) -> Future[list[Outcome[Any]]]:
        """See :meth:`app.engine.lane.Lane.submit`."""
        limit = self._limits.max_queue_items
        if priority is Priority.INTERACTIVE and len(items) > limit:
            raise ValueError(f"{len(items)} items are more than the queue of {limit} can hold: send them as BULK work")
        now = self._clock()
        ticket = Ticket(items, now, None if timeout_s is None else now + timeout_s)
        with self._changed:
            state, detail = self._true_state()
            if state is not LaneState.READY:
                raise self._unavailable(detail)
            if priority is Priority.INTERACTIVE and not self._backlog.has_room(len(items)):
                raise SaturatedError(self._pace.retry_after_s(len(self._backlog) + len(items)))
            self._backlog.put(operation, ticket, priority)
            self._changed.notify_all()
        ticket.future.add_done_callback(lambda future: self._discard(ticket) if future.cancelled() else None)
        return ticket.future

    @property
    def occupancy(self) -> int:
        """Items queued and running: what a new item has before it."""
        with self._changed:
            return len(self._backlog) + self._running_items()

    def health(self, device: str) -> LaneHealth:
        with self._changed:
            state, detail = self._true_state()
            return LaneHealth(
                lane=self._name,
                state=state,
                detail=detail,
                queued_items=len(self._backlog),
                running_items=self._running_items(),
                completed_items=self._completed,
                failed_items=self._failed,
                device=device,
            )

    def let_go_if_hanging(self) -> bool:
        """Fail all who run or wait if the worker hangs; True the first time that it is found so."""
        with self._changed:
            if self._stalled or not self._hangs():
                return False
            self._stalled = self._doubtful = True
            self._changed.notify_all()
        self.let_go("its worker hangs")
        return True

    def doubt(self) -> None:
        """Have an idle worker tested before it gets more work; one that runs a batch shows by that how it is."""
        with self._changed:
            if self._state is LaneState.READY and self._running is None:
                self._doubtful = True
                self._changed.notify_all()

    # --- for the lane ---------------------------------------------------------------------------------------

    def set_state(self, state: LaneState, detail: str) -> None:
        with self._changed:
            self._state, self._detail = state, detail
            if state is LaneState.STARTING:
                self._stopping = False

    def trust(self) -> None:
        """The worker was loaded or tested anew and answers."""
        with self._changed:
            self._state, self._detail = LaneState.READY, "ready"
            self._stalled = self._doubtful = False

    def next_batch(self, prove: Callable[[], None]) -> Batch | None:
        """Wait for work; None when the lane is to stop. ``prove`` is called first for a worker in doubt."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._doubtful or len(self._backlog))
                if self._limits.batch_wait_s:
                    self._changed.wait_for(self._is_company_complete, self._limits.batch_wait_s)
                if self._stopping:
                    return None
                doubtful, expired = self._doubtful, list[Ticket]()
                if not doubtful:
                    self._running, expired = self._backlog.take(self._pace.batch_limit, self._clock())
                batch = self._running
            for ticket in expired:
                ticket.fail(DeadlineError("the work did not start in time"))
            if doubtful:
                prove()
                self.trust()
            elif batch is not None:
                return batch

    def finish(self, batch: Batch, result: IsolatedRun, seconds: float) -> int:
        """Hand out a batch's outcomes; returns how many items failed."""
        failed = sum(isinstance(each, Failed) for each in result.outcomes)
        with self._changed:
            self._pace.learn(len(batch.slots), seconds, result.fits)
            self._completed += len(batch.slots) - failed
            self._failed += failed
            self._running = None
            self._doubtful = self._doubtful or result.unexplained > 0
        for (ticket, index), outcome in zip(batch.slots, result.outcomes, strict=True):
            ticket.record(index, outcome)
        return failed

    def let_go(self, reason: str, *, ended: bool = False) -> None:
        """Fail all who run or wait; ``ended`` where nothing runs any more."""
        with self._changed:
            tickets = (self._running.tickets if self._running else []) + self._backlog.drain()
            if ended:
                self._running = None
        for ticket in tickets:
            ticket.fail(self._unavailable(reason))

    def ask_to_stop(self) -> None:
        """Fail who waits, refuse who comes; the running batch may end."""
        with self._changed:
            self._stopping = True
            waiting = self._backlog.drain()
            self._changed.notify_all()
        for ticket in waiting:
            ticket.fail(self._unavailable("the service is stopping"))

    def stopped(self) -> None:
        """The thread has ended. A lane that had failed keeps saying why."""
        with self._changed:
            if self._state is not LaneState.FAILED:
                self._detail = "stopped"
            self._state = LaneState.STOPPED

    def is_told_to_stop_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, seconds)

    # --- under the lock -------------------------------------------------------------------------------------

    def _is_company_complete(self) -> bool:
        return self._stopping or self._doubtful or len(self._backlog) >= self._pace.batch_limit

    def _running_items(self) -> int:
        return len(self._running.slots) if self._running else 0

    def _true_state(self) -> tuple[LaneState, str]:
        if self._state is LaneState.READY and self._stopping:
            return LaneState.STOPPED, "stopping"
        if self._state is LaneState.READY and (self._stalled or self._hangs()):
            return LaneState.FAILED, f"a batch runs for longer than {self._limits.batch_timeout_s:g} s"
        return self._state, self._detail

    def _unavailable(self, reason: str) -> UnavailableError:
        return UnavailableError(f"the {self._name} is not available: {reason}")

    def _discard(self, ticket: Ticket) -> None:
        with self._changed:
            self._backlog.discard(ticket)
            self._changed.notify_all()
