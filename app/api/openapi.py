"""What the OpenAPI document says beyond the types: bodies of several media types, problems, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.bodies import JSON, MULTIPART
from app.problems import MEDIA_TYPE, PROBLEM_TYPES
from app.schemas.answering import AskPhoto
from app.schemas.arithmetic import QueryIn
from app.schemas.captioning import CaptionPhoto
from app.schemas.common import ProblemDetails
from app.schemas.filters import FilterIn
from app.schemas.generation import DrawPictures
from app.schemas.images import ImageFields, ImageIn, ImagePatch
from app.schemas.jobs import FolderImport
from app.schemas.recipes import RecipeFields, RecipeIn, RecipePatch
from app.schemas.search import ImageSearch, RecipeSearch
from app.schemas.tagging import TagPhoto

_REF = "#/components/schemas/{model}"
_HAND_READ_BODIES: tuple[type[BaseModel], ...] = (
    ProblemDetails,
    RecipeIn,
    RecipeFields,
    RecipePatch,
    ImageIn,
    ImageFields,
    ImagePatch,
    FilterIn,
    QueryIn,
    RecipeSearch,
    ImageSearch,
    FolderImport,
    TagPhoto,
    CaptionPhoto,
    AskPhoto,
    DrawPictures,
)

TAGS = (
    {"name": "search", "description": "Find recipes and photos by each other, by text and by tags."},
    {"name": "recipes", "description": "Recipes, plainly or as schema.org JSON-LD."},
    {"name": "images", "description": "Photos, their files and thumbnails."},
    {"name": "tags", "description": "Tags of photos, and those of the catalogue."},
    {"name": "captions", "description": "Captions of photos, and where the model looked for each word."},
    {"name": "answers", "description": "Answers to questions about photos, and where the model looked."},
    {"name": "generations", "description": "Pictures of what a text or a recipe says."},
    {"name": "ingredients", "description": "Which ingredients are alike, by word vectors."},
    {"name": "imports", "description": "Bring whole collections in, in the background."},
    {"name": "system", "description": "Health, models, metrics."},
)

#: What a route that stores an item may answer with.
WRITE_PROBLEMS = (
    "bad-request",
    "unknown-item",
    "conflict",
    "precondition-failed",
    "too-large",
    "unsupported-media-type",
    "invalid-id",
    "encoding-failed",
    "at-capacity",
    "unavailable",
    "deadline",
)


def ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def examples_of(model: type[BaseModel]) -> dict[str, Any]:
    """The model's examples as OpenAPI's named examples."""
    extra = cast(Mapping[str, list[Any]], model.model_config.get("json_schema_extra"))
    values = extra["examples"]
    return {f"example-{number}": {"value": value} for number, value in enumerate(values, 1)}


def json_content(model: type[BaseModel], media_type: str = JSON) -> dict[str, Any]:
    return {media_type: {"schema": ref(model), "examples": examples_of(model)}}


def form_content(properties: Mapping[str, Any], required: Sequence[str], example: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties), "required": list(required), "example": dict(example)}
    return {MULTIPART: {"schema": schema, "example": dict(example)}}


def body(*contents: Mapping[str, Any]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its body by hand."""
    merged: dict[str, Any] = {}
    for content in contents:
        merged |= content
    return {"requestBody": {"required": True, "content": merged}}


FILE: Mapping[str, Any] = {"type": "string", "format": "binary"}


def problems(*slugs: str) -> dict[int | str, dict[str, Any]]:
    """Documented problem responses of a route: those named, and those that every route can give."""
    every = ("unauthorized", "invalid-request", "internal", *slugs)
    by_status: dict[int, list[str]] = {}
    for slug in every:
        by_status.setdefault(PROBLEM_TYPES[slug].status, []).append(slug)
    return {status: _problem_response(status, of_status) for status, of_status in sorted(by_status.items())}


def _problem_response(status: int, slugs: Sequence[str]) -> dict[str, Any]:
    examples = {
        slug: {
            "value": {
                "type": f"/problems/{slug}",
                "title": PROBLEM_TYPES[slug].title,
                "status": status,
                "detail": f"{PROBLEM_TYPES[slug].title}: one sentence that names the cause and the remedy.",
            }
        }
        for slug in dict.fromkeys(slugs)
    }
    description = "; ".join(PROBLEM_TYPES[slug].title for slug in dict.fromkeys(slugs))
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": ref(ProblemDetails), "examples": examples}},
    }


def install_openapi(app: FastAPI) -> None:
    """Let the app's document hold the models of bodies that are read by hand."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
                license_info=app.license_info,
            )
            _, definitions = models_json_schema(
                [(model, "validation") for model in _HAND_READ_BODIES], ref_template=_REF
            )
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            known |= {name: value for name, value in definitions["$defs"].items() if name not in known}
            schema["components"]["securitySchemes"] = {"ApiKey": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"ApiKey": []}, {}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
