"""Answers drawn: the photo, then for each question where the model looked."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from models.attention_figure import WHOLE, Panel, panels_figure
from models.preprocess import Region
from models.reasoning.types import AnswerOptionError, Reasoning

PANEL = 400  # pixels: most questions must find room below a panel
COLUMNS = 3


def answer_figure(
    photo: Image.Image,
    answered: Sequence[tuple[str, Reasoning]],
    *,
    region: Region = WHOLE,
    panel: int = PANEL,
    columns: int = COLUMNS,
) -> Image.Image:
    """The photo, then for each question a panel, as :func:`models.attention_figure.panels_figure` draws them, with the
    question and its best answer below.

    Args:
        answered: questions, and what was answered to them, with maps.

    Raises:
        AnswerOptionError: an answer has no map.
        ValueError: a map holds no numbers, or ``panel`` or ``columns`` is below 1.
    """
    panels = []
    for question, reasoning in answered:
        if reasoning.attention is None:
            raise AnswerOptionError("the answer has no attention map to draw; ask for it with attention")
        panels.append(Panel(reasoning.attention, (question, _said(reasoning))))
    return panels_figure(photo, panels, region=region, panel=panel, columns=columns)


def _said(reasoning: Reasoning) -> str:
    best = reasoning.answers[0]
    said = f"{best.text} ({best.probability:.0%})"
    return said if reasoning.known else f"a guess: {said}"
