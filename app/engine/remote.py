"""A worker on a worker host: in another container, or on another machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from logging import getLogger
from multiprocessing.connection import Connection

from app.engine.placement import WorkerAddress
from app.engine.proxy import ProxyWorker
from app.engine.wire import Wire, connect
from app.engine.workers import ModelSpec, WorkerDiedError, WorkerUnreachableError

_logger = getLogger(__name__)


class RemoteWorker(ProxyWorker):
    """The worker that ``spec`` builds, in a process that the worker host at ``address`` keeps for this connection.

    Pickles of both sides are trusted: see :mod:`app.engine.wire` on what the key means.
    """

    def __init__(self, spec: ModelSpec, address: WorkerAddress, key: bytes) -> None:
        super().__init__(spec)
        self._address = address
        self._key = key
        self._lock = threading.Lock()  # guards the next two: the watchdog looks at them too
        self._wire: Wire | None = None
        self._aborted = False

    @property
    def device(self) -> str:
        return f"{super().device}@{self._address}"

    @property
    def is_alive(self) -> bool:
        with self._lock:
            return self._wire is not None and not self._wire.is_cut

    def load(self) -> None:
        super().load()
        _logger.info("the %s runs on the worker host at %s", self._spec.name, self._address)

    def abort(self) -> bool:
        with self._lock:
            if self._wire is None:
                return False
            self._aborted = True
            self._wire.cut()
            return True

    def _connect(self) -> Connection:
        wire = connect(self._address, self._key)
        with self._lock:
            self._wire, self._aborted = wire, False
        try:
            wire.pipe.send(self._spec)
        except OSError as error:
            raise self._death() from error
        return wire.pipe

    def _disconnect(self) -> None:
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _death(self) -> WorkerDiedError:
        with self._lock:
            wire, aborted = self._wire, self._aborted
        if wire is None:
            return WorkerDiedError("its connection is closed")
        if aborted:
            return WorkerDiedError(f"its worker host at {self._address} did not answer in time and was cut off")
        said = wire.last_words()
        if said is not None:
            return WorkerDiedError(said)
        return WorkerUnreachableError(f"the connection to its worker host at {self._address} broke")


@dataclass(frozen=True, slots=True)
class RemoteSpec:
    """``spec``'s worker on the worker host at ``address``; a :class:`app.engine.workers.ModelSpec`."""

    spec: ModelSpec
    address: WorkerAddress
    key: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return self.spec.name

    def build(self) -> RemoteWorker:
        return RemoteWorker(self.spec, self.address, self.key)
