"""The worker of the reasoner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.engine.checks import check_reasoning
from app.engine.model_worker import ModelWorker, rows_by
from app.engine.torch_worker import stack_pixels
from app.engine.types import Failed, Operation, Payload, PhotoToAsk
from app.engine.workers import ItemError, SelfTestError
from models.reasoning.types import AnswerOptions, Reasoning, check_answer_options, check_question

if TYPE_CHECKING:
    from models.reasoning.types import Reasoner


class AnswerWorker(ModelWorker["Reasoner", Reasoning]):
    """Runs ``ANSWER`` on a reasoner. Imports torch in :meth:`load`, not before."""

    operation: ClassVar[Operation] = Operation.ANSWER
    role: ClassVar[str] = "reasoner"

    def load_model(self, spec: str, device: str) -> Reasoner:
        from models.reasoning.loading import load_reasoner

        return load_reasoner(spec, device=device)

    def self_test(self) -> None:
        info = self.loaded().info
        size = info.preprocess.size
        grey = np.full((size, size, 3), 128, np.uint8)
        options = AnswerOptions(top_k=2, attention=info.grid is not None)
        (reasoning,) = self.run(Operation.ANSWER, [PhotoToAsk(grey, "is it soup?", options)])
        outcome = check_reasoning(reasoning)
        if isinstance(outcome, Failed):
            raise SelfTestError(f"a grey square can't be asked about: {outcome.detail}")

    def run_batch(self, model: Reasoner, payloads: Sequence[Payload]) -> list[Reasoning]:
        asked = [_asked(each) for each in payloads]
        # All are looked at before any is answered: an unfit one should cost its neighbours no work.
        pixels = stack_pixels([each.pixels for each in asked], model.info.preprocess.size)
        questions = [check_question(each.question) for each in asked]
        by_options = rows_by(each.options for each in asked)
        for options in by_options:
            check_answer_options(model.info, options)
        found: dict[int, Reasoning] = {}
        for options, rows in by_options.items():
            answers = model.answer_pixels(pixels[rows], [questions[row] for row in rows], options)
            found |= zip(rows, answers, strict=True)
        return [found[row] for row in range(len(asked))]


def _asked(payload: Payload) -> PhotoToAsk:
    if not isinstance(payload, PhotoToAsk):
        raise ItemError("a question about a photo must be given as PhotoToAsk")
    return payload
