"""Tagging a photo: what is asked and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.schemas.common import MAX_K, ItemId, Request, Response, TagObject
from models.tagging.vocabulary import TagVocabulary, vocabulary_of

Group = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
MAX_VOCABULARY = 1000


class VocabularyTag(TagObject):
    """A tag alone, or with its group; without one a built-in tag has its own, any other is of the group `other`."""

    group: Group | None = None


class TagWindow(Request):
    """Which tags are answered, beside an uploaded photo; ``vocabulary`` and ``groups`` are JSON in a form."""

    vocabulary: Annotated[list[VocabularyTag], Field(min_length=1, max_length=MAX_VOCABULARY)] | None = Field(
        default=None, description="Your own tags, to choose from; doubles count once. Left out: the built-in ones."
    )
    method: Literal["head", "zero-shot"] | None = Field(
        default=None, description="`head` knows the built-in tags best; `zero-shot` takes any vocabulary."
    )
    k: int = Field(default=10, ge=1, le=MAX_K, description="Most tags in the answer.")
    min_probability: float = Field(default=0.0, ge=0, le=1, description="Less probable tags are left out.")
    groups: Annotated[list[Group], Field(min_length=1, max_length=50)] | None = Field(
        default=None, description="Only tags of these groups."
    )

    def to_vocabulary(self) -> TagVocabulary | None:
        """The tags, each once (without regard to case, the first spelling), with their groups."""
        if self.vocabulary is None:
            return None
        return vocabulary_of((each.tag, each.group) for each in self.vocabulary)


class TagPhoto(TagWindow):
    """Tags of a stored photo."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_id": "carbonara-1", "k": 5, "groups": ["ingredient"]},
                {
                    "image_id": "carbonara-1",
                    "vocabulary": ["pizza", "pasta", {"tag": "on a wooden table", "group": "scene"}],
                },
            ]
        }
    )

    image_id: ItemId


class TagScoreOut(Response):
    tag: str
    group: str
    probability: float = Field(ge=0, le=1)


class PhotoTags(Response):
    """Tags of a photo, most probable first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tags": [
                        {"tag": "Pasta", "group": "dish", "probability": 0.71},
                        {"tag": "Parmesan", "group": "ingredient", "probability": 0.38},
                    ],
                    "method": "head",
                    "calibrated": True,
                    "model": "tastespace-tags",
                    "took_ms": {"decode": 4.1, "encode": 12.9, "tag": 0.2},
                }
            ]
        }
    )

    tags: list[TagScoreOut]
    method: Literal["head", "zero-shot"]
    calibrated: bool = Field(description="Whether the probabilities were fitted for the encoder that is in use.")
    model: str
    took_ms: dict[str, float] = Field(description="Milliseconds by stage; also in the Server-Timing header.")
