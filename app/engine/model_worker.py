"""What the workers of the models beside the encoder have in common: one model each, which offers one operation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from logging import getLogger
from typing import ClassVar, Generic, Protocol, TypeVar

from app.engine.torch_worker import bound_threads, free_memory
from app.engine.types import ModelInfo, Operation, Payload, Value
from app.engine.workers import Worker, WorkerDiedError

_logger = getLogger(__name__)


class LoadedModel(Protocol):
    """A captioner, a reasoner ..."""

    @property
    def info(self) -> ModelInfo: ...


ModelT = TypeVar("ModelT", bound=LoadedModel)
ValueT = TypeVar("ValueT", bound=Value)
KeyT = TypeVar("KeyT", bound=Hashable)


class ModelWorker(Worker, Generic[ModelT, ValueT]):
    """Owns one model. A subclass names ``operation`` and ``role`` (what the model is), loads it and runs batches."""

    operation: ClassVar[Operation]
    role: ClassVar[str]

    def __init__(self, spec: str, device: str = "cpu", threads: int = 0) -> None:
        self._spec = spec
        self._device = device
        self._threads = threads
        self._model: ModelT | None = None

    @abstractmethod
    def load_model(self, spec: str, device: str) -> ModelT:
        """The model. Only here torch may be imported. Raises ModelError."""

    @abstractmethod
    def run_batch(self, model: ModelT, payloads: Sequence[Payload]) -> list[ValueT]:
        """A value for each payload, in order. Raises as :meth:`app.engine.workers.Worker.run`."""

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset({self.operation})

    @property
    def device(self) -> str:
        return self._model.info.device if self._model is not None else self._device

    @property
    def info(self) -> ModelInfo | None:
        return self._model.info if self._model is not None else None

    def load(self) -> None:
        bound_threads(self._threads)
        self._model = self.load_model(self._spec, self._device)
        info = self._model.info
        _logger.info("loaded %s (%d parameters) on %s", info.name, info.parameters, info.device)

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[ValueT]:
        if operation is not self.operation:
            raise ValueError(f"a {self.role} can't {operation.value}")
        model = self.loaded()
        try:
            return self.run_batch(model, payloads)
        except RuntimeError:
            free_memory(self._device)
            raise

    def close(self) -> None:
        self._model = None
        free_memory(self._device)

    def loaded(self) -> ModelT:
        """The model. Raises WorkerDiedError before :meth:`load`."""
        if self._model is None:
            raise WorkerDiedError(f"the {self.role} is not loaded")
        return self._model


def rows_by(keys: Iterable[KeyT]) -> dict[KeyT, list[int]]:
    """The rows of a batch that can be run together: those of one key."""
    rows: dict[KeyT, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows
