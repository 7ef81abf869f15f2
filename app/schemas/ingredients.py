"""Ingredients and their word vectors."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from app.schemas.common import Response


class NeighbourOut(Response):
    name: str
    similarity: float = Field(description="Cosine; in an analogy by `mul` a score above 0.")
    count: int = Field(description="Recipes of the training data in which it stands.")


class SimilarOut(Response):
    """Ingredients used like this one, nearest first, and the names that mean the same."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "scallion",
                    "similar": [
                        {"name": "daikon", "similarity": 0.6381, "count": 25},
                        {"name": "sriracha", "similarity": 0.6372, "count": 40},
                        {"name": "green onion", "similarity": 0.61, "count": 3645},
                    ],
                    "expansion": ["scallion", "green onion", "spring onion", "salad onion"],
                }
            ]
        }
    )

    name: str = Field(description="As the vocabulary has it.")
    similar: list[NeighbourOut]
    expansion: list[str] = Field(description="The name itself and others for the same thing; filters can use them.")


class AnalogyOut(Response):
    """What the ingredients point at, best first; the ones asked about are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "positive": ["white wine", "beef"],
                    "negative": ["chicken"],
                    "similar": [{"name": "red wine", "similarity": 1.1, "count": 905}],
                }
            ]
        }
    )

    positive: list[str]
    negative: list[str]
    similar: list[NeighbourOut]
