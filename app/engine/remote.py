"""A worker on a worker host: in another container, or on another machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from logging import getLogger

from app.engine.placement import WorkerAddress
from app.engine.proxy import ProxyWorker
from app.engine.wire import Wire, connect
from app.engine.workers import ModelSpec, WorkerDiedError, WorkerUnreachableError

_logger = getLogger(__name__)


class RemoteWorker(ProxyWorker[Wire]):
    """The worker that ``spec`` builds, in a process that the worker host at ``address`` keeps for this connection.

    Pickles of both sides are trusted: see :mod:`app.engine.wire` on what the key means.
    """

    def __init__(self, spec: ModelSpec, address: WorkerAddress, key: bytes) -> None:
        super().__init__(spec)
        self._address = address
        self._key = key

    @property
    def device(self) -> str:
        return f"{super().device}@{self._address}"

    def load(self) -> None:
        super().load()
        _logger.info("the %s runs on the worker host at %s", self._spec.name, self._address)

    def _connect(self) -> Wire:
        wire = connect(self._address, self._key)
        try:
            wire.pipe.send(self._spec)
        except OSError as error:
            wire.close()
            raise self._broken() from error
        except BaseException:
            wire.close()
            raise
        return wire

    def _death(self, link: Wire, aborted: bool) -> WorkerDiedError:
        if aborted:
            return WorkerDiedError(f"its worker host at {self._address} did not answer in time and was cut off")
        said = link.last_words()
        return WorkerDiedError(said) if said is not None else self._broken()

    def _broken(self) -> WorkerUnreachableError:
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
