"""Recipes as clients send and get them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator
from pydantic.config import JsonDict

from app.schemas.common import Extra, ItemId, Line, Request, Response, Tag, Tags, Title
from app.schemas.filters import ExpandedIngredients
from index.types import Recipe

EXAMPLE_RECIPE: JsonDict = {
    "id": "spaghetti-carbonara",
    "title": "Spaghetti Carbonara",
    "ingredients": ["400 g spaghetti", "150 g guanciale", "4 eggs", "80 g pecorino romano"],
    "instructions": [
        "Boil the spaghetti in salted water.",
        "Fry the guanciale until golden.",
        "Toss everything off the heat with the beaten eggs and cheese.",
    ],
    "tags": ["pasta", "italian"],
    "extra": {"cuisine": "Italian", "course": "Main course"},
}
EXAMPLE_STORED_RECIPE: JsonDict = EXAMPLE_RECIPE | {
    "image_ids": ["carbonara-1"],
    "revision": 1,
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "links": {
        "self": "/v1/recipes/spaghetti-carbonara",
        "images": ["/v1/images/carbonara-1/file"],
        "thumbnails": ["/v1/images/carbonara-1/thumbnail"],
    },
}

Lines = Annotated[list[Line], Field(max_length=500)]
ImageIds = Annotated[list[ItemId], Field(max_length=1000)]


class RecipePart(Request):
    """A recipe, whole or in part: at least a title, an ingredient or an instruction."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ingredients": ["spaghetti", "eggs", "guanciale"]}]})

    title: Title = ""
    ingredients: Lines = Field(default_factory=list)
    instructions: Lines = Field(default_factory=list)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.title or any(self.ingredients) or any(self.instructions)):
            raise ValueError("a recipe needs a title, an ingredient or an instruction")
        return self

    def to_recipe(self) -> Recipe:
        return Recipe(title=self.title, ingredients=tuple(self.ingredients), instructions=tuple(self.instructions))


class RecipeFields(RecipePart):
    """The content of a recipe. Data of other kinds (cuisine, yield, source ...) goes under ``extra``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{name: EXAMPLE_RECIPE[name] for name in EXAMPLE_RECIPE if name != "id"}]}
    )

    tags: Tags = Field(default_factory=list)
    extra: Extra = Field(default_factory=dict)
    image_ids: ImageIds | None = Field(default=None, description="Its photos; left out: the links stay.")

    def to_recipe(self) -> Recipe:
        return Recipe(
            title=self.title,
            ingredients=tuple(self.ingredients),
            instructions=tuple(self.instructions),
            tags=tuple(self.tags),
            extra=self.extra,
        )


class RecipeIn(RecipeFields):
    """A recipe to store. Without an ``id`` a new one is made; with the id of a stored recipe that one is replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RECIPE]})

    id: ItemId | None = None


class RecipePatch(Request):
    """Changes as a JSON merge patch (RFC 7396): what is left out stays, null empties, ``extra`` is merged."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tags": ["pasta", "quick"], "extra": {"servings": 4, "course": None}}]}
    )

    title: Title | None = None
    ingredients: Lines | None = None
    instructions: Lines | None = None
    tags: Annotated[list[Tag], Field(max_length=100)] | None = None
    extra: dict[str, JsonValue] | None = None
    image_ids: ImageIds | None = None


class RecipeLinks(Response):
    self: str
    images: list[str]
    thumbnails: list[str]


class RecipeOut(Response):
    """A stored recipe."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_STORED_RECIPE]})

    id: str
    title: str
    ingredients: list[str]
    instructions: list[str]
    tags: list[str]
    extra: dict[str, JsonValue]
    image_ids: list[str]
    revision: int
    created_at: datetime
    updated_at: datetime
    links: RecipeLinks


class RecipePage(Response):
    """One page of a listing; ``next`` is the address of the next page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [EXAMPLE_STORED_RECIPE], "next_cursor": None, "next": None, "expanded_ingredients": None}
            ]
        }
    )

    items: list[RecipeOut]
    next_cursor: str | None
    next: str | None
    expanded_ingredients: ExpandedIngredients = None
