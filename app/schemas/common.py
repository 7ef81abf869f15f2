"""What several resources share: field types with their limits, pages, problems, results of many items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_EXTRA_BYTES = 65_536
MAX_K = 1000
MAX_OFFSET = 10_000


def _extra_is_small(value: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size > MAX_EXTRA_BYTES:
        raise ValueError(f"holds {size} bytes as JSON; the most is {MAX_EXTRA_BYTES}")
    return value


ItemId = Annotated[str, StringConstraints(min_length=1, max_length=512)]  # app.ids says the rest
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Tags = Annotated[list[Tag], Field(max_length=100)]
Extra = Annotated[dict[str, JsonValue], AfterValidator(_extra_is_small)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Request(BaseModel):
    """Base of request bodies: an unknown field is refused, so that a typo is not silently lost."""

    model_config = ConfigDict(extra="forbid")


class StoredPhoto(Request):
    """Base of what is asked of a stored photo."""

    image_id: ItemId


class TagObject(Request):
    """Base of tags that may come as a text alone, or as an object that says more of them."""

    tag: Tag

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"tag": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 100}, handler(schema)]}


class Response(BaseModel):
    """Base of response bodies."""

    model_config = ConfigDict(frozen=True)


class FieldError(Response):
    field: str = Field(examples=["ingredients.0"])
    detail: str = Field(examples=["input should be a valid string"])
    column: int | None = Field(default=None, description="Where in the text of an expression, from 1.")


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/unknown-item",
                    "title": "No item has this id",
                    "status": 404,
                    "detail": "no recipe has the id 'borscht'.",
                    "instance": "/v1/recipes/borscht",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FieldError] | None = None
    column: int | None = Field(default=None, description="Where in the text of an expression, from 1.")


class ItemResult(Response):
    """What became of one item of a call with several: ``status`` is what a call of its own would have answered."""

    index: int = Field(description="Place in the call, from 0.")
    id: str | None
    status: int
    outcome: Literal["created", "updated", "unchanged", "failed"]
    href: str | None = None
    problem: dict[str, JsonValue] | None = None


class MultiStatus(Response):
    """One result per item, in the order of the call."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stored": 1,
                    "failed": 1,
                    "results": [
                        {
                            "index": 0,
                            "id": "borscht",
                            "status": 201,
                            "outcome": "created",
                            "href": "/v1/recipes/borscht",
                            "problem": None,
                        },
                        {
                            "index": 1,
                            "id": "search",
                            "status": 422,
                            "outcome": "failed",
                            "href": None,
                            "problem": {
                                "type": "/problems/invalid-id",
                                "title": "This can't be an id",
                                "status": 422,
                                "detail": "'search' is reserved; choose another id.",
                            },
                        },
                    ],
                }
            ]
        }
    )

    stored: int
    failed: int
    results: list[ItemResult]


def merge_patch(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: members of ``patch`` replace those of ``target``, objects merge, null removes."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            current = merged.get(name)
            merged[name] = merge_patch(current if isinstance(current, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
