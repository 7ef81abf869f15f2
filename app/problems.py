"""Errors as RFC 9457 problem details: the types, the exception, and the translation of all that can be raised."""

from __future__ import annotations

import errno
import logging
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from app.engine.types import DeadlineError, EngineError, SaturatedError
from app.pictures import PictureError
from index.expression import ExpressionError
from index.types import (
    BlobCorruptError,
    BlobMissingError,
    CancelledOutError,
    FingerprintError,
    IndexRoomError,
    ItemExistsError,
    NegativeOnlyError,
    RevisionError,
    UnknownItemError,
    UnknownJobError,
)
from models.captioning.types import CaptionerUnavailableError
from models.generation.types import GeneratorUnavailableError
from models.reasoning.types import ReasonerUnavailableError
from models.tagging.types import TaggerUnavailableError
from models.words.errors import AnalogyError, UnknownWordError, WordError, WordsUnavailableError

logger = logging.getLogger("app.problems")

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    status: int
    title: str


#: Every problem type by slug; ``type`` in a response is ``/problems/{slug}`` and stays stable.
PROBLEM_TYPES: Mapping[str, ProblemType] = MappingProxyType(
    {
        "bad-request": ProblemType(400, "The request can't be read"),
        "unauthorized": ProblemType(401, "A valid API key is needed"),
        "forbidden": ProblemType(403, "This is not allowed here"),
        "not-found": ProblemType(404, "There is nothing at this address"),
        "unknown-item": ProblemType(404, "No item has this id"),
        "unknown-job": ProblemType(404, "No job has this id"),
        "unknown-ingredient": ProblemType(404, "No ingredient is known by this name"),
        "method-not-allowed": ProblemType(405, "This address doesn't take that method"),
        "not-acceptable": ProblemType(406, "The asked media type can't be produced"),
        "tagger-unavailable": ProblemType(409, "No trained tagger fits the encoder in use"),
        "captioner-unavailable": ProblemType(409, "No captioner is switched on"),
        "reasoner-unavailable": ProblemType(409, "No reasoner is switched on"),
        "generator-unavailable": ProblemType(409, "No generator is switched on"),
        "conflict": ProblemType(409, "The request conflicts with what is stored"),
        "precondition-failed": ProblemType(412, "The item was changed in the meantime"),
        "too-large": ProblemType(413, "The request body is too large"),
        "unsupported-media-type": ProblemType(415, "This media type isn't taken here"),
        "range-not-satisfiable": ProblemType(416, "The asked range lies outside the file"),
        "invalid-request": ProblemType(422, "The request has wrong values"),
        "invalid-id": ProblemType(422, "This can't be an id"),
        "invalid-picture": ProblemType(422, "The file is not a picture that can be used"),
        "cancelled-out": ProblemType(422, "The terms of the query cancel out"),
        "negative-only": ProblemType(422, "The query only subtracts"),
        "encoding-failed": ProblemType(422, "The model could not encode this item"),
        "captioning-failed": ProblemType(422, "The model could not caption this photo"),
        "answering-failed": ProblemType(422, "The model could not answer this question"),
        "drawing-failed": ProblemType(422, "The model could not draw this"),
        "damaged": ProblemType(500, "A stored file is missing or damaged"),
        "internal": ProblemType(500, "Something went wrong on our side"),
        "at-capacity": ProblemType(503, "The service is at capacity"),
        "unavailable": ProblemType(503, "The service is not ready"),
        "deadline": ProblemType(504, "The work did not finish in time"),
        "no-space": ProblemType(507, "The storage is full"),
    }
)

_SLUG_OF_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "bad-request",
        401: "unauthorized",
        403: "forbidden",
        404: "not-found",
        405: "method-not-allowed",
        406: "not-acceptable",
        409: "conflict",
        412: "precondition-failed",
        413: "too-large",
        415: "unsupported-media-type",
        416: "range-not-satisfiable",
        422: "invalid-request",
        503: "unavailable",
        504: "deadline",
    }
)


TOO_LARGE = "The request body is larger than this address takes; send less in one call."

