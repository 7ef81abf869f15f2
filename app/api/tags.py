"""``/v1/tags``."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from app.api.deps import RuntimeDep
from app.api.openapi import problems
from app.schemas.system import TagOut, TagsOut
from index.types import Kind

router = APIRouter(prefix="/tags", tags=["tags"])


@router.get("", summary="List tags with their counts", response_model=TagsOut, responses=problems("bad-request"))
async def list_tags(
    runtime: RuntimeDep,
    kind: Annotated[Literal["recipe", "image"], Query(description="Whose tags.")] = "recipe",
    prefix: Annotated[
        str,
        Query(max_length=100, pattern=r"^[^\x00]*$", description="How they start.", examples=["pas"]),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Most tags in the answer.")] = 100,
) -> TagsOut:
    """Most used first, each in its most frequent spelling."""
    found = await runtime.library.tags(Kind(kind), prefix, limit)
    return TagsOut(kind=kind, tags=[TagOut(tag=each.tag, count=each.count) for each in found])
