"""Searches: exactly one source, a filter, a window; and their hits."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from app.schemas.arithmetic import Balance, ExpressionIn, QueryIn, StrategyIn
from app.schemas.common import MAX_K, MAX_OFFSET, Finite, ItemId, Query, Request, Response, TagObject
from app.schemas.filters import ExpandedIngredients, FilterIn
from app.schemas.images import EXAMPLE_STORED_IMAGE, ImageOut
from app.schemas.recipes import EXAMPLE_STORED_RECIPE, RecipeOut, RecipePart


class Window(Request):
    """Which of the ranked items are answered."""

    k: int = Field(default=10, ge=1, le=MAX_K, description="How many hits.")
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET, description="How many hits to leave out first.")
    filter: FilterIn = FilterIn()


class _Arithmetic(Window):
    query: QueryIn | None = None
    expression: ExpressionIn | None = None
    strategy: StrategyIn | None = None
    balance: Balance | None = None

    @model_validator(mode="after")
    def _beside_an_expression(self) -> Self:
        if self.expression is None and (self.strategy is not None or self.balance is not None):
            raise ValueError("strategy and balance stand beside an expression; a query has them within")
        return self


class _Search(_Arithmetic):
    sources: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in self.sources if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(self.sources)
            raise ValueError(f"give exactly one of {names} (got {', '.join(given) or 'none'})")
        return self

    @property
    def source(self) -> str:
        return next(name for name in self.sources if getattr(self, name) is not None)


class RecipeSearch(_Search):
    """Recipes by a stored photo, text, a recipe (whole or in part), a stored recipe, or an arithmetic of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_id": "carbonara-1", "k": 5},
                {"text": "something warm with chickpeas", "filter": {"tags_none": ["meat"]}},
                {"text": "noodles", "filter": {"ingredients_all": ["scallion"], "expand_ingredients": True}},
                {"recipe": {"ingredients": ["rice", "saffron", "mussels"]}},
                {"expression": "@carbonara-1 + mushroom - 0.5:meat", "balance": 0.6},
            ]
        }
    )
    sources: ClassVar[tuple[str, ...]] = ("image_id", "text", "recipe", "recipe_id", "query", "expression")

    image_id: ItemId | None = None
    text: Query | None = None
    recipe: RecipePart | None = None
    recipe_id: ItemId | None = None


class WeightedTag(TagObject):
    """A tag alone, or with its weight."""

    weight: Finite = Field(default=1.0, gt=0, le=100)


class TagTerms(Request):
    """Tags to add and to subtract: ``include`` pulls, ``exclude`` pushes, in proportion to the weights."""

    include: list[WeightedTag] = Field(min_length=1, max_length=50)
    exclude: list[WeightedTag] = Field(default_factory=list, max_length=50)

    def weighted(self) -> list[tuple[str, float]]:
        """(tag, signed weight) in order, includes first."""
        return [(term.tag, term.weight) for term in self.include] + [(term.tag, -term.weight) for term in self.exclude]


class ImageSearch(_Search):
    """Photos by a recipe (whole or in part), a stored recipe, text, a stored photo, tags, or an arithmetic of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"tags": {"include": ["pasta", {"tag": "tomato", "weight": 0.5}], "exclude": ["meat"]}, "k": 12},
                {"recipe": {"title": "Paella", "ingredients": ["rice", "saffron"]}},
                {"text": "a bowl of noodle soup", "filter": {"has_recipe": True}},
                {"expression": '@carbonara-1 + "green onion" - bacon', "strategy": "text_difference"},
                {
                    "query": {
                        "terms": [{"image_id": "carbonara-1"}, {"tag": "soup"}, {"tag": "meat", "weight": -0.5}],
                        "strategy": "best_score",
                    }
                },
            ]
        }
    )
    sources: ClassVar[tuple[str, ...]] = ("recipe", "recipe_id", "text", "image_id", "tags", "query", "expression")

    recipe: RecipePart | None = None
    recipe_id: ItemId | None = None
    text: Query | None = None
    image_id: ItemId | None = None
    tags: TagTerms | None = None


class TermOut(Response):
    """What one term of the query gave to the score of a hit; the contributions of all terms add up to it."""

    term: str
    weight: float
    contribution: float


class _Hit(Response):
    id: str
    score: float = Field(ge=-1, le=1, description="Cosine of query and item; of `best_score` its own, in [-1, 1].")
    terms: list[TermOut] | None = Field(default=None, description="For queries of several terms.")


class RecipeHit(_Hit):
    recipe: RecipeOut


class ImageHit(_Hit):
    image: ImageOut


class _Hits(Response):
    k: int
    offset: int
    took_ms: dict[str, float] = Field(description="Milliseconds by stage; also in the Server-Timing header.")
    expanded_ingredients: ExpandedIngredients = None


class RecipeHits(_Hits):
    """Recipes, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "k": 1,
                    "offset": 0,
                    "took_ms": {"decode": 4.1, "encode": 12.9, "search": 0.6, "fetch": 1.2},
                    "expanded_ingredients": None,
                    "hits": [
                        {"id": "spaghetti-carbonara", "score": 0.61, "terms": None, "recipe": EXAMPLE_STORED_RECIPE}
                    ],
                }
            ]
        }
    )

    hits: list[RecipeHit]


class ImageHits(_Hits):
    """Photos, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "k": 1,
                    "offset": 0,
                    "took_ms": {"encode": 5.2, "search": 0.6, "fetch": 1.2},
                    "expanded_ingredients": None,
                    "hits": [
                        {
                            "id": "carbonara-1",
                            "score": 0.55,
                            "terms": [
                                {"term": "pasta", "weight": 1.0, "contribution": 0.62},
                                {"term": "meat", "weight": -1.0, "contribution": -0.07},
                            ],
                            "image": EXAMPLE_STORED_IMAGE,
                        }
                    ],
                }
            ]
        }
    )

    hits: list[ImageHit]


class PhotoSearch(_Arithmetic):
    """The form fields beside uploaded photos; ``filter`` and ``query`` are JSON. Without a ``query`` or ``expression``
    the one photo is the query."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.query is not None and self.expression is not None:
            raise ValueError("give one of query, expression (got both)")
        return self
