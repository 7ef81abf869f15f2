"""``/v1/tags``."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.requests import Request

from app.api.bodies import (
    JSON,
    MULTIPART,
    form_file,
    form_text,
    media_type,
    read_form,
    read_json,
    strict_json,
    unsupported,
    validated,
)
from app.api.deps import RuntimeDep
from app.api.openapi import FILE, body, form_content, json_content, problems
from app.ids import check_id
from app.schemas.common import MAX_K
from app.schemas.system import TagOut, TagsOut
from app.schemas.tagging import MAX_VOCABULARY, PhotoTags, TagPhoto, TagScoreOut, TagWindow
from app.services.query import Item, Photo
from app.services.tagging import TagAnswer, TagMethod, TagRequest
from index.types import Kind

router = APIRouter(prefix="/tags", tags=["tags"])

_JSON_FIELDS = frozenset({"vocabulary", "groups"})
_FIELDS = frozenset(TagWindow.model_fields)
_JSON_LIST = {"type": "string", "contentMediaType": "application/json"}
_PHOTO = form_content(
    {
        "file": dict(FILE),
        "vocabulary": {
            **_JSON_LIST,
            "contentSchema": {"type": "array", "minItems": 1, "maxItems": MAX_VOCABULARY},
            "description": "A JSON list of tags, each a text or an object with `tag` and `group`.",
        },
        "method": {"type": "string", "enum": [method.value for method in TagMethod]},
        "k": {"type": "integer", "minimum": 1, "maximum": MAX_K, "default": 10},
        "min_probability": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "groups": {**_JSON_LIST, "contentSchema": {"type": "array", "items": {"type": "string"}}},
    },
    ["file"],
    {"file": "(bytes of dinner.jpg)", "k": 5, "groups": '["ingredient", "dish"]'},
)


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


@router.post(
    "",
    summary="Tag a photo",
    response_model=PhotoTags,
    responses=problems(
        "bad-request",
        "unknown-item",
        "tagger-unavailable",
        "too-large",
        "unsupported-media-type",
        "invalid-id",
        "invalid-picture",
        "encoding-failed",
        "at-capacity",
        "unavailable",
        "deadline",
    ),
    openapi_extra=body(json_content(TagPhoto), _PHOTO),
)
async def tag_photo(request: Request, runtime: RuntimeDep) -> JSONResponse:
    """A photo (multipart form with `file`) or a stored one (JSON with `image_id`) -> tags with calibrated
    probabilities. By the trained head for the built-in tags, or zero-shot for a `vocabulary` of your own."""
    if media_type(request) == MULTIPART:
        wanted = await _from_form(request)
    elif media_type(request) == JSON:
        asked = validated(TagPhoto, await read_json(request))
        wanted = _request(asked, Item(Kind.IMAGE, check_id(asked.image_id, "image_id")))
    else:
        raise unsupported(request, JSON, MULTIPART)
    return _response(await runtime.tagging.tag(wanted))


async def _from_form(request: Request) -> TagRequest:
    async with read_form(request, max_files=1, fields=_FIELDS | {"file"}) as form:
        file = form_file(form, "file")
        values: dict[str, object] = {}
        for name in _FIELDS:
            if (text := form_text(form, name)) is not None:
                values[name] = strict_json(text.encode(), name) if name in _JSON_FIELDS else text
        window = validated(TagWindow, values)
        return _request(window, Photo(await file.read()))


def _request(window: TagWindow, photo: Photo | Item) -> TagRequest:
    return TagRequest(
        photo=photo,
        vocabulary=window.to_vocabulary(),
        method=None if window.method is None else TagMethod(window.method),
        k=window.k,
        min_probability=window.min_probability,
        groups=None if window.groups is None else frozenset(window.groups),
    )


def _response(answer: TagAnswer) -> JSONResponse:
    content = PhotoTags(
        tags=[TagScoreOut(tag=each.tag, group=each.group, probability=each.probability) for each in answer.tags],
        method=answer.method.value,
        calibrated=answer.calibrated,
        model=answer.model,
        took_ms=answer.timings.milliseconds(),
    )
    return JSONResponse(content.model_dump(mode="json"), headers={"Server-Timing": answer.timings.header()})
