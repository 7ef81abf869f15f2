"""A lane: one worker, one thread, one bounded queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from logging import getLogger

from app.engine.backlog import Backlog, Batch, Ticket
from app.engine.isolation import run_isolated
from app.engine.limits import LaneLimits, Pace
from app.engine.observe import BatchReport, EngineObserver
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
    Value,
)
from app.engine.workers import Worker, WorkerDiedError
from models.types import EncoderInfo, ModelError

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
        self._info: EncoderInfo | None = None
        self._thread: threading.Thread | None = None
        self._running: Batch | None = None
        self._call_began: float | None = None
        self._stopping = self._stalled = False
        self._restarts = self._completed = self._failed = 0

    @property
    def operations(self) -> frozenset[Operation]:
        return self._worker.operations

    @property
    def info(self) -> EncoderInfo | None:
        """The encoder that was loaded last; None before the lane was ready for the first time."""
        return self._info

    @property
    def is_ready(self) -> bool:
        return self.health().state is LaneState.READY

    @property
    def occupancy(self) -> int:
        """Items queued and running: what a new item has before it."""
        with self._changed:
            return len(self._backlog) + (len(self._running.slots) if self._running else 0)

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
            self._stopping = self._stalled = False
            self._info = None
            self._thread = threading.Thread(target=self._main, args=(ready,), name=f"lane-{self.name}", daemon=True)
            self._thread.start()
        return ready

    def stop(self, timeout_s: float | None = None) -> bool:
        """Fail what is queued, let the running batch finish, release the model, join the thread.

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
                self._detail = "asked to stop, but the running batch does not end"
                return False
            self._state, self._detail = LaneState.STOPPED, "stopped"
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
            state, detail = self._true_state(now)
            if state is not LaneState.READY:
                raise UnavailableError(f"the {self.name} is not available: {detail}")
            if priority is Priority.INTERACTIVE and not self._backlog.has_room(len(items)):
                refusal = SaturatedError(self._pace.retry_after_s(len(self._backlog) + len(items)))
            else:
                self._backlog.put(operation, ticket, priority)
                self._changed.notify_all()
                refusal = None
        if refusal is not None:
            self._tell(lambda observer: observer.submission_refused(self.name, len(items)))
            raise refusal
        ticket.future.add_done_callback(lambda future: self._discard(ticket) if future.cancelled() else None)
        return ticket.future

    def health(self) -> LaneHealth:
        with self._changed:
            state, detail = self._true_state(self._clock())
            return LaneHealth(
                lane=self.name,
                state=state,
                detail=detail,
                queued_items=len(self._backlog),
                running_items=len(self._running.slots) if self._running else 0,
                completed_items=self._completed,
                failed_items=self._failed,
                device=self._worker.device,
            )

    def check(self) -> None:
        """The watchdog's look, to be called now and then: everybody who waits for a hanging batch is let go."""
        with self._changed:
            if self._stalled or not self._hangs(self._clock()):
                return
            self._stalled = True
            victims = (self._running.tickets if self._running else []) + self._backlog.drain()
        _logger.error("lane %s: a batch runs for longer than %g s", self.name, self._limits.batch_timeout_s)
        self._fail(victims, "its worker hangs")

    # --- the thread -----------------------------------------------------------------------------------------

    def _main(self, ready: Future[None]) -> None:
        try:
            self._bring_up()
        except BaseException as error:  # noqa: BLE001 - reported to who started the lane, whatever it is
            sentence = _sentence(error, f"the {self.name} could not be loaded")
            self._close_worker()
            self._set_state(LaneState.FAILED, sentence)
            failure = UnavailableError(sentence)
            failure.__cause__ = error
            ready.set_exception(failure)
            return
        ready.set_result(None)
        reason = "the lane's thread ended"
        try:
            while (batch := self._next_batch()) is not None:
                try:
                    self._run(batch)
                except WorkerDiedError as error:
                    _logger.exception("lane %s: the worker died", self.name)
                    if not self._recover(batch, str(error)):
                        break
        except BaseException:
            _logger.exception("lane %s: its thread failed", self.name)
            reason = "its thread failed; restart the service"
            self._set_state(LaneState.FAILED, reason)
        finally:
            with self._changed:
                victims = (self._running.tickets if self._running else []) + self._backlog.drain()
                self._running = self._run_began = None
            self._fail(victims, reason)
            self._close_worker()

    def _bring_up(self) -> None:
        self._worker.load()
        with self._watched():
            self._worker.self_test()
        info = self._worker.info
        if self._info is not None and (info is None or info.fingerprint != self._info.fingerprint):
            raise ModelError("the encoder's files were changed under the running service; restart the service")
        with self._changed:
            self._info = info
            self._state, self._detail, self._stalled = LaneState.READY, "ready", False

    def _next_batch(self) -> Batch | None:
        """Wait for work; None when the lane is to stop."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or len(self._backlog))
                if self._limits.batch_wait_s:
                    self._changed.wait_for(
                        lambda: self._stopping or len(self._backlog) >= self._pace.batch_limit,
                        self._limits.batch_wait_s,
                    )
                if self._stopping:
                    return None
                batch, expired = self._backlog.take(self._pace.batch_limit, self._clock())
                self._running = batch
            for ticket in expired:
                ticket.fail(DeadlineError("the work did not start in time"))
            if batch is not None:
                return batch

    def _run(self, batch: Batch) -> None:
        began = self._clock()
        dim = self._info.dim if self._info is not None else None
        result = run_isolated(lambda piece: self._call(batch.operation, piece), batch.payloads, dim)
        seconds = self._clock() - began
        items = len(batch.slots)
        failed = sum(isinstance(each, Failed) for each in result.outcomes)
        with self._changed:
            self._pace.learn(items, seconds, result.fits)
            self._completed += items - failed
            self._failed += failed
            self._running = None
            if failed < items:
                self._restarts = 0
        for (ticket, index), outcome in zip(batch.slots, result.outcomes, strict=True):
            ticket.record(index, outcome)
        waits = tuple(began - ticket.enqueued_at for ticket, _ in batch.slots)
        report = BatchReport(self.name, batch.operation, batch.priority, items, failed, waits, seconds)
        self._tell(lambda observer: observer.batch_finished(report))
        if result.unexplained or self._stalled:
            self._test_again()

    def _call(self, operation: Operation, payloads: Sequence[Payload]) -> list[Value]:
        with self._watched():
            return self._worker.run(operation, payloads)

    def _test_again(self) -> None:
        """After a failure that no item explains, or a stall: is it the worker? (A GPU may be lost for good.)"""
        try:
            with self._watched():
                self._worker.self_test()
        except BaseException as error:
            raise WorkerDiedError(_sentence(error, "the worker fails its self-test")) from error
        with self._changed:
            self._stalled = False

    def _recover(self, batch: Batch, reason: str) -> bool:
        """Fail everything that waits, then load the worker again until it answers. False when told to stop."""
        with self._changed:
            self._state, self._detail = LaneState.FAILED, reason
            self._running = None
            victims = batch.tickets + self._backlog.drain()
        self._fail(victims, reason)
        while True:
            pause_s = self._limits.restart_pause_s(self._restarts)
            self._restarts += 1
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, pause_s):
                    return False
            self._close_worker()
            try:
                self._bring_up()
            except BaseException as error:
                _logger.exception("lane %s: the worker could not be loaded again", self.name)
                self._set_state(LaneState.FAILED, _sentence(error, f"the {self.name} could not be loaded again"))
            else:
                self._tell(lambda observer: observer.worker_restarted(self.name))
                return True

    # --- small things ---------------------------------------------------------------------------------------

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with self._changed:
            self._call_began = self._clock()
        try:
            yield
        finally:
            with self._changed:
                self._call_began = None

    def _hangs(self, now: float) -> bool:
        return self._call_began is not None and now - self._call_began > self._limits.batch_timeout_s

    def _true_state(self, now: float) -> tuple[LaneState, str]:
        if self._state is LaneState.READY:
            if self._stopping:
                return LaneState.STOPPED, "stopping"
            if self._stalled or self._hangs(now):
                return LaneState.FAILED, f"a batch runs for longer than {self._limits.batch_timeout_s:g} s"
            if self._thread is None or not self._thread.is_alive():
                return LaneState.FAILED, "its thread ended"
        return self._state, self._detail

    def _set_state(self, state: LaneState, detail: str) -> None:
        with self._changed:
            self._state, self._detail = state, detail

    def _discard(self, ticket: Ticket) -> None:
        with self._changed:
            self._backlog.discard(ticket)
            self._changed.notify_all()

    def _fail(self, tickets: Iterable[Ticket], reason: str) -> None:
        for ticket in tickets:
            ticket.fail(UnavailableError(f"the {self.name} is not available: {reason}"))

    def _close_worker(self) -> None:
        try:
            self._worker.close()
        except BaseException:
            _logger.exception("lane %s: the worker could not be closed", self.name)

    def _tell(self, message: Callable[[EngineObserver], None]) -> None:
        if self._observer is None:
            return
        try:
            message(self._observer)
        except Exception:
            _logger.exception("lane %s: the observer failed", self.name)


def _sentence(error: BaseException, otherwise: str) -> str:
    """A model's own error speaks for itself; any other one is named."""
    return str(error) if isinstance(error, ModelError) else f"{otherwise} ({type(error).__name__}: {error})"
