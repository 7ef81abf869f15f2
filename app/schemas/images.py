"""Photos as clients send and get them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.config import JsonDict

from app.schemas.common import Extra, ItemId, Request, Response, Tag, Tags, Title
from app.schemas.filters import ExpandedIngredients
from app.services.items import AutoCaptions, Automatic, AutoTags
from index.text import MAX_CAPTION_LENGTH, MAX_CAPTIONS
from models.captioning.types import RequestedStyle

EXAMPLE_STORED_IMAGE: JsonDict = {
    "id": "carbonara-1",
    "title": "A plate of carbonara",
    "tags": ["pasta"],
    "auto_tags": [],
    "captions": [
        {"text": "A plate of pasta from above", "style": None, "model": None},
        {"text": "spaghetti carbonara", "style": "dish", "model": "tastespace-captions"},
    ],
    "extra": {},
    "generated": False,
    "recipe_ids": ["spaghetti-carbonara"],
    "media_type": "image/jpeg",
    "width": 1200,
    "height": 900,
    "size": 182044,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "revision": 1,
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "links": {
        "self": "/v1/images/carbonara-1",
        "file": "/v1/images/carbonara-1/file",
        "thumbnail": "/v1/images/carbonara-1/thumbnail",
        "recipes": ["/v1/recipes/spaghetti-carbonara"],
    },
}

RecipeIds = Annotated[list[ItemId], Field(max_length=1000)]
CaptionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_CAPTION_LENGTH)]
CaptionTexts = Annotated[list[CaptionText], Field(max_length=MAX_CAPTIONS)]


class ImageFields(Request):
    """What is said about a photo."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "A plate of carbonara", "tags": ["pasta"], "recipe_ids": []}]}
    )

    title: Title = ""
    tags: Tags = Field(default_factory=list)
    captions: CaptionTexts = Field(default_factory=list, description="Sentences of your own about it.")
    extra: Extra = Field(default_factory=dict)
    generated: bool | None = Field(
        default=None,
        description="Drawn by a model, not taken with a camera. Left out: true for a file in whose metadata this "
        "service wrote that it drew it, false for any other.",
    )
    recipe_ids: RecipeIds | None = Field(default=None, description="Recipes it shows; left out: the links stay.")


class ImageIn(ImageFields):
    """What is said about one uploaded file. Without an ``id`` a new one is made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "carbonara-1", "title": "A plate of carbonara", "tags": ["pasta"]}]}
    )

    id: ItemId | None = None


class AutoTagFields(Request):
    """Fields that ask for automatic tags."""

    auto_tags: bool = Field(default=False, description="Let the trained head add tags to the photos' own.")
    auto_tags_min: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Probability from which a tag is added; left out: the threshold of the head's training.",
    )

    @model_validator(mode="after")
    def _minimum_of_what(self) -> Self:
        if self.auto_tags_min is not None and not self.auto_tags:
            raise ValueError("auto_tags_min needs auto_tags=true")
        return self

    def to_auto_tags(self) -> AutoTags | None:
        """None: no automatic tags."""
        return AutoTags(self.auto_tags_min) if self.auto_tags else None


class AutoCaptionFields(Request):
    """Fields that ask for automatic captions."""

    auto_captions: bool = Field(default=False, description="Let the captioner add a caption to the photos' own.")
    auto_captions_style: RequestedStyle | None = Field(
        default=None,
        description="`general` describes what is seen, `dish` names the dish; left out: `dish` for food.",
    )

    @model_validator(mode="after")
    def _style_of_what(self) -> Self:
        if self.auto_captions_style is not None and not self.auto_captions:
            raise ValueError("auto_captions_style needs auto_captions=true")
        return self

    def to_auto_captions(self) -> AutoCaptions | None:
        """None: no automatic captions."""
        return AutoCaptions(self.auto_captions_style or "auto") if self.auto_captions else None


class AutomaticFields(AutoTagFields, AutoCaptionFields):
    """Fields that ask for all that photos can be given automatically."""

    def to_automatic(self) -> Automatic:
        return Automatic(self.to_auto_tags(), self.to_auto_captions())


class ImagePatch(Request):
    """Changes as a JSON merge patch (RFC 7396): what is left out stays, null empties, ``extra`` is merged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": ["pasta", "italian"], "title": None}]})

    title: Title | None = None
    tags: Annotated[list[Tag], Field(max_length=100)] | None = None
    captions: CaptionTexts | None = Field(default=None, description="Your own, in place of all that are there.")
    extra: dict[str, JsonValue] | None = None
    recipe_ids: RecipeIds | None = None


class ImageLinks(Response):
    self: str
    file: str
    thumbnail: str
    recipes: list[str]


class ImageCaption(Response):
    """A sentence about a photo; `style` and `model` are null where a person wrote it."""

    text: str
    style: str | None
    model: str | None


class ImageOut(Response):
    """A stored photo; width and height are in pixels, upright; size is in bytes."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_STORED_IMAGE]})

    id: str
    title: str
    tags: list[str]
    auto_tags: list[str] = Field(description="Those of `tags` that were added automatically.")
    captions: list[ImageCaption]
    extra: dict[str, JsonValue]
    generated: bool
    recipe_ids: list[str]
    media_type: str
    width: int
    height: int
    size: int
    sha256: str
    revision: int
    created_at: datetime
    updated_at: datetime
    links: ImageLinks


class ImagePage(Response):
    """One page of a listing; ``next`` is the address of the next page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [EXAMPLE_STORED_IMAGE], "next_cursor": None, "next": None, "expanded_ingredients": None}
            ]
        }
    )

    items: list[ImageOut]
    next_cursor: str | None
    next: str | None
    expanded_ingredients: ExpandedIngredients = None
