"""``/v1/answers``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.requests import Request

from app.api.deps import RuntimeDep
from app.api.openapi import FILE, body, form_content, json_content
from app.api.photo_routes import read_photo, respond, responses, wants_figure
from app.schemas.answering import AskPhoto, AskWindow, PhotoAnswers, ScoredAnswerOut
from app.schemas.attention import GridOut, RegionOut, attention_rows
from app.services.answering import Answered, AnswerRequest
from models.reasoning.types import MAX_ANSWERS, MAX_QUESTION

router = APIRouter(prefix="/answers", tags=["answers"])

_ASKED = form_content(
    {
        "file": dict(FILE),
        "question": {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION},
        "top_k": {"type": "integer", "minimum": 1, "maximum": MAX_ANSWERS, "default": 5},
        "attention": {"type": "boolean", "default": False},
    },
    ["file", "question"],
    {"file": "(bytes of dinner.jpg)", "question": "is there cheese in it?"},
)


@router.post(
    "",
    summary="Ask a question about a photo",
    response_model=PhotoAnswers,
    responses=responses(
        "The answers; or, where the request accepts `image/png`, a figure: the photo, and the photo darkened but where "
        "the model looked, with the question and the best answer.",
        "reasoner-unavailable",
        "answering-failed",
    ),
    openapi_extra=body(json_content(AskPhoto), _ASKED),
)
async def answer_question(request: Request, runtime: RuntimeDep) -> Response:
    """A photo (multipart form with `file`) or a stored one (JSON with `image_id`), and a `question` -> ranked answers
    with probabilities, and with `attention` where the model looked. `known` is false where the question is none that
    the model can answer; `note` says why. `Accept: image/png` gets a figure."""
    figure = wants_figure(request)
    photo, asked = await read_photo(request, AskWindow, AskPhoto)
    wanted = AnswerRequest(photo=photo, question=asked.question, options=asked.to_options(), figure=figure)
    answered = await runtime.answering.answer(wanted)
    return respond(_content(answered), answered.figure, answered.timings)


def _content(answered: Answered) -> PhotoAnswers:
    reasoning, grid = answered.reasoning, answered.reasoner.grid
    looked = reasoning.attention is not None
    return PhotoAnswers(
        answers=[ScoredAnswerOut(answer=each.text, probability=each.probability) for each in reasoning.answers],
        question_type=reasoning.question_type or None,
        known=reasoning.known,
        note=answered.note,
        unknown_words=list(reasoning.unknown_words),
        attention=None if reasoning.attention is None else attention_rows(reasoning.attention),
        grid=GridOut.of(grid) if looked and grid is not None else None,
        region=RegionOut.of(answered.region) if looked else None,
        model=answered.reasoner.name,
        took_ms=answered.timings.milliseconds(),
    )
