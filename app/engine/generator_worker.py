"""The worker of the generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.engine.checks import check_picture
from app.engine.model_worker import ModelWorker, rows_by
from app.engine.types import Failed, Operation, Payload
from app.engine.workers import ItemError, SelfTestError
from models.generation.types import DrawnPicture, PictureRequest, check_request

if TYPE_CHECKING:
    from models.generation.types import Generator


class GeneratorWorker(ModelWorker["Generator", DrawnPicture]):
    """Runs ``DRAW`` on a generator. Imports torch in :meth:`load`, not before.

    Whether the generator fits the encoder is looked at by the engine, which knows both.
    """

    operation: ClassVar[Operation] = Operation.DRAW
    role: ClassVar[str] = "generator"

    def load_model(self, spec: str, device: str) -> Generator:
        from models.generation.loading import load_generator

        return load_generator(spec, device=device)

    def self_test(self) -> None:
        info = self.loaded().info
        vector = np.full(info.dim, info.dim**-0.5, np.float32) if info.conditions == "vector" else None
        (drawn,) = self.run(Operation.DRAW, [PictureRequest("soup", vector, size=info.sizes[0])])
        outcome = check_picture(drawn)
        if isinstance(outcome, Failed):
            raise SelfTestError(f"a bowl of soup can't be drawn: {outcome.detail}")

    def run_batch(self, model: Generator, payloads: Sequence[Payload]) -> list[DrawnPicture]:
        requests = [_request(each) for each in payloads]
        # All are looked at before any is drawn: an unfit one should cost its neighbours no work.
        for request in requests:
            check_request(model.info, request)
        drawn: dict[int, DrawnPicture] = {}
        for rows in rows_by(request.size for request in requests).values():
            drawn |= zip(rows, model.draw([requests[row] for row in rows]), strict=True)
        return [drawn[row] for row in range(len(requests))]


def _request(payload: Payload) -> PictureRequest:
    if not isinstance(payload, PictureRequest):
        raise ItemError("what is to be drawn must be given as PictureRequest")
    return payload
