"""``/v1/search``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import Request

from app.api.deps import RuntimeDep
from app.api.openapi import FILE, body, form_content, json_content, problems, ref
from app.api.present import addresses, expanded_out, image_out, recipe_out
from app.api.queries import read_query
from app.schemas.arithmetic import QueryIn
from app.schemas.common import MAX_K, MAX_OFFSET
from app.schemas.filters import FilterIn
from app.schemas.search import (
    ImageHit,
    ImageHits,
    ImageSearch,
    RecipeHit,
    RecipeHits,
    RecipeSearch,
    TermOut,
)
from app.services.query import MAX_PHOTOS, Query
from app.services.search import Answer, Found
from index.algebra import Strategy
from index.expression import MAX_LENGTH
from index.types import Kind, StoredImage, StoredRecipe

router = APIRouter(prefix="/search", tags=["search"])

_PROBLEMS = problems(
    "bad-request",
    "unknown-item",
    "too-large",
    "unsupported-media-type",
    "invalid-id",
    "invalid-picture",
    "cancelled-out",
    "negative-only",
    "encoding-failed",
    "at-capacity",
    "unavailable",
    "deadline",
)
_PHOTO = form_content(
    {
        "file": {
            "type": "array",
            "items": dict(FILE),
            "minItems": 1,
            "maxItems": MAX_PHOTOS,
            "description": "The photo; several, repeated under this name, where an expression or query combines them.",
        },
        "k": {"type": "integer", "minimum": 1, "maximum": MAX_K, "default": 10},
        "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
        "filter": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref(FilterIn)},
        "expression": {"type": "string", "maxLength": MAX_LENGTH, "description": "As in a JSON body."},
        "strategy": {"type": "string", "enum": list(Strategy), "description": "Beside an expression."},
        "balance": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "query": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref(QueryIn)},
    },
    ["file"],
    {"file": ["(bytes of dinner.jpg)"], "k": 5, "expression": "photo + pasta - rice"},
)


@router.post(
    "/recipes",
    summary="Find recipes",
    response_model=RecipeHits,
    responses=_PROBLEMS,
    openapi_extra=body(json_content(RecipeSearch), _PHOTO),
)
async def search_recipes(request: Request, runtime: RuntimeDep) -> JSONResponse:
    """By a photo (multipart form with `file`), or by JSON with exactly one of `image_id`, `text`, `recipe`,
    `recipe_id`, or an arithmetic of any of them: `expression` as text or `query` as a list of terms, with the uploaded
    files if it is a form. What is asked with is left out of the answer."""
    query = await read_query(request, Kind.RECIPE, RecipeSearch)
    answer = await runtime.search.find(query)
    where = addresses(request)
    hits = [
        RecipeHit(id=hit.item.id, score=hit.score, terms=_terms(hit), recipe=recipe_out(hit.item, where))
        for hit in answer.hits
        if isinstance(hit.item, StoredRecipe)
    ]
    return _response(RecipeHits(**_about(query, answer), hits=hits), answer)


@router.post(
    "/images",
    summary="Find photos",
    response_model=ImageHits,
    responses=_PROBLEMS,
    openapi_extra=body(json_content(ImageSearch), _PHOTO),
)
async def search_images(request: Request, runtime: RuntimeDep) -> JSONResponse:
    """By JSON with exactly one of `recipe` (whole or in part), `recipe_id`, `text`, `image_id`, `tags` (to include and
    to exclude, with weights), by a photo (multipart form with `file`), or by an arithmetic of any of them: `expression`
    as text or `query` as a list of terms, with the uploaded files if it is a form. What is asked with is left out."""
    query = await read_query(request, Kind.IMAGE, ImageSearch)
    answer = await runtime.search.find(query)
    where = addresses(request)
    hits = [
        ImageHit(id=hit.item.id, score=hit.score, terms=_terms(hit), image=image_out(hit.item, where))
        for hit in answer.hits
        if isinstance(hit.item, StoredImage)
    ]
    return _response(ImageHits(**_about(query, answer), hits=hits), answer)


def _terms(hit: Found) -> list[TermOut] | None:
    if hit.terms is None:
        return None
    return [TermOut(term=term.term, weight=term.weight, contribution=term.contribution) for term in hit.terms]


def _about(query: Query, answer: Answer) -> dict[str, Any]:
    return {
        "k": query.k,
        "offset": query.offset,
        "took_ms": answer.timings.milliseconds(),
        "expanded_ingredients": expanded_out(answer.expanded),
    }


def _response(hits: BaseModel, answer: Answer) -> JSONResponse:
    return JSONResponse(hits.model_dump(mode="json"), headers={"Server-Timing": answer.timings.header()})
