"""Exact conditions on items, beside whatever a query ranks by."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.schemas.common import ItemId, Request, Tag
from index.text import MAX_PHRASE_LENGTH, caption_phrase, ingredient_phrase
from index.types import Filter

MAX_FILTER_TAGS = 100  # of each condition
MAX_FILTER_INGREDIENTS = 50
MAX_FILTER_CAPTIONS = 50


def _has_words(name: str) -> str:
    ingredient_phrase(name)
    return name


def _says_something(phrase: str) -> str:
    caption_phrase(phrase)
    return phrase


IngredientName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PHRASE_LENGTH),
    AfterValidator(_has_words),
]
IngredientNames = Annotated[list[IngredientName], Field(max_length=MAX_FILTER_INGREDIENTS)]
CaptionPhrase = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PHRASE_LENGTH),
    AfterValidator(_says_something),
]
CaptionPhrases = Annotated[list[CaptionPhrase], Field(max_length=MAX_FILTER_CAPTIONS)]
ExpandedIngredients = Annotated[
    dict[str, list[str]] | None,
    Field(
        description="With `expand_ingredients`: the names that each ingredient of the filter stood for, its own first.",
        examples=[{"scallion": ["scallion", "green onion"]}],
    ),
]
FilterTags = Annotated[list[Tag], Field(max_length=MAX_FILTER_TAGS)]
FilterIds = Annotated[list[ItemId], Field(max_length=10_000)]


class FilterIn(Request):
    """Exact conditions, all of which must hold. Tags compare without regard to case.

    A recipe has an ingredient if one of its ingredient lines holds the words of the name one after the other, without
    regard to case and to singular or plural: `green onion` is in "2 bunches Green Onions, sliced", and `rice` in
    "2 cups rice vinegar" (which `ingredients_none: ["rice vinegar"]` leaves out), not in "licorice". A photo has the
    ingredients of the recipes that it is linked with.

    Captions are a photo's own: `two dogs` is in "Two dogs' race", as words that stand one after the other in one of its
    captions.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"tags_all": ["vegetarian"], "tags_none": ["dessert"]},
                {"ingredients_all": ["scallion", "rice"], "ingredients_none": ["peanut"], "expand_ingredients": True},
                {"captions_all": ["two dogs"], "captions_none": ["grass"]},
            ]
        }
    )

    tags_all: FilterTags = Field(default_factory=list)
    tags_any: FilterTags = Field(default_factory=list)
    tags_none: FilterTags = Field(default_factory=list)
    ingredients_all: IngredientNames = Field(default_factory=list, description="All of these ingredients.")
    ingredients_any: IngredientNames = Field(default_factory=list, description="At least one of these ingredients.")
    ingredients_none: IngredientNames = Field(default_factory=list, description="None of these ingredients.")
    expand_ingredients: bool = Field(
        default=False,
        description="Let each ingredient also stand for names that mean the same by the ingredient word vectors "
        "(`scallion`: `green onion`); the answer says which, in `expanded_ingredients`.",
    )
    ids: FilterIds | None = Field(default=None, description="Only these.")
    exclude_ids: FilterIds = Field(default_factory=list, description="None of these.")
    has_image: bool | None = Field(default=None, description="Recipes with (or without) a linked photo.")
    has_recipe: bool | None = Field(default=None, description="Photos with (or without) a linked recipe.")
    generated: bool | None = Field(default=None, description="Photos drawn by a model (or not).")

    captions_all: CaptionPhrases = Field(default_factory=list, description="Photos: captions say all of this.")
    captions_any: CaptionPhrases = Field(default_factory=list, description="Photos: a caption says one of these.")
    captions_none: CaptionPhrases = Field(default_factory=list, description="Photos: no caption says any of this.")

    def to_filter(self) -> Filter:
        """The conditions as they were sent, each ingredient under its own name only; see app.services.filtering."""
        return Filter(
            tags_all=tuple(self.tags_all),
            tags_any=tuple(self.tags_any),
            tags_none=tuple(self.tags_none),
            ingredients_all=tuple((name,) for name in self.ingredients_all),
            ingredients_any=tuple((name,) for name in self.ingredients_any),
            ingredients_none=tuple((name,) for name in self.ingredients_none),
            ids=None if self.ids is None else tuple(self.ids),
            exclude_ids=tuple(self.exclude_ids),
            has_image=self.has_image,
            has_recipe=self.has_recipe,
            generated=self.generated,
            captions_all=tuple(self.captions_all),
            captions_any=tuple(self.captions_any),
            captions_none=tuple(self.captions_none),
        )
