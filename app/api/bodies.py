"""Request bodies read with care: strict JSON, media types, forms."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from app.problems import Problem, field_problem, validation_problem

Model = TypeVar("Model", bound=BaseModel)

JSON = "application/json"
JSON_LD = "application/ld+json"
MERGE_PATCH = "application/merge-patch+json"
MULTIPART = "multipart/form-data"

_MAX_FIELD_BYTES = 4 * 1024 * 1024
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


def media_type(request: Request) -> str:
    """The media type of the body, lower case, without parameters; empty where none is given."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message.get_content_type() if message["content-type"] else ""


def unsupported(request: Request, *accepted: str) -> Problem:
    got = media_type(request) or "no Content-Type"
    return Problem("unsupported-media-type", f"Send {' or '.join(accepted)} (got {got}).")


def strict_json(data: bytes, field: str = "body") -> object:
    """Parse JSON as RFC 8259 has it, of text that every database can hold.

    Raises:
        Problem: 422: not UTF-8, malformed, NaN or Infinity, nested too deeply, half a surrogate pair, a NUL character.
    """

    def refuse(name: str) -> NoReturn:
        raise field_problem(field, f"{name} is not a JSON number; send a finite number or leave it out")

    try:
        value: object = json.loads(data.decode("utf-8-sig"), parse_constant=refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise field_problem(field, f"this is not UTF-8 text (byte {error.start})") from None
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise field_problem(field, f"this is not valid JSON: {error.msg} at {at}") from None
    except RecursionError:
        raise field_problem(field, "the JSON is nested too deeply") from None
    except ValueError as error:
        raise field_problem(field, f"this is not valid JSON: {error}") from None
    if _SUSPECT_ESCAPE.search(data) or b"\x00" in data:
        for name, member in value.items() if isinstance(value, dict) else ():
            _check_text(name, field)
            _check_text(member, name if field == "body" else f"{field}.{name}")
        _check_text(value, field)
    return value


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {literal[:40]} is too large")
    return number


def _check_text(value: object, field: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise field_problem(field, "a text holds half of a surrogate pair, which is no character") from None
    if "\\u0000" in text.replace("\\\\", ""):
        raise field_problem(field, "a text holds the character NUL, which can't be stored; remove it")


async def read_json(request: Request, *accepted: str) -> object:
    """The JSON body. ``accepted`` are media types; none: ``application/json``.

    Raises:
        Problem: 415 for another media type, 422 as :func:`strict_json`.
    """
    types = accepted or (JSON,)
    if media_type(request) not in types:
        raise unsupported(request, *types)
    return strict_json(await request.body())


def validated(model: type[Model], value: object, prefix: str = "") -> Model:
    """``value`` as ``model``. Raises Problem 422 that names every wrong field below ``prefix``."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise validation_problem(error.errors(include_url=False, include_input=False), prefix) from None


@asynccontextmanager
async def read_form(request: Request, *, max_files: int, fields: frozenset[str]) -> AsyncIterator[FormData]:
    """The multipart form, closed at the end; ``fields`` are the names it may have.

    Raises:
        Problem: 415 for another media type, 422 for an unknown field.
    """
    if media_type(request) != MULTIPART:
        raise unsupported(request, MULTIPART)
    async with request.form(max_files=max_files, max_fields=32, max_part_size=_MAX_FIELD_BYTES) as form:
        for name in form:
            if name not in fields:
                raise field_problem(name, f"there is no such form field here; these are: {', '.join(sorted(fields))}")
        yield form


def form_files(form: FormData, name: str) -> list[UploadFile]:
    """Every file of a field. Raises Problem 422 where there is none, or one was sent as plain text."""
    values = form.getlist(name)
    files = [value for value in values if isinstance(value, UploadFile)]
    if not files or len(files) != len(values):
        raise field_problem(name, "send a file with a file name in this form field")
    return files


def form_file(form: FormData, name: str) -> UploadFile:
    """The one file of a field. Raises Problem 422 where there is none or more than one."""
    files = form_files(form, name)
    if len(files) > 1:
        raise field_problem(name, f"send one file, not {len(files)}")
    return files[0]


def form_text(form: FormData, name: str) -> str | None:
    """A plain form field; None where it is absent. Raises Problem 422 where it came as a file or twice."""
    values = form.getlist(name)
    if not values:
        return None
    if len(values) > 1 or not isinstance(values[0], str):
        raise field_problem(name, "send this form field once, as text")
    return values[0]
