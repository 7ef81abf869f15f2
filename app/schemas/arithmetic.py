"""Queries of several terms: what is added and subtracted, and how that becomes an order."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.schemas.common import Finite, ItemId, Query, Request, Tag
from app.schemas.recipes import RecipePart
from app.services.query import MAX_PHOTOS
from index.algebra import DEFAULT_BALANCE, DEFAULT_STRATEGY, Strategy
from index.expression import MAX_LENGTH, MAX_TERMS, MAX_WEIGHT


def _not_zero(weight: float) -> float:
    if weight == 0:
        raise ValueError("a weight of 0 leaves the term without effect; leave the term out, or give it a weight")
    return weight


Weight = Annotated[
    Finite,
    Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, description="How much of it to add; negative: to subtract. Not 0."),
    AfterValidator(_not_zero),
]
Balance = Annotated[
    Finite,
    Field(
        gt=0,
        lt=1,
        description=(
            "The share of the texts (tags, texts, recipes) against the photos, where the query has both. Left out: "
            + ", ".join(f"`{name}` {'by the weights' if b is None else b}" for name, b in DEFAULT_BALANCE.items())
            + "."
        ),
    ),
]
StrategyIn = Annotated[
    Strategy,
    Field(
        description=(
            "`weighted_sum`: the sum of the terms' directions by their weights. `text_difference`: the same, but a "
            "text acts by what sets it apart from texts in general, so that it doesn't pull photos towards texts. "
            "`best_score`: each candidate by its best positive term or, where a negative one is nearer, by that; "
            "takes queries that only subtract. `projection`: the text difference of what is added, and only as much of "
            "what is subtracted is taken out as the rest of the query shows. "
            f"Left out: `{DEFAULT_STRATEGY}`."
        )
    ),
]
ExpressionIn = Annotated[
    str,
    StringConstraints(max_length=MAX_LENGTH),
    Field(
        description=(
            'Terms with `+` and `-` between spaces: `photo + pasta - rice`, `2:dessert - "ice cream" + @my-dish`. '
            "`photo`, `photo2` ... are the uploaded files, `@ID` is a stored photo or else recipe (`@image/ID`, "
            "`@recipe/ID`), `2:` is a weight, phrases may be quoted."
        )
    ),
]


class TermIn(Request):
    """A term: exactly one of the operands, and its weight."""

    operands: ClassVar[tuple[str, ...]] = ("tag", "text", "image_id", "recipe_id", "recipe", "photo")

    tag: Tag | None = None
    text: Query | None = None
    image_id: ItemId | None = Field(default=None, description="A stored photo.")
    recipe_id: ItemId | None = Field(default=None, description="A stored recipe.")
    recipe: RecipePart | None = None
    photo: int | None = Field(
        default=None, ge=1, le=MAX_PHOTOS, description="An uploaded file, by its place in the form, from 1."
    )
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _one_operand(self) -> Self:
        given = [name for name in self.operands if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(self.operands)} (got {', '.join(given) or 'none'})")
        return self


class QueryIn(Request):
    """Any number of terms, added and subtracted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "terms": [
                        {"image_id": "carbonara-1"},
                        {"tag": "mushroom", "weight": 2},
                        {"tag": "meat", "weight": -1},
                    ],
                    "strategy": "text_difference",
                    "balance": 0.5,
                }
            ]
        }
    )

    terms: list[TermIn] = Field(min_length=1, max_length=MAX_TERMS)
    strategy: StrategyIn = DEFAULT_STRATEGY
    balance: Balance | None = None
