"""``/v1/ingredients``: which ingredients are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import StringConstraints

from app.api.deps import RuntimeDep
from app.api.openapi import problems
from app.schemas.ingredients import AnalogyOut, NeighbourOut, SimilarOut
from models.words.vectors import Neighbour

router = APIRouter(prefix="/ingredients", tags=["ingredients"])

_MOST_TERMS = 8

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
KQuery = Annotated[int, Query(ge=1, le=100, description="Most neighbours in the answer.")]


@router.get(
    "/analogy",
    summary="Add and subtract ingredients",
    response_model=AnalogyOut,
    responses=problems("unknown-ingredient", "cancelled-out"),
)
async def analogy(
    runtime: RuntimeDep,
    positive: Annotated[
        list[Name],
        Query(
            min_length=1,
            max_length=_MOST_TERMS,
            description="Ingredient to add; repeat it for several.",
            examples=[["white wine", "beef"]],
        ),
    ],
    negative: Annotated[
        list[Name],
        Query(max_length=_MOST_TERMS, description="Ingredient to subtract; may be repeated.", examples=[["chicken"]]),
    ] = [],  # noqa: B006 - the framework copies it
    k: KQuery = 10,
    method: Annotated[Literal["add", "mul"], Query(description="3CosAdd or 3CosMul (Levy and Goldberg 2014).")] = "mul",
) -> AnalogyOut:
    """`chicken` is to `white wine` as `beef` is to ...: add the last two and subtract the first."""
    found = await runtime.executors.database(runtime.words.analogy, positive, negative, k, method)
    return AnalogyOut(
        positive=list(found.positive), negative=list(found.negative), similar=_neighbours(found.neighbours)
    )


@router.get(
    "/{name}/similar",
    summary="Ingredients like this one",
    response_model=SimilarOut,
    responses=problems("unknown-ingredient"),
)
async def similar(
    runtime: RuntimeDep,
    name: Annotated[Name, Path(description="As recipes write it, percent-encoded.", examples=["scallion"])],
    k: KQuery = 10,
    min_similarity: Annotated[float, Query(ge=-1, le=1, description="Least cosine.", examples=[0.5])] = -1.0,
) -> SimilarOut:
    """Nearest first, by word vectors; `expansion` has other names for the same thing alone. The name is read as a line
    of a recipe is: `2 cups Green Onions` is `green onion`."""
    found = await runtime.executors.database(runtime.words.similar, name, k, min_similarity)
    return SimilarOut(name=found.name, similar=_neighbours(found.neighbours), expansion=list(found.expansion))


def _neighbours(found: Sequence[Neighbour]) -> list[NeighbourOut]:
    return [NeighbourOut(name=each.name, similarity=round(each.similarity, 4), count=each.count) for each in found]