_DEEPEST_FIELD = 8  # parts of a field's name that are shown
_RETRY_SOON: Mapping[str, str] = MappingProxyType({"Retry-After": "5"})


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Raise to answer with a problem. ``detail`` is one sentence that names the field and the remedy."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.slug, self.detail = slug, detail
        self.headers = dict(headers or {})
        self.extensions = extensions

    @property
    def status(self) -> int:
        return PROBLEM_TYPES[self.slug].status

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """The members of the problem object; ``instance`` is the path of the request."""
        content: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": PROBLEM_TYPES[self.slug].title,
            "status": self.status,
            "detail": self.detail,
        }
        if instance is not None:
            content["instance"] = instance
        return content | self.extensions

    def response(self, instance: str | None = None) -> JSONResponse:
        return JSONResponse(self.body(instance), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def field_problem(field: str, detail: str) -> Problem:
    """A 422 about one field."""
    return Problem("invalid-request", f"{field}: {detail}", errors=[{"field": field, "detail": detail}])


def place_problem(slug: str, detail: str, field: str, column: int | None = None) -> Problem:
    """A problem with a part of a query. Where it stands is said to people in ``detail`` and to programs in ``errors``
    and, for a text with columns (from 1), in ``column``."""
    error: dict[str, str | int] = {"field": field, "detail": detail}
    if column is None:
        return Problem(slug, f"{field}: {detail}", errors=[error])
    return Problem(slug, f"{field}: {detail} (column {column})", errors=[error | {"column": column}], column=column)


def validation_problem(errors: Sequence[Any], prefix: str = "") -> Problem:
    """A 422 from pydantic's errors; ``prefix`` names where the validated value came from."""
    found = [_field_error(error, prefix) for error in errors]
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem("invalid-request", f"{first['field']}: {first['detail']}{more}", errors=found)


def _field_error(error: Mapping[str, Any], prefix: str) -> dict[str, str]:
    parts = [str(part) for part in error["loc"]]
    if error["type"] == "json_invalid":
        context = error.get("ctx", {}).get("error", "malformed")
        return {"field": prefix or "body", "detail": f"this is not valid JSON: {context}"}
    field = ".".join(([prefix, *parts] if prefix else parts)[:_DEEPEST_FIELD]) or "body"
    detail = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        detail = "there is no such field here"
    elif error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        detail = "input should be an object"
    return {"field": field, "detail": detail[:1].lower() + detail[1:]}


def as_problem(error: Exception) -> Problem | None:
    """The problem that stands for an exception of our own rooms; None where it is a fault."""
    match error:
        case Problem():
            return error
        case UnknownItemError():
            return Problem("unknown-item", sentence(error))
        case UnknownJobError():
            return Problem("unknown-job", sentence(error))
        case UnknownWordError():
            return Problem("unknown-ingredient", sentence(error), suggestions=list(error.suggestions))
        case RevisionError() | ItemExistsError():
            return Problem("precondition-failed", sentence(error))
        case CancelledOutError() | AnalogyError():
            return Problem("cancelled-out", sentence(error))
        case NegativeOnlyError():
            return Problem("negative-only", sentence(error))
        case ExpressionError():
            return place_problem("invalid-request", error.message, "expression", error.column)
        case PictureError():
            return Problem("invalid-picture", sentence(error))
        case BlobMissingError() | BlobCorruptError():
            return Problem("damaged", sentence(error))
        case SaturatedError():
            seconds = max(1, math.ceil(error.retry_after_s))
            return Problem("at-capacity", sentence(error), headers={"Retry-After": str(seconds)})
        case DeadlineError() | TimeoutError():
            return Problem("deadline", "The work did not finish in time; try again, with less of it in one call.")
        case TaggerUnavailableError():
            return Problem("tagger-unavailable", sentence(error))
        case CaptionerUnavailableError():
            return Problem("captioner-unavailable", sentence(error))
        case ReasonerUnavailableError():
            return Problem("reasoner-unavailable", sentence(error))
        case GeneratorUnavailableError():
            return Problem("generator-unavailable", sentence(error))
        case EngineError() | FingerprintError() | WordsUnavailableError():
            return Problem("unavailable", sentence(error), headers=_RETRY_SOON)
        case OperationalError():
            return Problem("unavailable", "The catalogue's database does not answer; try again.", headers=_RETRY_SOON)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return Problem("no-space", "There is no space left to store this; nothing of it was kept.")
    return None


def sentence(error: Exception | str) -> str:
    """The message of an error with a capital at its start and a full stop at its end."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def problem_of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem that stands for a bare HTTP status."""
    slug = _SLUG_OF_STATUS.get(status, "bad-request" if status < 500 else "internal")
    return Problem(slug, detail, headers=headers)


def _instance(request: Request) -> str:
    return request.url.path


async def _on_known(request: Request, error: Exception) -> JSONResponse:
    problem = as_problem(error)
    if problem is None:
        raise error
    return problem.response(_instance(request))


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    # FastAPI puts before each field which part of the request it is of.
    located = [{**each, "loc": each["loc"][1:] or each["loc"]} for each in errors]
    return validation_problem(located).response(_instance(request))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    detail = {
        404: f"There is nothing at {request.url.path}; the addresses are listed at /docs.",
        405: f"{request.method} is not possible here; the Allow header lists what is.",
        413: TOO_LARGE,
    }.get(error.status_code, str(error.detail))
    return problem_of_status(error.status_code, detail, error.headers).response(_instance(request))


async def _on_disconnect(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - the signature is given
    return Problem("bad-request", "The client went away before the request was complete.").response(_instance(request))


async def on_fault(request: Request, error: Exception) -> JSONResponse:
    """Anything unforeseen: the client gets an id, the log gets the trace under the same id."""
    error_id = uuid.uuid4().hex
    logger.error("unhandled error %s on %s %s", error_id, request.method, request.url.path, exc_info=error)
    detail = f"The error was logged as {error_id}; please give this id when you report it."
    return Problem("internal", detail, error_id=error_id).response(_instance(request))


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    of_models = (
        TaggerUnavailableError,
        CaptionerUnavailableError,
        GeneratorUnavailableError,
        ReasonerUnavailableError,
        WordError,
    )
    for known in (Problem, IndexRoomError, EngineError, PictureError, *of_models, TimeoutError):
        app.add_exception_handler(known, _on_known)
    app.add_exception_handler(Exception, on_fault)
