"""``/v1/captions``."""

from __future__ import annotations

import math
from typing import get_args

from fastapi import APIRouter, Response
from starlette.requests import Request

from app.api.deps import RuntimeDep
from app.api.openapi import FILE, body, form_content, json_content
from app.api.photo_routes import read_photo, respond, responses, wants_figure
from app.schemas.attention import GridOut, RegionOut, attention_rows
from app.schemas.captioning import (
    CaptionedWordOut,
    CaptionOut,
    CaptionPhoto,
    CaptionWindow,
    PhotoCaptions,
)
from app.services.captioning import CaptionAnswer, CaptionRequest
from models.captioning.types import MAX_BEAMS, MAX_WORDS, Caption, RequestedStyle

router = APIRouter(prefix="/captions", tags=["captions"])

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
    responses=responses(
        "The captions; or, where the request accepts `image/png`, the figure of the best one: the photo, then for each "
        "word the photo darkened but where the model looked.",
        "captioner-unavailable",
        "captioning-failed",
    ),
    openapi_extra=body(json_content(CaptionPhoto), _PHOTO),
)
async def caption_photo(request: Request, runtime: RuntimeDep) -> Response:
    """A photo (multipart form with `file`) or a stored one (JSON with `image_id`) -> captions, word by word with
    probabilities, and with `attention` where the model looked for each word. `Accept: image/png` gets that drawn."""
    figure = wants_figure(request)
    photo, asked = await read_photo(request, CaptionWindow, CaptionPhoto)
    wanted = CaptionRequest(photo=photo, options=asked.to_options(), figure=figure)
    answer = await runtime.captioning.caption(wanted)
    return respond(_content(answer, wanted.options.attention), answer.figure, answer.timings)


def _content(answer: CaptionAnswer, attention: bool) -> PhotoCaptions:
    grid = answer.captioner.grid if attention else None
    return PhotoCaptions(
        captions=[_caption(each) for each in answer.captions],
        grid=None if grid is None else GridOut.of(grid),
        region=RegionOut.of(answer.region) if attention else None,
        model=answer.captioner.name,
        took_ms=answer.timings.milliseconds(),
    )


def _caption(caption: Caption) -> CaptionOut:
    maps = [None] * len(caption.words) if caption.attention is None else map(attention_rows, caption.attention)
    return CaptionOut(
        text=caption.text,
        style=caption.style,
        log_probability=caption.log_probability,
        words=[
            CaptionedWordOut(
                text=word.text,
                probability=min(1.0, math.exp(word.log_probability)),
                log_probability=word.log_probability,
                attention=rows,
            )
            for word, rows in zip(caption.words, maps, strict=True)
        ],
    )
