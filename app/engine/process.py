"""A worker in a process of its own: a crash of native code, a leak or a hang costs the model, not the service."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from logging import getLogger
from multiprocessing.connection import Connection

from app.engine.process_child import SetUp
from app.engine.proxy import ProxyWorker
from app.engine.spawned import SpawnedProcess
from app.engine.workers import ModelSpec, WorkerDiedError

_logger = getLogger(__name__)


class ProcessWorker(ProxyWorker):
    """The worker that ``spec`` builds, in a process of its own on this machine."""

    def __init__(self, spec: ModelSpec, set_up: SetUp | None = None) -> None:
        """``set_up`` is called first in the process; without it, it logs warnings to standard error."""
        super().__init__(spec)
        self._set_up = set_up
        self._lock = threading.Lock()  # guards the next two: the watchdog looks at them too
        self._process: SpawnedProcess | None = None
        self._aborted = False

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        with self._lock:
            return self._process.pid if self._process is not None else None

    @property
    def is_alive(self) -> bool:
        with self._lock:
            return self._process is not None and self._process.is_alive

    def load(self) -> None:
        super().load()
        _logger.info("the %s runs in process %d", self._spec.name, self.pid)

    def abort(self) -> bool:
        with self._lock:
            if self._process is None:
                return False
            self._aborted = True
            self._process.kill()
            return True

    def _connect(self) -> Connection:
        process = SpawnedProcess(self._spec, self._set_up)
        with self._lock:
            self._process, self._aborted = process, False
        return process.pipe

    def _disconnect(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _death(self) -> WorkerDiedError:
        with self._lock:
            process, aborted = self._process, self._aborted
        if process is None:
            return WorkerDiedError("its process is closed")
        ended = process.how_it_ended()
        return WorkerDiedError("its process did not answer in time and was killed" if aborted else ended)


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
