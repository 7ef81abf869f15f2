from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.reasoning.figure import PANEL, answer_figure
from models.reasoning.types import AnswerOptionError, Reasoning, ScoredAnswer
from models.types import UInt8Array

PHOTO = Image.new("RGB", (400, 400), (200, 200, 200))
GAP, LABEL = 8, 68


def _reasoning(row: int, column: int, known: bool = True) -> Reasoning:
    attention = np.zeros((4, 4), dtype=np.float32)
    attention[row, column] = 1
    return Reasoning((ScoredAnswer("yes", 0.93), ScoredAnswer("no", 0.07)), known=known, attention=attention)


def _panel(figure: Image.Image, place: int) -> UInt8Array:
    left = GAP + place * (PANEL + GAP)
    return np.asarray(figure)[GAP : GAP + PANEL, left : left + PANEL]


def test_each_question_has_a_panel_that_is_bright_where_the_model_looked() -> None:
    figure = answer_figure(PHOTO, [("is there rice?", _reasoning(0, 0)), ("is there soup?", _reasoning(3, 3))])
    assert figure.size == (GAP + 3 * (PANEL + GAP), GAP + PANEL + LABEL + GAP)
    assert (_panel(figure, 0) == 200).all()
    first, second = (_panel(figure, place)[..., 0] for place in (1, 2))
    assert first[:100, :100].mean() > 4 * first[300:, 300:].mean()
    assert second[300:, 300:].mean() > 4 * second[:100, :100].mean()


def test_question_and_best_answer_stand_below() -> None:
    drawn = {
        name: np.asarray(answer_figure(PHOTO, [asked]))[GAP + PANEL :, GAP + PANEL + GAP :]
        for name, asked in {
            "known": ("is there rice?", _reasoning(0, 0)),
            "other": ("is there soup?", _reasoning(0, 0)),
            "guess": ("is there rice?", _reasoning(0, 0, known=False)),
        }.items()
    }
    line = LABEL // 2
    assert not (drawn["known"][:line] == drawn["other"][:line]).all()
    assert (drawn["known"][line:] == drawn["other"][line:]).all()
    assert (drawn["known"][:line] == drawn["guess"][:line]).all()
    assert not (drawn["known"][line:] == drawn["guess"][line:]).all()


@pytest.mark.parametrize("question", ["why " * 125, "里面有米饭吗", "🍕", "a\nb\tc", "\ud800"])
def test_any_question_is_drawn_within_its_panel(question: str) -> None:
    figure = np.asarray(answer_figure(PHOTO, [(question, _reasoning(0, 0))]))
    assert (figure[:, -GAP:] == 255).all()
    assert (figure[GAP + PANEL :, : GAP + PANEL + GAP] == 255).all()


def test_an_answer_without_a_map_is_refused() -> None:
    with pytest.raises(AnswerOptionError, match="ask for it with attention"):
        answer_figure(PHOTO, [("is it rice?", Reasoning((ScoredAnswer("yes", 1.0),)))])
