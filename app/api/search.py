"""``/v1/search``."""

from __future__ import annotations

from fastapi import APIRouter
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
    strict_json,
    unsupported,
    validated,
)
from app.api.deps import RuntimeDep
from app.api.openapi import FILE, body, form_content, json_content, problems, ref
from app.api.present import addresses, image_out, recipe_out
from app.ids import check_id
from app.schemas.filters import FilterIn
from app.schemas.search import (
    ImageHit,
    ImageHits,
    ImageSearch,
    PhotoSearch,
    RecipeHit,
    RecipeHits,
    RecipeSearch,
    TermOut,
)
from app.services.query import Item, Photo, Query, Source, TagSum, Text, WholeRecipe
from app.services.search import Answer, Found
from index.types import Kind, StoredImage, StoredRecipe

router = APIRouter(prefix="/search", tags=["search"])

_PROBLEMS = problems(
    "bad-request",
    "unknown-item",
    "too-large",
    "unsupported-media-type",
    "invalid-picture",
    "cancelled-out",
    "encoding-failed",
    "at-capacity",
    "unavailable",
    "deadline",
)
_PHOTO = form_content(
    {
        "file": dict(FILE),
        "k": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
        "offset": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 0},
        "filter": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref(FilterIn)},
    },
    ["file"],
    {"file": "(bytes of dinner.jpg)", "k": 5, "filter": '{"tags_none": ["dessert"]}'},
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
    `recipe_id`. The item that is asked with is left out of the answer."""
    if media_type(request) == MULTIPART:
        query = await _photo_query(request, Kind.RECIPE)
    elif media_type(request) == JSON:
        wanted = validated(RecipeSearch, await read_json(request))
        query = _query(Kind.RECIPE, wanted, _source(wanted))
    else:
        raise unsupported(request, JSON, MULTIPART)
    answer = await runtime.search.find(query)
    where = addresses(request)
    hits = [
        RecipeHit(id=hit.item.id, score=hit.score, terms=_terms(hit), recipe=recipe_out(hit.item, where))
        for hit in answer.hits
        if isinstance(hit.item, StoredRecipe)
    ]
    return _response(
        RecipeHits(k=query.k, offset=query.offset, took_ms=answer.timings.milliseconds(), hits=hits), answer
    )


@router.post(
    "/images",
    summary="Find photos",
    response_model=ImageHits,
    responses=_PROBLEMS,
    openapi_extra=body(json_content(ImageSearch), _PHOTO),
)
async def search_images(request: Request, runtime: RuntimeDep) -> JSONResponse:
    """By JSON with exactly one of `recipe` (whole or in part), `recipe_id`, `text`, `image_id`, `tags` (to include and
    to exclude, with weights), or by a photo (multipart form with `file`). The item that is asked with is left out."""
    if media_type(request) == MULTIPART:
        query = await _photo_query(request, Kind.IMAGE)
    elif media_type(request) == JSON:
        wanted = validated(ImageSearch, await read_json(request))
        query = _query(Kind.IMAGE, wanted, _source(wanted))
    else:
        raise unsupported(request, JSON, MULTIPART)
    answer = await runtime.search.find(query)
    where = addresses(request)
    hits = [
        ImageHit(id=hit.item.id, score=hit.score, terms=_terms(hit), image=image_out(hit.item, where))
        for hit in answer.hits
        if isinstance(hit.item, StoredImage)
    ]
    return _response(
        ImageHits(k=query.k, offset=query.offset, took_ms=answer.timings.milliseconds(), hits=hits), answer
    )


def _source(wanted: RecipeSearch | ImageSearch) -> Source:
    if wanted.image_id is not None:
        return Item(Kind.IMAGE, check_id(wanted.image_id))
    if wanted.recipe_id is not None:
        return Item(Kind.RECIPE, check_id(wanted.recipe_id))
    if wanted.recipe is not None:
        return WholeRecipe(wanted.recipe.to_recipe())
    if isinstance(wanted, ImageSearch) and wanted.tags is not None:
        return TagSum(tuple(wanted.tags.weighted()))
    return Text(wanted.text or "")


def _query(kind: Kind, window: RecipeSearch | ImageSearch | PhotoSearch, source: Source) -> Query:
    return Query(kind=kind, source=source, k=window.k, offset=window.offset, filter=window.filter.to_filter())


async def _photo_query(request: Request, kind: Kind) -> Query:
    fields = frozenset({"file", "k", "offset", "filter"})
    async with read_form(request, max_files=1, fields=fields) as form:
        file = form_file(form, "file")
        values: dict[str, object] = {}
        for name in ("k", "offset"):
            if (text := form_text(form, name)) is not None:
                values[name] = text
        if text := form_text(form, "filter"):
            values["filter"] = strict_json(text.encode(), "filter")
        window = validated(PhotoSearch, values)
        data = await file.read()
    return _query(kind, window, Photo(data))


def _terms(hit: Found) -> list[TermOut] | None:
    if hit.terms is None:
        return None
    return [TermOut(term=term.term, weight=term.weight, contribution=term.contribution) for term in hit.terms]


def _response(hits: BaseModel, answer: Answer) -> JSONResponse:
    return JSONResponse(hits.model_dump(mode="json"), headers={"Server-Timing": answer.timings.header()})
