"""What models that answer questions about photos take and give. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.types import Float32Array, ImagePreprocess, ModelError, UInt8Array

MAX_ANSWERS = 50
#: The longest question in characters; what is longer is no question.
MAX_QUESTION = 500


class ReasonerUnavailableError(ModelError):
    """A reasoner can't be used: missing or changed files, made for another vision tower, or for other inputs."""


class QuestionError(ModelError):
    """A question that no reasoner takes: blank, or too long."""


class AnswerOptionError(ModelError):
    """The reasoner can't do what an option asks: a map that it doesn't have."""


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What is asked for each question.

    Attributes:
        top_k: answers given back, best first, 1 to 50.
        attention: also give where the model looked.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    top_k: int = 5
    attention: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= MAX_ANSWERS:
            raise ValueError(f"top_k must be between 1 and {MAX_ANSWERS}, not {self.top_k}")


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer and its calibrated probability of being right, in [0, 1]."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model answers to one question about one photo.

    Attributes:
        answers: best first, at least one.
        question_type: what kind of question the model took it for; empty where it knows no kinds.
        known: False where the question is mostly of words that the model doesn't know or is turned around by one
            ("without"), or no answer is likely: the answers are then guesses.
        unknown_words: words of the question that the model doesn't know, in their order.
        attention: float32 (rows, columns), adding up to 1, over the square that
            :func:`models.preprocess.to_pixels` makes of the photo; None where it was not asked for.
    """

    answers: tuple[ScoredAnswer, ...]
    question_type: str = ""
    known: bool = True
    unknown_words: tuple[str, ...] = ()
    attention: Float32Array | None = None


@dataclass(frozen=True, slots=True)
class ReasonerInfo:
    """What is worth knowing about a loaded reasoner.

    ``fingerprint`` (hex sha256) covers weights, vocabulary, vision tower and preprocessing. ``grid`` is (rows,
    columns) of its attention maps, None where it has none. ``question_types`` are those that it tells apart.
    ``answers`` is how many it chooses from, 0 where it writes them freely. ``inputs`` are ``both``; or ``question`` or
    ``image``, where it is a baseline that answers from one of them alone.
    """

    name: str
    fingerprint: str
    preprocess: ImagePreprocess
    grid: tuple[int, int] | None
    question_types: tuple[str, ...]
    answers: int
    device: str
    parameters: int
    licence: str
    description: str = ""
    inputs: str = "both"


class Reasoner(Protocol):
    """Answers to questions about photos. Not thread-safe: a lane of the engine owns its reasoner.

    An answer does not depend on the other questions of a batch beyond float rounding, and nothing is random.
    """

    @property
    def info(self) -> ReasonerInfo: ...

    def answer_pixels(self, pixels: UInt8Array, questions: Sequence[str], options: AnswerOptions) -> list[Reasoning]:
        """Preprocessed pictures, uint8 (n, S, S, 3), n > 0, and a question about each -> what is answered.

        Raises:
            ValueError: the pixels have another shape or type, or there are not as many questions.
            QuestionError: a question is blank or too long.
            AnswerOptionError: attention is asked of a reasoner that has none.
        """
        ...


def check_question(question: str) -> str:
    """The question without white space around it. Raises QuestionError where it is blank or too long."""
    stripped = question.strip()
    if not stripped:
        raise QuestionError("the question is empty; ask something about the photo")
    if len(stripped) > MAX_QUESTION:
        raise QuestionError(f"the question has {len(stripped)} characters; at most {MAX_QUESTION} are taken")
    return stripped


def check_answer_options(info: ReasonerInfo, options: AnswerOptions) -> None:
    """Raises AnswerOptionError where a reasoner can't do what the options ask."""
    if options.attention and info.grid is None:
        raise AnswerOptionError(f"{info.name} has no attention maps; ask without attention")
