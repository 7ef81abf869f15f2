"""``/v1/captions``."""

from __future__ import annotations

import math
from typing import Final, get_args

from fastapi import APIRouter, Response
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
    unsupported,
    validated,
)
from app.api.deps import RuntimeDep
from app.api.negotiation import preferred
from app.api.openapi import FILE, body, form_content, json_content, problems
from app.ids import check_id
from app.schemas.captioning import (
    CaptionedWordOut,
    CaptionOut,
    CaptionPhoto,
    CaptionWindow,
    GridOut,
    PhotoCaptions,
    RegionOut,
)
from app.services.captioning import CaptionAnswer, CaptionRequest
from app.services.query import Item, Photo
from index.types import Kind
from models.captioning.types import MAX_BEAMS, MAX_WORDS, Caption, RequestedStyle

router = APIRouter(prefix="/captions", tags=["captions"])

PNG: Final = "image/png"

_DIGITS = 5  # of a share of attention
_FIELDS = frozenset(CaptionWindow.model_fields)
_PHOTO = form_content(
    {
        "file": dict(FILE),
        "style": {"type": "string", "enum": list(get_args(RequestedStyle)), "default": "auto"},
        "beams": {"type": "integer", "minimum": 1, "maximum": MAX_BEAMS, "default": 5},
        "num_captions": {"type": "integer", "minimum": 1, "maximum": MAX_BEAMS, "default": 1},
        "max_words": {"type": "integer", "minimum": 1, "maximum": MAX_WORDS, "default": 24},
        "attention": {"type": "boolean", "default": False},
    },
    ["file"],
    {"file": "(bytes of dinner.jpg)", "style": "general", "num_captions": 3},
)


@router.post(
    "",
    summary="Caption a photo",
    response_model=PhotoCaptions,
    responses={
        200: {
            "description": "The captions; or, where the request accepts `image/png`, the figure of the best one: the "
            "photo, then for each word the photo darkened but where the model looked.",
            "content": {
                PNG: {"schema": {"type": "string", "format": "binary"}, "example": "(bytes of the figure)"},
            },
        },
        **problems(
            "bad-request",
            "unknown-item",
            "not-acceptable",
            "captioner-unavailable",
            "too-large",
            "unsupported-media-type",
            "invalid-id",
            "invalid-picture",
            "captioning-failed",
            "damaged",
            "at-capacity",
            "unavailable",
            "deadline",
        ),
    },
    openapi_extra=body(json_content(CaptionPhoto), _PHOTO),
)
async def caption_photo(request: Request, runtime: RuntimeDep) -> Response:
    """A photo (multipart form with `file`) or a stored one (JSON with `image_id`) -> captions, word by word with
    probabilities, and with `attention` where the model looked for each word. `Accept: image/png` gets that drawn."""
    figure = preferred(request, (JSON, PNG)) == PNG
    if media_type(request) == MULTIPART:
        wanted = await _from_form(request, figure)
    elif media_type(request) == JSON:
        asked = validated(CaptionPhoto, await read_json(request))
        photo = Item(Kind.IMAGE, check_id(asked.image_id, "image_id"))
        wanted = CaptionRequest(photo=photo, options=asked.to_options(), figure=figure)
    else:
        raise unsupported(request, JSON, MULTIPART)
    answer = await runtime.captioning.caption(wanted)
    headers = {"Server-Timing": answer.timings.header(), "Vary": "Accept"}
    if answer.figure is not None:
        return Response(answer.figure, media_type=PNG, headers=headers)
    content = _content(answer, wanted.options.attention)
    return JSONResponse(content.model_dump(mode="json", exclude_none=True), headers=headers)


async def _from_form(request: Request, figure: bool) -> CaptionRequest:
    async with read_form(request, max_files=1, fields=_FIELDS | {"file"}) as form:
        file = form_file(form, "file")
        values = {name: text for name in _FIELDS if (text := form_text(form, name)) is not None}
        options = validated(CaptionWindow, values).to_options()
        return CaptionRequest(photo=Photo(await file.read()), options=options, figure=figure)


def _content(answer: CaptionAnswer, attention: bool) -> PhotoCaptions:
    grid = answer.captioner.grid if attention else None
    return PhotoCaptions(
        captions=[_caption(each) for each in answer.captions],
        grid=None if grid is None else GridOut(rows=grid[0], columns=grid[1]),
        region=RegionOut(**answer.region._asdict()) if attention else None,
        model=answer.captioner.name,
        took_ms=answer.timings.milliseconds(),
    )


def _caption(caption: Caption) -> CaptionOut:
    maps = [None] * len(caption.words) if caption.attention is None else caption.attention.astype(float).tolist()
    return CaptionOut(
        text=caption.text,
        style=caption.style,
        log_probability=caption.log_probability,
        words=[
            CaptionedWordOut(
                text=word.text,
                probability=min(1.0, math.exp(word.log_probability)),
                log_probability=word.log_probability,
                attention=None if rows is None else [[round(share, _DIGITS) for share in row] for row in rows],
            )
            for word, rows in zip(caption.words, maps, strict=True)
        ],
    )
