"""The worker of the generator."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger
from typing import TYPE_CHECKING

import numpy as np

from app.engine.checks import check_picture
from app.engine.torch_worker import bound_threads, free_memory
from app.engine.types import Failed, Operation, Payload
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest, check_request

if TYPE_CHECKING:
    from models.generation.types import Generator

_logger = getLogger(__name__)


class GeneratorWorker(Worker):
    """Runs ``DRAW`` on a generator. Imports torch in :meth:`load`, not before.

    Whether the generator fits the encoder is looked at by the engine, which knows both.
    """

    def __init__(self, generator: str, device: str = "cpu", threads: int = 0) -> None:
        self._spec = generator
        self._device = device
        self._threads = threads
        self._generator: Generator | None = None

    @property
    def operations(self) -> frozenset[Operation]:
        return frozenset({Operation.DRAW})

    @property
    def device(self) -> str:
        return self._generator.info.device if self._generator is not None else self._device

    @property
    def info(self) -> GeneratorInfo | None:
        return self._generator.info if self._generator is not None else None

    def load(self) -> None:
        from models.generation.loading import load_generator

        bound_threads(self._threads)
        self._generator = load_generator(self._spec, device=self._device)
        info = self._generator.info
        _logger.info("loaded %s (%d parameters) on %s", info.name, info.parameters, info.device)

    def self_test(self) -> None:
        info = self._loaded().info
        vector = np.full(info.dim, info.dim**-0.5, np.float32) if info.conditions == "vector" else None
        (drawn,) = self.run(Operation.DRAW, [PictureRequest("soup", vector, size=info.sizes[0])])
        outcome = check_picture(drawn)
        if isinstance(outcome, Failed):
            raise SelfTestError(f"a bowl of soup can't be drawn: {outcome.detail}")

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[DrawnPicture]:
        if operation is not Operation.DRAW:
            raise ValueError(f"a generator can't {operation.value}")
        generator = self._loaded()
        requests = [_request(each) for each in payloads]
        # All are looked at before any is drawn: an unfit one should cost its neighbours no work.
        for request in requests:
            check_request(generator.info, request)
        drawn: list[DrawnPicture | None] = [None] * len(requests)
        try:
            for rows in _by_size(requests).values():
                for row, picture in zip(rows, generator.draw([requests[row] for row in rows]), strict=True):
                    drawn[row] = picture
        except RuntimeError:
            free_memory(self._device)
            raise
        return [each for each in drawn if each is not None]

    def close(self) -> None:
        self._generator = None
        free_memory(self._device)

    def _loaded(self) -> Generator:
        if self._generator is None:
            raise WorkerDiedError("the generator is not loaded")
        return self._generator


def _request(payload: Payload) -> PictureRequest:
    if not isinstance(payload, PictureRequest):
        raise ItemError("what is to be drawn must be given as PictureRequest")
    return payload


def _by_size(requests: Sequence[PictureRequest]) -> dict[int, list[int]]:
    """The rows that can be drawn together."""
    rows: dict[int, list[int]] = {}
    for row, request in enumerate(requests):
        rows.setdefault(request.size, []).append(row)
    return rows
