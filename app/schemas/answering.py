"""A question about a photo: what is asked and what is answered."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from app.schemas.attention import AttentionRows, GridOut, RegionOut
from app.schemas.common import Request, Response, StoredPhoto
from models.reasoning.types import MAX_ANSWERS, MAX_QUESTION, AnswerOptions


class AskWindow(Request):
    """The question, and which answers are wanted."""

    question: str = Field(
        description="In plain English, such as `is there cheese in it?`.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_QUESTION},  # counted without the white space around it
    )
    top_k: int = Field(default=5, ge=1, le=MAX_ANSWERS, description="Most answers, best first.")
    attention: bool = Field(default=False, description="Also answer where the model looked.")

    def to_options(self) -> AnswerOptions:
        return AnswerOptions(self.top_k, self.attention)


class AskPhoto(AskWindow, StoredPhoto):
    """A question about a stored photo."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_id": "carbonara-1", "question": "is there cheese in it?"},
                {
                    "image_id": "carbonara-1",
                    "question": "what is the main ingredient?",
                    "top_k": 3,
                    "attention": True,
                },
            ]
        }
    )


class ScoredAnswerOut(Response):
    answer: str
    probability: float = Field(ge=0, le=1, description="Of being right; calibrated for the shipped model.")


class PhotoAnswers(Response):
    """Answers to a question about a photo, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answers": [{"answer": "yes", "probability": 0.91}, {"answer": "no", "probability": 0.09}],
                    "question_type": "ingredient",
                    "known": True,
                    "unknown_words": [],
                    "attention": [[0.1, 0.2], [0.3, 0.4]],
                    "grid": {"rows": 2, "columns": 2},
                    "region": {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0},
                    "model": "tastespace-answers",
                    "took_ms": {"decode": 4.1, "answer": 12.3},
                },
                {
                    "answers": [{"answer": "soup", "probability": 0.04}],
                    "question_type": "course",
                    "known": False,
                    "note": "The model can't answer this: it doesn't know 'capital', 'france'. The answers are "
                    "guesses; ask in other words.",
                    "unknown_words": ["capital", "france"],
                    "model": "tastespace-answers",
                    "took_ms": {"decode": 4.1, "answer": 12.3},
                },
            ]
        }
    )

    answers: list[ScoredAnswerOut]
    question_type: str | None = Field(
        default=None, description="What kind of question the model took it for; none where it knows no kinds."
    )
    known: bool = Field(description="False: the model can't answer this, and the answers are guesses.")
    note: str | None = Field(default=None, description="Why, where it is not known.")
    unknown_words: list[str] = Field(description="Words of the question that the model doesn't know.")
    attention: AttentionRows | None = None
    grid: GridOut | None = Field(default=None, description="Of the attention map, where it was asked for.")
    region: RegionOut | None = Field(default=None, description="What of the photo the grid covers.")
    model: str
    took_ms: dict[str, float] = Field(description="Milliseconds by stage; also in the Server-Timing header.")
