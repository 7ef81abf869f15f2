"""Many questions about few photos: each photo is decoded and looked at once, each question about it asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from models.photos import open_photo
from models.preprocess import to_pixels
from models.reasoning.types import AnswerOptions, Reasoner, Reasoning, ScoredAnswer
from models.types import Float32Array, ImagePreprocess, UInt8Array

#: A photo, None for a grey picture that shows nothing, and a question.
Asked: TypeAlias = tuple[Path | None, str]
OnAnswers: TypeAlias = Callable[[str, int, int], None]

GREY = 128
_PHOTOS, _QUESTIONS = 32, 64
_TOP = AnswerOptions(top_k=1)


@runtime_checkable
class MapReasoner(Protocol):
    """A reasoner that looks at a photo once, whatever is asked about it."""

    def feature_maps(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3) -> float32 (n, locations, width)."""
        ...

    def answer_maps(
        self, maps: Float32Array, photos: Sequence[int], questions: Sequence[str], options: AnswerOptions
    ) -> list[Reasoning]:
        """Answers to questions, each about the photo of one row of ``maps``."""
        ...


def grey_pixels(spec: ImagePreprocess) -> UInt8Array:
    """uint8 (size, size, 3): a picture that shows nothing."""
    return np.full((spec.size, spec.size, 3), GREY, dtype=np.uint8)


def answer_all(
    reasoner: Reasoner, asked: Sequence[Asked], on_answers: OnAnswers | None = None, what: str = "photos"
) -> list[ScoredAnswer]:
    """The best answer to each question; what is asked twice is answered once.

    Args:
        on_answers: called with (``what``, photos done, photos).

    Raises:
        DataError: a photo can't be read; the message names it.
        QuestionError: a question is blank or too long.
    """
    report = on_answers or (lambda *_: None)
    by_photo: dict[Path | None, list[str]] = {}
    for photo, question in dict.fromkeys(asked):
        by_photo.setdefault(photo, []).append(question)
    spec = reasoner.info.preprocess
    found: dict[Asked, ScoredAnswer] = {}
    photos = list(by_photo)
    for start in range(0, len(photos), _PHOTOS):
        part = photos[start : start + _PHOTOS]
        pixels = np.stack([grey_pixels(spec) if path is None else to_pixels(open_photo(path), spec) for path in part])
        jobs = [(row, question) for row, path in enumerate(part) for question in by_photo[path]]
        for (row, question), reasoning in zip(jobs, _answers(reasoner, pixels, jobs), strict=True):
            found[part[row], question] = reasoning.answers[0]
        report(what, start + len(part), len(photos))
    return [found[each] for each in asked]


def _answers(reasoner: Reasoner, pixels: UInt8Array, jobs: Sequence[tuple[int, str]]) -> Iterator[Reasoning]:
    rows, questions = [row for row, _ in jobs], [question for _, question in jobs]
    if isinstance(reasoner, MapReasoner):
        yield from reasoner.answer_maps(reasoner.feature_maps(pixels), rows, questions, _TOP)
        return
    for start in range(0, len(jobs), _QUESTIONS):
        part = slice(start, start + _QUESTIONS)
        yield from reasoner.answer_pixels(pixels[rows[part]], questions[part], _TOP)
