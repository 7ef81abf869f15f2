"""Captioning a photo: what is asked and what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.schemas.attention import AttentionRows, GridOut, RegionOut
from app.schemas.common import Request, Response, StoredPhoto
from models.captioning.types import MAX_BEAMS, MAX_WORDS, CaptionOptions, RequestedStyle


class CaptionWindow(Request):
    """Which captions are answered, beside an uploaded photo."""

    style: RequestedStyle = Field(
        default="auto",
        description="`general` describes what is seen, `dish` names the dish; `auto` is `dish` for food.",
    )
    beams: int = Field(
        default=5, ge=1, le=MAX_BEAMS, description="Hypotheses that the search keeps at each word; 1 is greedy."
    )
    num_captions: int = Field(
        default=1, ge=1, le=MAX_BEAMS, description="Captions in the answer, best first; at most `beams`."
    )
    max_words: int = Field(default=24, ge=1, le=MAX_WORDS, description="The longest caption.")
    attention: bool = Field(default=False, description="Also answer where the model looked for each word.")

    @field_validator("num_captions")
    @classmethod
    def _no_more_than_beams(cls, value: int, info: ValidationInfo) -> int:
        beams = info.data.get("beams", MAX_BEAMS)
        if value > beams:
            raise ValueError(f"input should be less than or equal to beams, which is {beams}")
        return value

    def to_options(self) -> CaptionOptions:
        return CaptionOptions(self.style, self.beams, self.num_captions, self.max_words, self.attention)


class CaptionPhoto(CaptionWindow, StoredPhoto):
    """Captions of a stored photo."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_id": "carbonara-1"},
                {"image_id": "carbonara-1", "style": "general", "beams": 10, "num_captions": 3, "attention": True},
            ]
        }
    )


class CaptionedWordOut(Response):
    """A word, how likely it was after the words before it, and where the model looked for it."""

    text: str
    probability: float = Field(ge=0, le=1)
    log_probability: float = Field(description="Its natural logarithm.")
    attention: AttentionRows | None = None


class CaptionOut(Response):
    text: str
    style: Literal["general", "dish"]
    log_probability: float = Field(description="Of the whole caption, its end included; natural logarithm.")
    words: list[CaptionedWordOut]


class PhotoCaptions(Response):
    """Captions of a photo, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "captions": [
                        {
                            "text": "spaghetti carbonara",
                            "style": "dish",
                            "log_probability": -3.1,
                            "words": [
                                {
                                    "text": "spaghetti",
                                    "probability": 0.42,
                                    "log_probability": -0.8675,
                                    "attention": [[0.1, 0.2], [0.3, 0.4]],
                                },
                                {
                                    "text": "carbonara",
                                    "probability": 0.21,
                                    "log_probability": -1.5606,
                                    "attention": [[0.25, 0.25], [0.25, 0.25]],
                                },
                            ],
                        }
                    ],
                    "grid": {"rows": 2, "columns": 2},
                    "region": {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0},
                    "model": "tastespace-captions",
                    "took_ms": {"decode": 4.1, "caption": 61.5},
                }
            ]
        }
    )

    captions: list[CaptionOut]
    grid: GridOut | None = Field(default=None, description="Of the attention maps, where they were asked for.")
    region: RegionOut | None = Field(default=None, description="What of the photo the grid covers.")
    model: str
    took_ms: dict[str, float] = Field(description="Milliseconds by stage; also in the Server-Timing header.")
