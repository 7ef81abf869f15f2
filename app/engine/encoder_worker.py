"""The worker of the joint encoder."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.engine.torch_worker import bound_threads, free_memory, stack_pixels
from app.engine.types import ENCODE_OPERATIONS, Operation, Payload
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.runtime.types import RuntimeChoice
from models.types import EncoderInfo, Float32Array, RecipeText

if TYPE_CHECKING:
    from models.types import JointEncoder

_logger = getLogger(__name__)


class EncoderWorker(Worker):
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
        return ENCODE_OPERATIONS

    @property
    def device(self) -> str:
        return self._encoder.info.device if self._encoder is not None else self._device

    @property
    def info(self) -> EncoderInfo | None:
        return self._encoder.info if self._encoder is not None else None

    def load(self) -> None:
        from models.registry import load_encoder

        bound_threads(self._threads)
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

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[Float32Array]:
        encoder = self._loaded()
        try:
            if operation is Operation.ENCODE_PIXELS:
                rows = encoder.encode_pixels(stack_pixels(payloads, encoder.info.preprocess.size))
            elif operation is Operation.ENCODE_TEXT:
                rows = encoder.encode_texts(_texts(payloads))
            else:
                rows = encoder.encode_recipes(_recipes(payloads))
        except RuntimeError:
            free_memory(self._device)
            raise
        # Rows of their own: a view would keep the whole batch's array alive as long as any of its rows.
        return [row.copy() for row in rows]

    def close(self) -> None:
        self._encoder = None
        free_memory(self._device)

    def _loaded(self) -> JointEncoder:
        if self._encoder is None:
            raise WorkerDiedError("the encoder is not loaded")
        return self._encoder


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
