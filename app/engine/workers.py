"""Workers: what a lane drives. A worker owns one model and is used by one thread.

A lane and its worker exchange plain, picklable data only (strings, recipes, arrays), and a worker is made from a
picklable :class:`WorkerSpec`. So the same worker can run in the lane's thread, in a process of its own, or in an
actor of a cluster, behind a proxy that has these same methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from app.engine.types import Operation, Payload, Value
from models.runtime.types import RuntimeChoice
from models.types import EncoderInfo, RecipeText, UInt8Array

if TYPE_CHECKING:
    from models.types import JointEncoder

_logger = getLogger(__name__)
_ENCODE: Final = frozenset({Operation.ENCODE_PIXELS, Operation.ENCODE_TEXT, Operation.ENCODE_RECIPE})


class ItemError(ValueError):
    """One item can't be worked on, by its own fault; the message is one clear sentence for the client."""


class WorkerDiedError(Exception):
    """The worker can't be used any more and must be loaded anew."""


class SelfTestError(Exception):
    """A worker answers, but wrongly."""


class Worker(Protocol):
    """One loaded model. :meth:`load` may be called again after :meth:`close`, to recover."""

    @property
    def operations(self) -> frozenset[Operation]:
        """What it can run; known before :meth:`load`."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def info(self) -> EncoderInfo | None:
        """The loaded joint encoder; None before :meth:`load`, or where the model isn't one."""
        ...

    def load(self) -> None:
        """Load the model. Raises EncoderUnavailableError, or whatever the loader does."""
        ...

    def self_test(self) -> None:
        """Run every operation once on built-in input. Raises SelfTestError on a wrong answer."""
        ...

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[Value]:
        """Run one batch: a value for each payload, in order.

        Raises:
            ItemError: a payload is unfit.
            MemoryError (or torch's OutOfMemoryError): the batch is too large.
            WorkerDiedError: the worker is gone.
        """
        ...

    def close(self) -> None:
        """Release the model. Safe to call twice, or before :meth:`load`."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """The recipe of an encoder worker; picklable, so that it can be made elsewhere.

    ``encoder``, ``runtime`` and ``cache`` are those of :func:`models.registry.load_encoder`. ``threads`` bounds the
    model's threads in the worker's process (0: the runtime's own choice).
    """

    name: str
    encoder: str
    device: str = "cpu"
    threads: int = 0
    runtime: RuntimeChoice = "auto"
    cache: Path | None = None

    def build(self) -> EncoderWorker:
        return EncoderWorker(self.encoder, self.device, self.threads, runtime=self.runtime, cache=self.cache)


class EncoderWorker:
    """Runs the ``ENCODE_*`` operations on a joint encoder. Imports torch and OpenVINO in :meth:`load`, not before."""

    def __init__(
        self,
        encoder: str,
        device: str = "cpu",
        threads: int = 0,
        *,
        runtime: RuntimeChoice = "auto",
        cache: Path | None = None,
    ) -> None:
        self._spec = encoder
        self._device = device
        self._threads = threads
        self._runtime: RuntimeChoice = runtime
        self._cache = cache
        self._encoder: JointEncoder | None = None

    @property
    def operations(self) -> frozenset[Operation]:
        return _ENCODE

    @property
    def device(self) -> str:
        return self._encoder.info.device if self._encoder is not None else self._device

    @property
    def info(self) -> EncoderInfo | None:
        return self._encoder.info if self._encoder is not None else None

    def load(self) -> None:
        import torch

        from models.registry import load_encoder

        if self._threads:
            torch.set_num_threads(self._threads)
        self._encoder = load_encoder(
            self._spec, device=self._device, runtime=self._runtime, cache=self._cache, threads=self._threads
        )
        info = self._encoder.info
        _logger.info("loaded %s (%d parameters) into %s on %s", info.name, info.parameters, info.runtime, info.device)

    def self_test(self) -> None:
        encoder = self._loaded()
        size = encoder.info.preprocess.size
        samples: dict[Operation, Payload] = {
            Operation.ENCODE_PIXELS: np.full((size, size, 3), 128, np.uint8),
            Operation.ENCODE_TEXT: "tomato soup",
            Operation.ENCODE_RECIPE: RecipeText(title="Tomato soup", ingredients=("4 tomatoes",)),
        }
        for operation, payload in samples.items():
            (vector,) = self.run(operation, [payload])
            if vector.shape != (encoder.info.dim,) or not abs(float(np.linalg.norm(vector)) - 1) < 1e-2:
                raise SelfTestError(f"{operation.value} does not give a unit vector of width {encoder.info.dim}")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[Value]:
        encoder = self._loaded()
        try:
            if operation is Operation.ENCODE_PIXELS:
                rows = encoder.encode_pixels(_stack(payloads, encoder.info.preprocess.size))
            elif operation is Operation.ENCODE_TEXT:
                rows = encoder.encode_texts(_texts(payloads))
            else:
                rows = encoder.encode_recipes(_recipes(payloads))
        except RuntimeError:
            self._free_memory()
            raise
        # Rows of their own: a view would keep the whole batch's array alive as long as any of its rows.
        return [row.copy() for row in rows]

    def close(self) -> None:
        self._encoder = None
        self._free_memory()

    def _loaded(self) -> JointEncoder:
        if self._encoder is None:
            raise WorkerDiedError("the encoder is not loaded")
        return self._encoder

    def _free_memory(self) -> None:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()


def _stack(payloads: Sequence[Payload], size: int) -> UInt8Array:
    arrays: list[UInt8Array] = []
    for each in payloads:
        if not isinstance(each, np.ndarray) or each.dtype != np.uint8 or each.shape != (size, size, 3):
            raise ItemError(f"pixels must be a uint8 array of shape ({size}, {size}, 3)")
        arrays.append(each)
    return np.stack(arrays)


def _texts(payloads: Sequence[Payload]) -> list[str]:
    texts: list[str] = []
    for each in payloads:
        if not isinstance(each, str) or not each.strip():
            raise ItemError("the text must not be blank")
        texts.append(each)
    return texts


def _recipes(payloads: Sequence[Payload]) -> list[RecipeText]:
    recipes: list[RecipeText] = []
    for each in payloads:
        if not isinstance(each, RecipeText):
            raise ItemError("a recipe must be given as RecipeText")
        recipes.append(each)
    return recipes
