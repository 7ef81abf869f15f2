"""A worker at the other end of a connection: what calls and their failures have in common, wherever it runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from app.engine.process_child import Answer, Loaded, raise_failure
from app.engine.types import ModelInfo, Operation, Payload, Value
from app.engine.workers import ModelSpec, Worker, WorkerDiedError


class ProxyWorker(Worker):
    """The worker that ``spec`` builds, served elsewhere by :func:`app.engine.process_child.serve`.

    One connection carries calls there and answers back, one call at a time, as plain pickled data. A subclass says how
    it is made, how it is given up, and why it broke.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        template = spec.build()
        self._operations, self._device = template.operations, template.device
        self._loaded: Loaded | None = None
        self._pipe: Connection | None = None

    @abstractmethod
    def _connect(self) -> Connection:
        """Have the worker made. What is left of a failed try, :meth:`_disconnect` clears away."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Have the worker ended and close the connection; nothing where there is none."""

    @abstractmethod
    def _death(self) -> WorkerDiedError:
        """The connection is broken: why."""

    @property
    def operations(self) -> frozenset[Operation]:
        return self._operations

    @property
    def device(self) -> str:
        return self._loaded.device if self._loaded is not None else self._device

    @property
    def info(self) -> ModelInfo | None:
        return self._loaded.info if self._loaded is not None else None

    def load(self) -> None:
        self.close()
        try:
            self._pipe = self._connect()
            self._loaded = self._call("load")
        except BaseException:
            self.close()
            raise

    def self_test(self) -> None:
        self._call("self_test")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        values: Sequence[Value] = self._call("run", operation, list(payloads))
        return values

    def close(self) -> None:
        self._loaded = self._pipe = None
        self._disconnect()

    def _call(self, method: str, *arguments: Any) -> Any:
        pipe = self._pipe
        if pipe is None:
            raise WorkerDiedError(f"the worker of the {self._spec.name} is not started")
        try:
            pipe.send((method, arguments))
            answer: Answer = pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if answer.failure is not None:
            raise_failure(answer.failure)
        return answer.value
