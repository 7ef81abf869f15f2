"""What the routes share that say something of one photo, sent as a form or named in JSON, and can draw it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
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
from app.api.negotiation import preferred
from app.api.openapi import problems
from app.ids import check_id
from app.schemas.common import StoredPhoto
from app.services.query import Item, Photo
from app.services.timings import Timings
from index.types import Kind

PNG: Final = "image/png"

SentT = TypeVar("SentT", bound=BaseModel)
StoredT = TypeVar("StoredT", bound=StoredPhoto)


async def read_photo(
    request: Request, sent: type[SentT], stored: type[StoredT]
) -> tuple[Photo | Item, SentT | StoredT]:
    """The photo, and what is asked of it: ``sent`` are the text fields of the form beside ``file``, ``stored`` is the
    JSON object.

    Raises:
        Problem: 415 for another media type, 422 that names what is wrong.
    """
    if media_type(request) == MULTIPART:
        names = frozenset(sent.model_fields)
        async with read_form(request, max_files=1, fields=names | {"file"}) as form:
            file = form_file(form, "file")
            values = {name: text for name in names if (text := form_text(form, name)) is not None}
            asked = validated(sent, values)
            return Photo(await file.read()), asked
    if media_type(request) == JSON:
        wanted = validated(stored, await read_json(request))
        return Item(Kind.IMAGE, check_id(wanted.image_id, "image_id")), wanted
    raise unsupported(request, JSON, MULTIPART)


def wants_figure(request: Request) -> bool:
    """Whether the figure is preferred to JSON. Raises Problem 406 where neither is accepted."""
    return preferred(request, (JSON, PNG)) == PNG


def responses(description: str, *slugs: str) -> dict[int | str, dict[str, Any]]:
    """Documented responses of such a route: the answer as JSON or as a figure, and problems; ``slugs`` are its own."""
    figure = {"schema": {"type": "string", "format": "binary"}, "example": "(bytes of the figure)"}
    return {
        200: {"description": description, "content": {PNG: figure}},
        **problems(
            "bad-request",
            "unknown-item",
            "not-acceptable",
            "too-large",
            "unsupported-media-type",
            "invalid-id",
            "invalid-picture",
            "damaged",
            "at-capacity",
            "unavailable",
            "deadline",
            *slugs,
        ),
    }


def respond(content: BaseModel, figure: bytes | None, timings: Timings) -> Response:
    """The figure, where there is one, else the content without what is None."""
    headers = {"Server-Timing": timings.header(), "Vary": "Accept"}
    if figure is not None:
        return Response(figure, media_type=PNG, headers=headers)
    return JSONResponse(content.model_dump(mode="json", exclude_none=True), headers=headers)
