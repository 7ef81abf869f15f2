"""What handlers are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.requests import Request

from app.ids import check_id
from app.opening import Opening
from app.runtime import Runtime
from app.schemas.common import Tag
from app.schemas.filters import (
    MAX_FILTER_CAPTIONS,
    MAX_FILTER_INGREDIENTS,
    MAX_FILTER_TAGS,
    CaptionPhrase,
    IngredientName,
)
from app.security import check_key
from index.types import Filter


# These are coroutines because the framework runs plain functions in its thread pool, which costs more than they do.
async def get_runtime(request: Request) -> Runtime:
    """Raises Problem, 503, while it is not open."""
    opening: Opening = request.app.state.opening
    return opening.runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def require_key(request: Request, runtime: RuntimeDep) -> None:
    check_key(request, runtime.settings.api_key)


async def _item_id(
    item_id: Annotated[
        str,
        Path(description="1 to 128 characters, percent-encoded; no '/'.", examples=["spaghetti-carbonara"]),
    ],
) -> str:
    return check_id(item_id)


ItemIdDep = Annotated[str, Depends(_item_id)]

CursorQuery = Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=512)]
LimitQuery = Annotated[int, Query(ge=1, le=1000, description="Most items on the page.", examples=[50])]
TagQuery = Annotated[
    list[Tag],
    Query(
        alias="tag",
        max_length=MAX_FILTER_TAGS,
        description="Only items with this tag; repeat it for several.",
        examples=[["pasta"]],
    ),
]

IngredientQuery = Annotated[
    list[IngredientName],
    Query(
        alias="ingredient",
        max_length=MAX_FILTER_INGREDIENTS,
        description="Only recipes with this ingredient, or photos of such recipes; repeat it for several.",
        examples=[["scallion"]],
    ),
]
CaptionQuery = Annotated[
    list[CaptionPhrase],
    Query(
        alias="caption",
        max_length=MAX_FILTER_CAPTIONS,
        description="Only photos with a caption that says this; repeat it for several.",
        examples=[["two dogs"]],
    ),
]
ExpandQuery = Annotated[
    bool,
    Query(
        alias="expand_ingredients",
        description="Let each ingredient also stand for names that mean the same; "
        "the answer says which, in `expanded_ingredients`.",
    ),
]


def listing_filter(
    tags: list[str],
    ingredients: list[str],
    *,
    captions: Sequence[str] = (),
    has_image: bool | None = None,
    has_recipe: bool | None = None,
    generated: bool | None = None,
) -> Filter:
    return Filter(
        tags_all=tuple(tags),
        ingredients_all=tuple((name,) for name in ingredients),
        captions_all=tuple(captions),
        has_image=has_image,
        has_recipe=has_recipe,
        generated=generated,
    )
