"""A worker in a process of its own: a crash of native code, a leak or a hang costs the model, not the service."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from logging import getLogger
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final

from app.engine.process_child import Answer, Loaded, SetUp, raise_failure, serve
from app.engine.types import ModelInfo, Operation, Payload, Value
from app.engine.workers import ModelSpec, Worker, WorkerDiedError

_logger = getLogger(__name__)

# How long a process that was told to end may take to do so, and again before it is killed.
_GRACE_S: Final = 2.0


class ProcessWorker(Worker):
    """The worker that ``spec`` builds, in a process of its own.

    It is spawned, not forked: torch and CUDA don't survive a fork. One pipe carries calls there and answers back, as
    plain pickled data. Closing the pipe ends the process, so it ends with the service, even when that is killed.
    """

    def __init__(self, spec: ModelSpec, set_up: SetUp | None = None) -> None:
        """``set_up`` is called first in the process; without it, it logs warnings to standard error."""
        self._spec = spec
        self._set_up = set_up
        template = spec.build()
        self._operations, self._device = template.operations, template.device
        self._loaded: Loaded | None = None
        self._pipe: Connection | None = None
        self._lock = threading.Lock()  # guards the next two: the watchdog looks at them too
        self._process: SpawnProcess | None = None
        self._aborted = False

    @property
    def operations(self) -> frozenset[Operation]:
        return self._operations

    @property
    def device(self) -> str:
        return self._loaded.device if self._loaded is not None else self._device

    @property
    def info(self) -> ModelInfo | None:
        return self._loaded.info if self._loaded is not None else None

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    @property
    def is_alive(self) -> bool:
        with self._lock:
            # By its sentinel: asking the process itself would reap it under the thread that waits for it.
            return self._process is not None and not connection.wait([self._process.sentinel], 0)

    def load(self) -> None:
        self.close()
        context = get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=serve,
            args=(self._spec, theirs, self._set_up),
            name=self._spec.name,
            daemon=True,
        )
        try:
            process.start()
        except BaseException:
            pipe.close()
            raise
        finally:
            theirs.close()  # while a copy is open here, the end of the process would not be seen
        with self._lock:
            self._process, self._aborted = process, False
        self._pipe = pipe
        try:
            self._loaded = self._call("load")
        except BaseException:
            self.close()
            raise
        _logger.info("the %s runs in process %d", self._spec.name, process.pid)

    def self_test(self) -> None:
        self._call("self_test")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        values: Sequence[Value] = self._call("run", operation, list(payloads))
        return values

    def abort(self) -> bool:
        with self._lock:
            if self._process is None:
                return False
            self._aborted = True
            self._process.kill()
            return True

    def close(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        self._loaded = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if process is None:
            return
        process.join(_GRACE_S)
        for end in (process.terminate, process.kill):
            if process.exitcode is None:
                end()
                process.join(_GRACE_S)
        process.join()
        process.close()

    def _call(self, method: str, *arguments: Any) -> Any:
        pipe = self._pipe
        if pipe is None:
            raise WorkerDiedError(f"the process of the {self._spec.name} is not started")
        try:
            pipe.send((method, arguments))
            answer: Answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if answer.failure is not None:
            raise_failure(answer.failure)
        return answer.value

    def _death(self) -> WorkerDiedError:
        """The pipe is broken: how the process ended, which it has to by now."""
        with self._lock:
            process, aborted = self._process, self._aborted
        if process is None:
            return WorkerDiedError("its process is closed")
        process.join(_GRACE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        return WorkerDiedError(_how_it_ended(process.exitcode or 0, aborted))


def _how_it_ended(exit_code: int, aborted: bool) -> str:
    if aborted:
        return "its process did not answer in time and was killed"
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit code {exit_code}"


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """``spec``'s worker in a process of its own; a :class:`app.engine.workers.ModelSpec`."""

    spec: ModelSpec
    set_up: SetUp | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    def build(self) -> ProcessWorker:
        return ProcessWorker(self.spec, self.set_up)
