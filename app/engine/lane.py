"""A lane: one worker, one thread, one bounded queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from logging import getLogger
from typing import Any, Final

from app.engine.backlog import Batch
from app.engine.intake import Intake
from app.engine.limits import LaneLimits
from app.engine.observe import BatchReport, EngineObserver, tell
from app.engine.supervisor import Supervisor, sentence
from app.engine.types import (
    LaneHealth,
    LaneState,
    ModelInfo,
    Operation,
    Outcome,
    Payload,
    Priority,
    SaturatedError,
    UnavailableError,
)
from app.engine.workers import Worker, WorkerDiedError, WorkerUnreachableError

_logger = getLogger(__name__)
_ABORTED_WITHIN_S: Final = 10.0


class Lane:
    """Runs one worker in one thread of its own; thread-safe towards its callers.

    Life: STARTING, then READY; FAILED while the worker is dead or hanging (it is loaded again with a growing pause,
    for ever); STOPPED. If the very first load fails the lane stays FAILED: that is a mistake to fix, not to wait for.
    Only a worker that can't be reached is waited for from the start: machines come up in any order.

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
        self._supervisor = Supervisor(name, worker, self._limits.batch_timeout_s, clock)
        self._intake = Intake(name, self._limits, clock, self._supervisor.hangs)
        self._thread: threading.Thread | None = None
        self._restarts = 0
        self._admit: Callable[[ModelInfo], None] = _anything

    @property
    def operations(self) -> frozenset[Operation]:
        return self._worker.operations

    @property
    def info(self) -> ModelInfo | None:
        """The model that was loaded last; None before the lane was ready for the first time."""
        return self._supervisor.info

    @property
    def is_ready(self) -> bool:
        return self.health().state is LaneState.READY

    @property
    def occupancy(self) -> int:
        """Items queued and running: what a new item has before it."""
        return self._intake.occupancy

    def start(self, admit: Callable[[ModelInfo], None] | None = None) -> Future[None]:
        """Start the thread; the future is done when the worker is loaded and tested, or found to be out of reach.

        It fails with UnavailableError, whose message is one clear sentence.

        Args:
            admit: called by the thread with each model that came up, before it is put to work; raises a ModelError
                where it does not fit the other lanes'.
        """
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError(f"lane {self.name!r} is started already")
        ready: Future[None] = Future()
        ready.set_running_or_notify_cancel()  # an impatient caller must not cancel it under the thread
        self._supervisor.info, self._restarts, self._admit = None, 0, admit or _anything
        self._intake.set_state(LaneState.STARTING, "loading")
        self._thread = threading.Thread(target=self._main, args=(ready,), name=f"lane-{self.name}", daemon=True)
        self._thread.start()
        return ready

    def stop(self, timeout_s: float | None = None) -> bool:
        """Fail what is queued, let the running batch finish, release the model, join the thread.

        A batch that does not end within ``timeout_s`` seconds is aborted, where the worker can do that. A lane that
        had failed keeps saying why. It may be started again.

        Returns:
            False if the thread still runs (a hanging batch); it is a daemon thread.
        """
        self._intake.ask_to_stop()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive() and self._worker.abort():
                self._thread.join(_ABORTED_WITHIN_S)
            if self._thread.is_alive():
                return False
        self._intake.stopped()
        return True

    def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Future[list[Outcome[Any]]]:
        """Queue ``items`` (at least one); the future has their outcomes in order.

        An INTERACTIVE submission is queued whole or refused. A BULK one of any size is always taken: what finds no
        room waits outside of the queue and the caller waits with it (back-pressure).

        Raises:
            SaturatedError: interactive, and no room now; says when to come back, from the measured throughput.
            UnavailableError: the lane isn't ready.
            ValueError: interactive, and larger than the whole queue, so that no wait would help.

        The future fails with DeadlineError or UnavailableError.
        """
        try:
            return self._intake.submit(operation, items, timeout_s, priority)
        except SaturatedError:
            tell(self._observer, lambda observer: observer.submission_refused(self.name, len(items)))
            raise

    def health(self) -> LaneHealth:
        return self._intake.health(self._worker.device)

    def check(self) -> None:
        """The watchdog's look, to be called now and then.

        Everybody who waits for a hanging batch is let go, and the batch aborted where the worker can do that; a worker
        that died while nobody asked it anything is replaced.
        """
        if self._intake.let_go_if_hanging():
            _logger.error("lane %s: a batch runs for longer than %g s", self.name, self._limits.batch_timeout_s)
        if self._supervisor.hangs():
            self._worker.abort()
        elif not self._worker.is_alive:
            self._intake.doubt()

    # --- the thread -----------------------------------------------------------------------------------------

    def _main(self, ready: Future[None]) -> None:
        out_of_reach: str | None = None
        try:
            self._bring_up()
        except WorkerUnreachableError as error:
            out_of_reach = sentence(error, f"the {self.name} could not be loaded")
            self._intake.set_state(LaneState.FAILED, out_of_reach)  # before any caller is told to go on
            _logger.warning("lane %s: %s; it is tried again", self.name, out_of_reach)
        except BaseException as error:  # noqa: BLE001 - reported to who started the lane, whatever it is
            self._supervisor.close()
            failure = UnavailableError(sentence(error, f"the {self.name} could not be loaded"))
            failure.__cause__ = error
            self._intake.set_state(LaneState.FAILED, str(failure))
            ready.set_exception(failure)
            return
        ready.set_result(None)
        try:
            if out_of_reach is None or self._recover(out_of_reach):
                self._serve()
        except BaseException:
            _logger.exception("lane %s: its thread failed", self.name)
            self._intake.set_state(LaneState.FAILED, "its thread failed; restart the service")
        finally:
            self._intake.let_go("its thread ended", ended=True)
            self._supervisor.close()

    def _serve(self) -> None:
        while True:
            try:
                batch = self._intake.next_batch(self._supervisor.test_again)
                if batch is None:
                    return
                self._run(batch)
            except WorkerDiedError as error:
                _logger.exception("lane %s: the worker died", self.name)
                if not self._recover(str(error)):
                    return

    def _bring_up(self) -> None:
        self._supervisor.bring_up(self._admit)
        self._intake.trust()

    def _run(self, batch: Batch) -> None:
        began = self._clock()
        result = self._supervisor.run(batch)
        seconds = self._clock() - began
        items = len(batch.slots)
        failed = self._intake.finish(batch, result, seconds)
        if failed < items:
            self._restarts = 0
        waits = tuple(began - ticket.enqueued_at for ticket, _ in batch.slots)
        report = BatchReport(self.name, batch.operation, batch.priority, items, failed, waits, seconds)
        tell(self._observer, lambda observer: observer.batch_finished(report))

    def _recover(self, reason: str) -> bool:
        """Fail everything that waits, then load the worker again until it answers. False when told to stop."""
        self._intake.set_state(LaneState.FAILED, reason)
        self._intake.let_go(reason, ended=True)
        was_up = self._supervisor.info is not None
        while True:
            pause_s = self._limits.restart_pause_s(self._restarts)
            self._restarts += 1
            if self._intake.is_told_to_stop_within(pause_s):
                return False
            self._supervisor.close()
            try:
                self._bring_up()
            except BaseException as error:
                detail = sentence(error, f"the {self.name} could not be loaded{' again' if was_up else ''}")
                self._intake.set_state(LaneState.FAILED, detail)
                if isinstance(error, WorkerUnreachableError):
                    _logger.warning("lane %s: %s", self.name, detail)
                else:
                    _logger.exception("lane %s: the worker could not be loaded", self.name)
            else:
                if was_up:
                    tell(self._observer, lambda observer: observer.worker_restarted(self.name))
                return True


def _anything(_: ModelInfo) -> None:
    """A lane that has no others beside it takes any model."""
