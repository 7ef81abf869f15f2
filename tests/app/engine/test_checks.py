from __future__ import annotations

import numpy as np
import pytest

from app.engine.checks import check_value
from app.engine.types import Done, Failed, Operation
from models.captioning.types import Caption, CaptionedWord
from models.reasoning.types import Reasoning, ScoredAnswer
from tests.app.engine.fakes import info
from tests.app.fakes import CAPTIONER, REASONER

WORDS = (CaptionedWord("tomato", -0.1), CaptionedWord("soup", -0.2))
MAPS = np.full((2, 7, 7), 1 / 49, np.float32)
YES = (ScoredAnswer("yes", 0.9),)


def test_what_was_promised_passes() -> None:
    row = np.array([0, 0, 0, 1], np.float32)
    captions = (Caption("tomato soup", WORDS, -0.4, MAPS), Caption("tomato soup", WORDS, -0.5))
    assert check_value(Operation.ENCODE_TEXT, row, info()) == Done(row)
    assert check_value(Operation.CAPTION, captions, CAPTIONER) == Done(captions)
    for reasoning in (Reasoning(YES), Reasoning(YES, attention=MAPS[0])):
        assert check_value(Operation.ANSWER, reasoning, REASONER) == Done(reasoning)


@pytest.mark.parametrize(
    ("operation", "value", "sentence"),
    [
        (Operation.ENCODE_TEXT, (Caption("x", WORDS, -1.0),), "something else than a float32 vector"),
        (Operation.ENCODE_TEXT, np.ones(3, np.float32), "width 3 instead of 4"),
        (Operation.CAPTION, np.ones(4, np.float32), "something else than captions"),
        (Operation.CAPTION, [Caption("x", WORDS, -1.0)], "something else than captions"),
        (Operation.CAPTION, ("tomato soup",), "something else than captions"),
        (Operation.CAPTION, (), "found no caption"),
        (Operation.CAPTION, (Caption("x", WORDS, float("nan")),), "without a probability"),
        (Operation.CAPTION, (Caption("x", (CaptionedWord("x", -np.inf),), -1.0),), "without a probability"),
        (Operation.CAPTION, (Caption("x", WORDS, -1.0, MAPS[:, 0]),), "one attention map for each word"),
        (Operation.CAPTION, (Caption("x", WORDS, -1.0, MAPS[:1]),), "one attention map for each word"),
        (Operation.CAPTION, (Caption("x", WORDS, -1.0, MAPS * np.inf),), "one attention map for each word"),
        (Operation.ANSWER, YES, "something else than answers"),
        (Operation.ANSWER, Reasoning(()), "found no answer"),
        (Operation.ANSWER, Reasoning((*YES, ScoredAnswer("no", float("nan")))), "without a probability"),
        (Operation.ANSWER, Reasoning((ScoredAnswer("no", 1.5),)), "without a probability"),
        (Operation.ANSWER, Reasoning(YES, attention=MAPS), "without a map"),
        (Operation.ANSWER, Reasoning(YES, attention=MAPS[0] * np.inf), "without a map"),
    ],
)
def test_what_was_not_is_told(operation: Operation, value: object, sentence: str) -> None:
    outcome = check_value(operation, value, info() if operation is Operation.ENCODE_TEXT else CAPTIONER)
    assert isinstance(outcome, Failed)
    assert sentence in outcome.detail
