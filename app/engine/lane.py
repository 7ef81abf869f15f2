"""A lane: one worker, one thread, one bounded queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from logging import getLogger

from app.engine.backlog import Backlog, Batch, Ticket
from app.engine.limits import LaneLimits, Pace
from app.engine.observe import BatchReport, EngineObserver, tell
from app.engine.supervisor import Supervisor, sentence
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
from app.engine.workers import Worker, WorkerDiedError
from models.types import EncoderInfo

_logger = getLogger(__name__)


class Lane:
    """Runs one worker in one thread of its own; thread-safe towards its callers.

    Life: STARTING, then READY; FAILED while the worker is dead or hanging (it is loaded again with a growing pause,
    for ever); STOPPED. If the very first load fails the lane stays FAILED: that is a mistake to fix, not to wait for.

    Every submission is one future with the outcomes of all its items. Cancelling the future drops the items that
    have not started. Items are shared out as :class:`app.engine.backlog.Backlog` says.
    """

    def __init__(
        self,
        name: str,
        worker: Worker,
        limits: LaneLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        observer: EngineObserver | None = None,
    ) -> None:
        self.name = name
        self._worker = worker
        self._limits = limits or LaneLimits()
        self._clock = clock
        self._observer = observer
        # Guards everything below. Futures are settled outside of it: their callbacks may call back.
        self._changed = threading.Condition()
        self._backlog = Backlog(self._limits.max_queue_items, self._limits.max_batch, self._limits.bulk_every)
        self._pace = Pace(self._limits.max_batch)
        self._state, self._detail = LaneState.STOPPED, "not started"
        self._supervisor = self._new_supervisor()
        self._thread: threading.Thread | None = None
        self._running: Batch | None = None
        self._stopping = self._stalled = self._doubtful = False
        self._restarts = self._completed = self._failed = 0

    @property
    def operations(self) -> frozenset[Operation]:
        return self._worker.operations

    @property
    def info(self) -> EncoderInfo | None:
        """The encoder that was loaded last; None before the lane was ready for the first time."""
        return self._supervisor.info

    @property
    def is_ready(self) -> bool:
        return self.health().state is LaneState.READY

    @property
    def occupancy(self) -> int:
        """Items queued and running: what a new item has before it."""
        with self._changed:
            return len(self._backlog) + self._running_items()

    def start(self) -> Future[None]:
        """Start the thread; the future is done when the worker is loaded and tested.

        It fails with UnavailableError, whose message is one clear sentence.
        """
        ready: Future[None] = Future()
        ready.set_running_or_notify_cancel()  # an impatient caller must not cancel it under the thread
        with self._changed:
            if self._thread is not None and self._thread.is_alive():
                raise RuntimeError(f"lane {self.name!r} is started already")
            self._state, self._detail = LaneState.STARTING, "loading"
            self._stopping = self._stalled = self._doubtful = False
            self._supervisor = self._new_supervisor()
            self._thread = threading.Thread(target=self._main, args=(ready,), name=f"lane-{self.name}", daemon=True)
            self._thread.start()
        return ready

    def stop(self, timeout_s: float | None = None) -> bool:
        """Fail what is queued, let the running batch finish, release the model, join the thread.

        A lane that had failed keeps saying why. It may be started again.

        Returns:
            False if the thread still runs after ``timeout_s`` seconds (a hanging batch); it is a daemon thread.
        """
        with self._changed:
            self._stopping = True
            waiting = self._backlog.drain()
            thread = self._thread
            self._changed.notify_all()
        self._fail(waiting, "the service is stopping")
        if thread is not None:
            thread.join(timeout_s)
        with self._changed:
            if thread is not None and thread.is_alive():
                return False
            if self._state is not LaneState.FAILED:
                self._detail = "stopped"
            self._state = LaneState.STOPPED
        return True

    def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Future[list[Outcome]]:
        """Queue ``items`` (at least one); the future has their outcomes in order.

        An INTERACTIVE submission is queued whole or refused. A BULK one of any size is always taken: what finds no
        room waits outside of the queue and the caller waits with it (back-pressure).

        Raises:
            SaturatedError: interactive, and no room now; says when to come back, from the measured throughput.
            UnavailableError: the lane isn't ready.
            ValueError: interactive, and larger than the whole queue, so that no wait would help.

        The future fails with DeadlineError or UnavailableError.
        """
        limit = self._limits.max_queue_items
        if priority is Priority.INTERACTIVE and len(items) > limit:
            raise ValueError(f"{len(items)} items are more than the queue of {limit} can hold: send them as BULK work")
        now = self._clock()
        ticket = Ticket(items, now, None if timeout_s is None else now + timeout_s)
        with self._changed:
            state, detail = self._true_state()
            if state is not LaneState.READY:
                raise UnavailableError(f"the {self.name} is not available: {detail}")
            if priority is Priority.INTERACTIVE and not self._backlog.has_room(len(items)):
                refusal = SaturatedError(self._pace.retry_after_s(len(self._backlog) + len(items)))
            else:
                self._backlog.put(operation, ticket, priority)
                self._changed.notify_all()
                refusal = None
        if refusal is not None:
            tell(self._observer, lambda observer: observer.submission_refused(self.name, len(items)))
            raise refusal
        ticket.future.add_done_callback(lambda future: self._discard(ticket) if future.cancelled() else None)
        return ticket.future

    def health(self) -> LaneHealth:
        with self._changed:
            state, detail = self._true_state()
            return LaneHealth(
                lane=self.name,
                state=state,
                detail=detail,
                queued_items=len(self._backlog),
                running_items=self._running_items(),
                completed_items=self._completed,
                failed_items=self._failed,
                device=self._worker.device,
            )

    def check(self) -> None:
        """The watchdog's look, to be called now and then: everybody who waits for a hanging batch is let go."""
        with self._changed:
            if self._stalled or not self._supervisor.hangs():
                return
            self._stalled = self._doubtful = True
            self._changed.notify_all()
        _logger.error("lane %s: a batch runs for longer than %g s", self.name, self._limits.batch_timeout_s)
        self._let_go("its worker hangs")

    # --- the thread -----------------------------------------------------------------------------------------

    def _main(self, ready: Future[None]) -> None:
        try:
            self._bring_up()
        except BaseException as error:  # noqa: BLE001 - reported to who started the lane, whatever it is
            self._supervisor.close()
            failure = UnavailableError(sentence(error, f"the {self.name} could not be loaded"))
            failure.__cause__ = error
            self._set_state(LaneState.FAILED, str(failure))
            ready.set_exception(failure)
            return
        ready.set_result(None)
        try:
            self._serve()
        except BaseException:
            _logger.exception("lane %s: its thread failed", self.name)
            self._set_state(LaneState.FAILED, "its thread failed; restart the service")
        finally:
            self._let_go("its thread ended")
            self._supervisor.close()

    def _serve(self) -> None:
        while True:
            try:
                batch = self._next_batch()
                if batch is None:
                    return
                self._run(batch)
            except WorkerDiedError as error:
                _logger.exception("lane %s: the worker died", self.name)
                if not self._recover(str(error)):
                    return

    def _bring_up(self) -> None:
        self._supervisor.bring_up()
        with self._changed:
            self._state, self._detail = LaneState.READY, "ready"
            self._stalled = self._doubtful = False

    def _next_batch(self) -> Batch | None:
        """Wait for work; None when the lane is to stop. A worker in doubt is tested first (WorkerDiedError)."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._doubtful or len(self._backlog))
                if self._limits.batch_wait_s and not self._doubtful:
                    self._changed.wait_for(
                        lambda: self._stopping or len(self._backlog) >= self._pace.batch_limit,
                        self._limits.batch_wait_s,
                    )
                if self._stopping:
                    return None
                doubtful = self._doubtful
                batch, expired = (None, []) if doubtful else self._take()
            for ticket in expired:
                ticket.fail(DeadlineError("the work did not start in time"))
            if batch is not None:
                return batch
            if doubtful:
                self._supervisor.test_again()
                with self._changed:
                    self._stalled = self._doubtful = False

    def _take(self) -> tuple[Batch | None, list[Ticket]]:
        batch, expired = self._backlog.take(self._pace.batch_limit, self._clock())
        self._running = batch
        return batch, expired

    def _run(self, batch: Batch) -> None:
        began = self._clock()
        result = self._supervisor.run(batch)
        seconds = self._clock() - began
        items = len(batch.slots)
        failed = sum(isinstance(each, Failed) for each in result.outcomes)
        with self._changed:
            self._pace.learn(items, seconds, result.fits)
            self._completed += items - failed
            self._failed += failed
            self._running = None
            self._doubtful = self._doubtful or result.unexplained > 0
            if failed < items:
                self._restarts = 0
        for (ticket, index), outcome in zip(batch.slots, result.outcomes, strict=True):
            ticket.record(index, outcome)
        waits = tuple(began - ticket.enqueued_at for ticket, _ in batch.slots)
        report = BatchReport(self.name, batch.operation, batch.priority, items, failed, waits, seconds)
        tell(self._observer, lambda observer: observer.batch_finished(report))

    def _recover(self, reason: str) -> bool:
        """Fail everything that waits, then load the worker again until it answers. False when told to stop."""
        self._set_state(LaneState.FAILED, reason)
        self._let_go(reason)
        while True:
            pause_s = self._limits.restart_pause_s(self._restarts)
            self._restarts += 1
            with self._changed:
                self._running = None
                if self._changed.wait_for(lambda: self._stopping, pause_s):
                    return False
            self._supervisor.close()
            try:
                self._bring_up()
            except BaseException as error:
                _logger.exception("lane %s: the worker could not be loaded again", self.name)
                self._set_state(LaneState.FAILED, sentence(error, f"the {self.name} could not be loaded again"))
            else:
                tell(self._observer, lambda observer: observer.worker_restarted(self.name))
                return True

    # --- small things ---------------------------------------------------------------------------------------

    def _new_supervisor(self) -> Supervisor:
        return Supervisor(self.name, self._worker, self._limits.batch_timeout_s, self._clock)

    def _true_state(self) -> tuple[LaneState, str]:
        if self._state is LaneState.READY:
            if self._stopping:
                return LaneState.STOPPED, "stopping"
            if self._stalled or self._supervisor.hangs():
                return LaneState.FAILED, f"a batch runs for longer than {self._limits.batch_timeout_s:g} s"
            if self._thread is None or not self._thread.is_alive():
                return LaneState.FAILED, "its thread ended"
        return self._state, self._detail

    def _running_items(self) -> int:
        alive = self._thread is not None and self._thread.is_alive()
        return len(self._running.slots) if self._running and alive else 0

    def _set_state(self, state: LaneState, detail: str) -> None:
        with self._changed:
            self._state, self._detail = state, detail

    def _discard(self, ticket: Ticket) -> None:
        with self._changed:
            self._backlog.discard(ticket)
            self._changed.notify_all()

    def _let_go(self, reason: str) -> None:
        """Fail all that run or wait."""
        with self._changed:
            tickets = (self._running.tickets if self._running else []) + self._backlog.drain()
        self._fail(tickets, reason)

    def _fail(self, tickets: Iterable[Ticket], reason: str) -> None:
        for ticket in tickets:
            ticket.fail(UnavailableError(f"the {self.name} is not available: {reason}"))
