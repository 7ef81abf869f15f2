"""Which modality does the work: answers of the full model, of the question alone, of the photo alone, of a wrong photo.

What the question alone gets right is bias of the data (Goyal et al. 2017); what a wrong photo leaves right is bias of
the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data import DataError
from models.evaluation.reasoning_answers import Asked, OnAnswers, answer_all
from models.evaluation.reasoning_metrics import majority_answers, other_photos, soft_score
from models.reasoning.calibration import expected_calibration_error
from models.reasoning.questions import Question, read_dataset, read_questions
from models.reasoning.types import Reasoner, ReasonerUnavailableError, ScoredAnswer

#: A question without a word, for what the photo alone gets right.
BLANK_QUESTION = "?"
_TRAIN = "train"
_DIGITS = 12
_CONDITIONS = ("full", "question_only", "image_only", "shuffled", "majority")


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Mean scores in [0, 1] over ``n`` questions.

    Attributes:
        full: the model as it is.
        question_only: the model on a grey picture, or a model that was trained on questions alone.
        image_only: the model asked nothing, or a model that was trained on photos and the kind of question alone.
        shuffled: the model on the photo of another question of the same type.
        majority: the answer that most training questions of the type have.
        ece: expected calibration error of the full model.
    """

    full: float
    question_only: float
    image_only: float
    shuffled: float
    majority: float
    n: int
    ece: float

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_CONDITIONS, "n", "ece")}


@dataclass(frozen=True, slots=True)
class ReasoningReport:
    """What :func:`evaluate_reasoning` measured.

    ``probes`` says what each single modality was measured by: the ``model`` itself with the other one blank, or a
    ``trained`` one, by its name and the start of its fingerprint. ``blank`` has the scores of the former in any case.
    """

    data_set: str
    model: str
    fingerprint: str
    split: str
    scores: AnswerScores
    types: dict[str, AnswerScores]
    probes: dict[str, str]
    blank: dict[str, float]
    seed: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The scores of all questions on top, those of each type under ``types``."""
        return {
            **self.scores.to_json(),
            "types": {name: scores.to_json() for name, scores in self.types.items()},
            "model": self.model,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "seed": self.seed,
            "probes": self.probes,
            "blank": self.blank,
            "notes": list(self.notes),
        }


def evaluate_reasoning(
    reasoner: Reasoner,
    data: Path,
    split: str = "val",
    *,
    question_only: Reasoner | None = None,
    image_only: Reasoner | None = None,
    seed: int = 0,
    on_progress: OnAnswers | None = None,
) -> ReasoningReport:
    """Answer the questions of a split as they are, and with either modality missing or wrong.

    Args:
        data: folder with ``questions.jsonl``.
        question_only: a model that was trained on questions alone; by default ``reasoner`` on a grey picture.
        image_only: one that was trained on photos alone (it may know the kind of a question by its words); by default
            ``reasoner`` asked nothing, whose answers are all of the one kind that it takes this for.
        seed: of the shuffled photos.
        on_progress: called with (what, photos done, photos).

    Raises:
        DataError: the questions can't be read, a photo is broken, or all questions are about one photo.
        QuestionError: a question is longer than a reasoner takes.
        ReasonerUnavailableError: a model of one modality sees the other one, too.
    """
    _check_inputs(question_only, "question")
    _check_inputs(image_only, "image")
    questions = read_questions(data, split)
    shuffled = _shuffled(questions, seed)
    as_is: list[Asked] = [(question.image, question.question) for question in questions]
    grey: list[Asked] = [(None, question.question) for question in questions]
    mute: list[Asked] = [(question.image, BLANK_QUESTION) for question in questions]
    wrong: list[Asked] = [(photo, each.question) for photo, each in zip(shuffled, questions, strict=True)]
    found = answer_all(reasoner, [*as_is, *grey, *mute, *wrong], on_progress, "photos")
    parts = [found[start : start + len(questions)] for start in range(0, len(found), len(questions))]
    given = dict(zip(("full", "question_only", "image_only", "shuffled"), parts, strict=True))
    scores = {name: _scores(questions, answers) for name, answers in given.items()}
    blank = {name: _mean(scores[name]) for name in ("question_only", "image_only")}
    probes = dict.fromkeys(blank, "the model itself, the other modality blank")
    for name, model, asked in (("question_only", question_only, grey), ("image_only", image_only, as_is)):
        if model is not None:
            scores[name] = _scores(questions, answer_all(model, asked, on_progress, name.replace("_", " ")))
            probes[name] = f"trained: {model.info.name} ({model.info.fingerprint[:_DIGITS]})"
    common, notes = _majority(data, questions)
    scores["majority"] = [soft_score(each.answers, common.get(each.type, "")) for each in questions]
    measured = _Measured(scores, [answer.probability for answer in given["full"]])
    kinds = sorted({question.type for question in questions})
    info = reasoner.info
    return ReasoningReport(
        data_set=str(read_dataset(data).get("name") or data.resolve().name),
        model=info.name,
        fingerprint=info.fingerprint,
        split=split,
        scores=measured.of(range(len(questions))),
        types={
            kind: measured.of([row for row, question in enumerate(questions) if question.type == kind])
            for kind in kinds
        },
        probes=probes,
        blank=blank,
        seed=seed,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """The score of each question in each condition, and the probability that the full model gave its answer."""

    scores: dict[str, list[float]]
    probabilities: list[float]

    def of(self, rows: Sequence[int]) -> AnswerScores:
        means = {name: _mean([self.scores[name][row] for row in rows]) for name in _CONDITIONS}
        ece = expected_calibration_error(
            [self.probabilities[row] for row in rows], [self.scores["full"][row] for row in rows]
        )
        return AnswerScores(**means, n=len(rows), ece=ece)


def _check_inputs(model: Reasoner | None, inputs: str) -> None:
    if model is not None and model.info.inputs != inputs:
        raise ReasonerUnavailableError(
            f"{inputs}_only takes a reasoner of inputs {inputs}; {model.info.name} sees {model.info.inputs}; "
            f"train one with `tastespace train reasoner --inputs {inputs}`"
        )


def _shuffled(questions: Sequence[Question], seed: int) -> list[Path]:
    """For each question the photo of another one: of its type, or of any where the type has too few."""
    by_type: dict[str, list[int]] = {}
    for row, question in enumerate(questions):
        by_type.setdefault(question.type, []).append(row)
    photos = [question.image for question in questions]
    others = sorted(set(photos))
    if len(others) < 2:
        raise DataError(f"all {len(questions)} questions are about one photo; shuffling needs at least two")
    found = list(photos)
    for rows in by_type.values():
        moved = other_photos([photos[row] for row in rows], seed)
        for place, row in enumerate(rows):
            found[row] = moved[place] if moved else others[others.index(photos[row]) - 1]
    return found


def _majority(data: Path, questions: Sequence[Question]) -> tuple[dict[str, str], tuple[str, ...]]:
    try:
        return majority_answers(read_questions(data, _TRAIN)), ()
    except DataError:
        note = "the majority answers are those of the measured questions: there are no training questions"
        return majority_answers(questions), (note,)


def _scores(questions: Sequence[Question], given: Sequence[ScoredAnswer]) -> list[float]:
    return [soft_score(question.answers, answer.text) for question, answer in zip(questions, given, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
