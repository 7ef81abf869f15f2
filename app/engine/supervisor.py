"""Keeping one worker usable: loading, testing, timing its calls, telling its errors apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import getLogger

from app.engine.backlog import Batch
from app.engine.checks import check_value
from app.engine.isolation import IsolatedRun, run_isolated
from app.engine.types import ModelInfo, Operation, Payload, Value
from app.engine.workers import Worker, WorkerDiedError
from models.types import ModelError

_logger = getLogger(__name__)


class Supervisor:
    """The lane's thread calls the worker through this alone; :meth:`hangs` may be asked from any thread."""

    def __init__(self, name: str, worker: Worker, call_timeout_s: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._worker = worker
        self._call_timeout_s = call_timeout_s
        self._clock = clock
        self._call_began: float | None = None
        self.info: ModelInfo | None = None

    def bring_up(self, admit: Callable[[ModelInfo], None]) -> None:
        """Load the worker and test it. ``admit`` raises a ModelError where its model does not fit the other lanes'.

        Raises:
            ModelError: it can't be loaded, another model came up than the one before, or it doesn't fit.
            Exception: whatever else the worker raises.
        """
        self._worker.load()
        with self._timed():
            self._worker.self_test()
        info = self._worker.info
        if self.info is not None and (info is None or info.fingerprint != self.info.fingerprint):
            raise ModelError(f"the {self._name}'s files were changed under the running service; restart the service")
        if info is not None:
            admit(info)
        self.info = info

    def run(self, batch: Batch) -> IsolatedRun:
        """Run a batch, each bad item on its own account. Raises WorkerDiedError."""
        return run_isolated(
            lambda payloads: self._call(batch.operation, payloads),
            batch.payloads,
            lambda value: check_value(batch.operation, value, self.info),
        )

    def test_again(self) -> None:
        """After a failure that no item explains, or a stall: is it the worker? (A GPU may be lost for good.)

        Raises:
            WorkerDiedError: it is.
        """
        try:
            with self._timed():
                self._worker.self_test()
        except WorkerDiedError:
            raise
        except BaseException as error:
            raise WorkerDiedError(sentence(error, "the worker fails its self-test")) from error

    def close(self) -> None:
        """Release the worker; what it raises is logged."""
        try:
            self._worker.close()
        except BaseException:
            _logger.exception("lane %s: the worker could not be closed", self._name)

    def hangs(self) -> bool:
        """Whether the call under way has run for too long."""
        began = self._call_began
        return began is not None and self._clock() - began > self._call_timeout_s

    def _call(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        with self._timed():
            return self._worker.run(operation, payloads)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._call_began = self._clock()
        try:
            yield
        finally:
            self._call_began = None


def sentence(error: BaseException, otherwise: str) -> str:
    """A model's own error speaks for itself; any other one is the reason for ``otherwise``."""
    if isinstance(error, ModelError):
        return str(error)
    if isinstance(error, WorkerDiedError):
        return f"{otherwise}: {error}"
    return f"{otherwise} ({type(error).__name__}: {error})"
