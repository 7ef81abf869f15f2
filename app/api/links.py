"""``/v1/recipes/{id}/images/{image_id}``: which photos show which recipe."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.api.deps import ItemIdDep, RuntimeDep
from app.api.openapi import problems
from app.ids import check_id

router = APIRouter(prefix="/recipes/{item_id}/images", tags=["recipes"])

ImageIdPath = Annotated[str, Path(description="The photo's id.", examples=["carbonara-1"])]


@router.put(
    "/{image_id}",
    summary="Link a photo with a recipe",
    status_code=204,
    responses=problems("unknown-item", "invalid-id"),
)
async def link(runtime: RuntimeDep, item_id: ItemIdDep, image_id: ImageIdPath) -> Response:
    """The photo comes last among the recipe's; linked twice is linked once."""
    await runtime.ingest.link(item_id, check_id(image_id))
    return Response(status_code=204)


@router.delete(
    "/{image_id}",
    summary="Take a photo from a recipe",
    status_code=204,
    responses=problems("unknown-item", "invalid-id"),
)
async def unlink(runtime: RuntimeDep, item_id: ItemIdDep, image_id: ImageIdPath) -> Response:
    """Both items stay; taking away what is not linked changes nothing."""
    await runtime.ingest.unlink(item_id, check_id(image_id))
    return Response(status_code=204)
