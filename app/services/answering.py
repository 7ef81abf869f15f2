"""A photo and a question in, answers out, and where the model looked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from PIL import Image

from app.engine.types import Done, Operation, PhotoToAsk
from app.problems import Problem, field_problem
from app.services.photo_views import read_view
from app.services.query import Item, Photo
from app.services.resources import Resources
from app.services.timings import Timings
from models.attention_figure import to_png
from models.preprocess import Region
from models.reasoning.figure import PANEL, answer_figure
from models.reasoning.types import (
    AnswerOptionError,
    AnswerOptions,
    QuestionError,
    ReasonerInfo,
    ReasonerUnavailableError,
    Reasoning,
    check_answer_options,
    check_question,
)

#: What is said where the settings ask for no reasoner.
SWITCHED_OFF = "answers are switched off; set TASTESPACE_REASONER to a reasoner, such as tastespace-answers"
_NAMED_WORDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """A question about a photo; with ``figure`` the best answer is drawn, which takes an attention map."""

    photo: Photo | Item
    question: str
    options: AnswerOptions
    figure: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """``note`` says why the answers are guesses, None where they aren't; ``region`` is what of the photo the model saw,
    over which its map lies; ``figure`` is a PNG."""

    reasoning: Reasoning
    note: str | None
    reasoner: ReasonerInfo
    region: Region
    timings: Timings
    figure: bytes | None = None


class Answering:
    """Answers questions about photos. Safe to call from many tasks of one event loop."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def answer(self, request: AnswerRequest) -> Answered:
        """Answer a question. One that the model can't answer is answered too, with guesses that are not ``known``.

        Raises:
            ReasonerUnavailableError: the settings ask for no reasoner.
            UnknownItemError: the photo is not there.
            BlobMissingError, BlobCorruptError: its file is missing or damaged.
            PictureError: the file is no picture.
            EngineError: the model is at capacity, late, or not there.
            Problem: 422: the question is none, the reasoner can't do what the options ask, or refused the photo.
            TimeoutError: it took longer than a request may.
        """
        resources = self._resources
        reasoner = resources.engine.reasoner
        if reasoner is None:
            raise ReasonerUnavailableError(SWITCHED_OFF)
        question, options = _checked(reasoner, request)
        timings = Timings()
        async with asyncio.timeout(resources.settings.request_timeout_s):
            panel = PANEL if request.figure else None
            view = await read_view(resources, request.photo, reasoner.preprocess, timings, panel)
            reasoning = await self._reasoning(PhotoToAsk(view.pixels, question, options), timings)
            figure = None
            if view.panel is not None:
                with timings.stage("draw"):
                    figure = await resources.executors.decode(_draw, view.panel, question, reasoning, view.region)
        for name, seconds in timings.seconds.items():
            resources.metrics.observe_stage(name, seconds)
        return Answered(reasoning, note_of(question, reasoning), reasoner, view.region, timings, figure)

    async def _reasoning(self, asked: PhotoToAsk, timings: Timings) -> Reasoning:
        with timings.stage("answer"):
            outcomes = await self._resources.engine.submit(
                Operation.ANSWER, [asked], timeout_s=self._resources.settings.request_timeout_s
            )
        outcome = outcomes[0]
        if not isinstance(outcome, Done):
            raise Problem("answering-failed", outcome.detail)
        return outcome.value


def note_of(question: str, reasoning: Reasoning) -> str | None:
    """Why the answers are guesses, in a sentence; None where they aren't."""
    if reasoning.known:
        return None
    if not any(character.isalnum() for character in question):
        return "The model can't answer this: the question holds no words. The answers are guesses."
    unknown = reasoning.unknown_words
    if not unknown:
        return "The model can't answer this: no answer is likely. The answers are guesses."
    named = ", ".join(repr(word) for word in unknown[:_NAMED_WORDS]) + (", ..." if len(unknown) > _NAMED_WORDS else "")
    return f"The model can't answer this: it doesn't know {named}. The answers are guesses; ask in other words."


def _checked(reasoner: ReasonerInfo, request: AnswerRequest) -> tuple[str, AnswerOptions]:
    """Question and options as the model gets them. Raises Problem 422 that names the wrong field."""
    options = replace(request.options, attention=request.options.attention or request.figure)
    try:
        question = check_question(request.question)
    except QuestionError as error:
        raise field_problem("question", str(error)) from None
    try:
        check_answer_options(reasoner, options)
    except AnswerOptionError as error:
        raise field_problem("Accept" if request.figure else "attention", str(error)) from None
    return question, options


def _draw(panel: Image.Image, question: str, reasoning: Reasoning, region: Region) -> bytes:
    return to_png(answer_figure(panel, [(question, reasoning)], region=region))
