"""A worker in a process of its own: a crash of native code, a leak or a hang costs the model, not the service."""

from __future__ import annotations

from dataclasses import dataclass
from logging import getLogger

from app.engine.process_child import SetUp
from app.engine.proxy import ProxyWorker
from app.engine.spawned import SpawnedProcess
from app.engine.workers import ModelSpec, WorkerDiedError

_logger = getLogger(__name__)


class ProcessWorker(ProxyWorker[SpawnedProcess]):
    """The worker that ``spec`` builds, in a process of its own on this machine."""

    def __init__(self, spec: ModelSpec, set_up: SetUp | None = None) -> None:
        """``set_up`` is called first in the process; without it, it logs warnings to standard error."""
        super().__init__(spec)
        self._set_up = set_up

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        with self._lock:
            return self._link.pid if self._link is not None else None

    def load(self) -> None:
        super().load()
        _logger.info("the %s runs in process %d", self._spec.name, self.pid)

    def _connect(self) -> SpawnedProcess:
        return SpawnedProcess(self._spec, self._set_up)

    def _death(self, link: SpawnedProcess, aborted: bool) -> WorkerDiedError:
        ended = link.how_it_ended()
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
