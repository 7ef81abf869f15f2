"""A worker at the other end of a connection: what calls and their failures have in common, wherever it runs."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Generic, Protocol, TypeVar

from app.engine.process_child import Answer, Loaded, raise_failure
from app.engine.types import ModelInfo, Operation, Payload, Value
from app.engine.workers import ModelSpec, Worker, WorkerDiedError


class Link(Protocol):
    """What a worker elsewhere is reached by. ``pipe`` and :meth:`close` belong to one thread; any thread may use the
    rest, but not after :meth:`close`."""

    @property
    def pipe(self) -> Connection: ...

    @property
    def is_alive(self) -> bool: ...

    def abort(self) -> None:
        """End it under its user, whose read or write then fails."""

    def close(self) -> None: ...


LinkT = TypeVar("LinkT", bound=Link)


class ProxyWorker(Worker, Generic[LinkT]):
    """The worker that ``spec`` builds, served elsewhere by :func:`app.engine.process_child.serve`.

    One link carries calls there and answers back, one call at a time, as plain pickled data. A subclass says how it is
    made, and why it broke.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        template = spec.build()
        self._operations, self._device = template.operations, template.device
        self._loaded: Loaded | None = None
        self._lock = threading.Lock()  # guards the next two: the watchdog looks at them too
        self._link: LinkT | None = None
        self._aborted = False

    @abstractmethod
    def _connect(self) -> LinkT:
        """Have the worker made; leaves nothing behind where it raises."""

    @abstractmethod
    def _death(self, link: LinkT, aborted: bool) -> WorkerDiedError:
        """Why ``link`` is broken; ``aborted``: by :meth:`abort`."""

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
    def is_alive(self) -> bool:
        with self._lock:
            return self._link is not None and self._link.is_alive

    def load(self) -> None:
        self.close()
        link = self._connect()
        with self._lock:
            self._link, self._aborted = link, False
        try:
            self._loaded = self._call("load")
        except BaseException:
            self.close()
            raise

    def self_test(self) -> None:
        self._call("self_test")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        values: Sequence[Value] = self._call("run", operation, list(payloads))
        return values

    def abort(self) -> bool:
        with self._lock:
            if self._link is None:
                return False
            self._aborted = True
            self._link.abort()
            return True

    def close(self) -> None:
        self._loaded = None
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def _call(self, method: str, *arguments: Any) -> Any:
        link = self._link
        if link is None:
            raise WorkerDiedError(f"the worker of the {self._spec.name} is not started")
        try:
            link.pipe.send((method, arguments))
            answer: Answer = link.pipe.recv()
        except (EOFError, OSError) as error:
            with self._lock:
                aborted = self._aborted
            raise self._death(link, aborted) from error
        if answer.failure is not None:
            raise_failure(answer.failure)
        return answer.value
