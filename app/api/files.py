"""``/v1/images/{id}/file`` and ``/thumbnail``: the pictures themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from starlette.requests import Request

from app.api.conditions import is_fresh
from app.api.deps import ItemIdDep, RuntimeDep
from app.api.openapi import problems
from app.pictures import THUMBNAIL_MEDIA_TYPE
from index.types import StoredImage

router = APIRouter(prefix="/images/{item_id}", tags=["images"])

# An id may get other bytes later, so a copy is kept but asked about.
_CACHE = "public, max-age=0, must-revalidate"
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/heic": ".heic",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}, "example": "(bytes of the picture)"}


@router.get(
    "/file",
    summary="Get a photo's file",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes as they were uploaded.",
            "content": dict.fromkeys(_SUFFIXES, _BYTES),
        },
        206: {"description": "The asked `Range` of the bytes."},
        304: {"description": "The copy with the ETag of `If-None-Match` is the present one."},
        **problems("unknown-item", "invalid-id", "range-not-satisfiable"),
    },
)
@router.head("/file", include_in_schema=False)
async def get_file(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """The ETag is the SHA-256 of the bytes."""
    image = await runtime.library.image(item_id)
    tag = f'"{image.picture.blob}"'
    headers = _headers(tag, _disposition(image))
    if is_fresh(request, tag):
        return Response(status_code=304, headers=headers)
    found = await runtime.library.file(image)
    if isinstance(found, Path):
        return FileResponse(found, media_type=image.picture.media_type, headers=headers)
    return Response(found, media_type=image.picture.media_type, headers=headers)


@router.get(
    "/thumbnail",
    summary="Get a small copy of a photo",
    response_class=Response,
    responses={
        200: {"description": "A WebP picture, upright.", "content": {THUMBNAIL_MEDIA_TYPE: _BYTES}},
        304: {"description": "The copy with the ETag of `If-None-Match` is the present one."},
        **problems("unknown-item", "invalid-id"),
    },
)
@router.head("/thumbnail", include_in_schema=False)
async def get_thumbnail(
    request: Request,
    runtime: RuntimeDep,
    item_id: ItemIdDep,
    size: Annotated[int, Query(ge=64, le=1024, description="Longest side in pixels.", examples=[256])] = 256,
) -> Response:
    """64, 128, 256, 512 and 1024 are kept once made, so they are fast. A smaller picture is not enlarged."""
    image = await runtime.library.image(item_id)
    tag = f'"{image.picture.blob}-{size}"'
    headers = _headers(tag, "inline")
    if is_fresh(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(await runtime.library.thumbnail(image, size), media_type=THUMBNAIL_MEDIA_TYPE, headers=headers)


def _headers(tag: str, disposition: str) -> dict[str, str]:
    return {
        "ETag": tag,
        "Cache-Control": _CACHE,
        "Content-Disposition": disposition,
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def _disposition(image: StoredImage) -> str:
    """RFC 6266: a plain name for old clients, the real one percent-encoded."""
    name = f"{image.id}{_SUFFIXES.get(image.picture.media_type, '')}"
    plain = re.sub(r"[^A-Za-z0-9._\-]", "_", name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
