"""``/v1/recipes``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from starlette.requests import Request

from app.api.bodies import JSON, JSON_LD, MERGE_PATCH, read_json, validated
from app.api.conditions import expected_revision, is_fresh
from app.api.deps import (
    CursorQuery,
    ExpandQuery,
    IngredientQuery,
    ItemIdDep,
    LimitQuery,
    RuntimeDep,
    TagQuery,
    listing_filter,
)
from app.api.openapi import WRITE_PROBLEMS, body, json_content, problems
from app.api.present import (
    JSON_LD_VARIANT,
    addresses,
    deleted_meanwhile,
    etag,
    expanded_out,
    multi_status,
    next_page,
    outcome_problem,
    recipe_jsonld,
    recipe_out,
)
from app.api.recipe_bodies import from_jsonld, is_jsonld, parse_many
from app.problems import field_problem
from app.runtime import Runtime
from app.schemas.common import MultiStatus, merge_patch
from app.schemas.recipes import RecipeFields, RecipeIn, RecipeOut, RecipePage, RecipePatch
from app.services.filtering import resolve
from app.services.items import Bundle, ItemOutcome, RecipeItem
from index.types import Kind, StoredRecipe, UnknownItemError, WriteStatus

router = APIRouter(prefix="/recipes", tags=["recipes"])


@router.post(
    "",
    summary="Store a recipe, or several",
    response_model=RecipeOut,
    status_code=201,
    responses={
        200: {"model": RecipeOut, "description": "A recipe with this id was there and now has this content."},
        207: {"model": MultiStatus, "description": "Several recipes were sent: one result each, in their order."},
        **problems(*WRITE_PROBLEMS),
    },
    openapi_extra=body(json_content(RecipeIn), json_content(RecipeIn, JSON_LD)),
)
async def create_recipes(request: Request, runtime: RuntimeDep) -> Response:
    """Send one recipe as an object, several as an array; plainly or as schema.org JSON-LD (`Recipe`, `@graph`).

    An `id` that is stored already is replaced (send `If-None-Match: *` to be refused instead)."""
    value = await read_json(request, JSON, JSON_LD)
    found = from_jsonld(value) if is_jsonld(request, value) else value
    if not isinstance(found, list):
        item = validated(RecipeIn, found)
        revision = 0 if request.headers.get("if-none-match", "").strip() == "*" else None
        return await _store(request, runtime, item, item.id, revision)
    if not 1 <= len(found) <= runtime.settings.max_items:
        raise field_problem("body", f"send 1 to {runtime.settings.max_items} recipes in one call (got {len(found)})")
    outcomes = await _store_many(runtime, found)
    answer = multi_status(outcomes, addresses(request))
    return JSONResponse(answer.model_dump(mode="json"), 207)


@router.get(
    "",
    summary="List recipes",
    response_model=RecipePage,
    responses=problems("bad-request"),
)
async def list_recipes(
    request: Request,
    runtime: RuntimeDep,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
    tags: TagQuery = [],  # noqa: B006 - FastAPI copies defaults
    ingredients: IngredientQuery = [],  # noqa: B006
    expand: ExpandQuery = False,
    has_image: Annotated[bool | None, Query(description="Only recipes with (or without) a photo.")] = None,
) -> RecipePage:
    """In the order in which they were stored, page by page."""
    wanted = await resolve(listing_filter(tags, ingredients, has_image=has_image), runtime.resources, expand=expand)
    items, following = await runtime.library.page(Kind.RECIPE, wanted.filter, cursor=cursor, limit=limit)
    where = addresses(request)
    return RecipePage(
        items=[recipe_out(item, where) for item in items if isinstance(item, StoredRecipe)],
        next_cursor=following,
        next=next_page(request, following),
        expanded_ingredients=expanded_out(wanted.names),
    )


@router.get(
    "/{item_id}",
    summary="Get a recipe",
    response_model=RecipeOut,
    responses={
        200: {
            "description": "The recipe; as JSON-LD where the request accepts `application/ld+json`.",
            "content": {JSON_LD: {"schema": {"type": "object"}, "example": {"@type": "Recipe", "name": "Carbonara"}}},
        },
        304: {"description": "The copy with the ETag of `If-None-Match` is the present one."},
        **problems("unknown-item", "invalid-id"),
    },
)
async def get_recipe(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """Plain JSON, or schema.org JSON-LD with `Accept: application/ld+json`."""
    item = await runtime.library.recipe(item_id)
    tag = _etag(request, item)
    if is_fresh(request, tag):
        return Response(status_code=304, headers={"ETag": tag, "Vary": "Accept"})
    return _answer(request, item)


@router.put(
    "/{item_id}",
    summary="Store a recipe under an id",
    response_model=RecipeOut,
    responses={
        201: {"model": RecipeOut, "description": "The recipe is new."},
        **problems(*WRITE_PROBLEMS),
    },
    openapi_extra=body(json_content(RecipeFields), json_content(RecipeFields, JSON_LD)),
)
async def put_recipe(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """Replaces the whole recipe; the same content twice changes nothing. `If-Match` with an ETag guards against
    overwriting what someone else changed, `If-None-Match: *` against overwriting anything."""
    value = await read_json(request, JSON, JSON_LD)
    if is_jsonld(request, value):
        value = from_jsonld(value)
        if isinstance(value, list):
            raise field_problem("body", f"send one recipe here, not {len(value)}")
        value.pop("id", None)
    item = validated(RecipeIn, value)
    if item.id is not None and item.id != item_id:
        raise field_problem("id", "differs from the id in the address; leave it out")
    revision = await expected_revision(request, lambda: runtime.library.recipe(item_id))
    return await _store(request, runtime, item, item_id, revision)


@router.patch(
    "/{item_id}",
    summary="Change parts of a recipe",
    response_model=RecipeOut,
    responses=problems(*WRITE_PROBLEMS),
    openapi_extra=body(json_content(RecipePatch, MERGE_PATCH), json_content(RecipePatch)),
)
async def patch_recipe(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """A JSON merge patch: what is left out stays, null empties a field, `extra` is merged member by member."""
    patch = await read_json(request, MERGE_PATCH, JSON)
    if not isinstance(patch, Mapping):
        raise field_problem("body", "send an object with the fields to change")
    revision = await expected_revision(request, lambda: runtime.library.recipe(item_id))

    def change(stored: StoredRecipe) -> RecipeItem:
        merged = merge_patch(_fields(stored), patch)
        if "image_ids" in patch:
            merged.setdefault("image_ids", [])  # null empties
        fields = validated(RecipeFields, merged)
        return _item(fields, item_id, revision if revision is not None else stored.revision)

    outcome = await runtime.ingest.change_recipe(item_id, change, retry=revision is None)
    return await _stored_answer(request, runtime, outcome)


@router.delete(
    "/{item_id}",
    summary="Delete a recipe",
    status_code=204,
    responses=problems("unknown-item", "invalid-id", "precondition-failed"),
)
async def delete_recipe(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """Its photos stay."""
    revision = await expected_revision(request, lambda: runtime.library.recipe(item_id))
    await runtime.ingest.delete(Kind.RECIPE, item_id, revision)
    return Response(status_code=204)


def _fields(stored: StoredRecipe) -> dict[str, Any]:
    recipe = stored.recipe
    return {
        "title": recipe.title,
        "ingredients": list(recipe.ingredients),
        "instructions": list(recipe.instructions),
        "tags": list(recipe.tags),
        "extra": dict(recipe.extra),
    }


def _item(fields: RecipeFields, item_id: str | None, revision: int | None) -> RecipeItem:
    images = None if fields.image_ids is None else tuple(fields.image_ids)
    return RecipeItem(recipe=fields.to_recipe(), id=item_id, revision=revision, image_ids=images)


async def _store(
    request: Request, runtime: Runtime, fields: RecipeFields, item_id: str | None, revision: int | None
) -> Response:
    outcome = await runtime.ingest.put_recipe(_item(fields, item_id, revision))
    return await _stored_answer(request, runtime, outcome)


async def _store_many(runtime: Runtime, values: list[Any]) -> list[ItemOutcome]:
    """Store what is valid; the outcomes of all, in order."""
    parsed = parse_many(values)
    bundles = [Bundle(recipe=_item(item, item.id, None)) for item in parsed if isinstance(item, RecipeIn)]
    written = iter(await runtime.ingest.put_many(bundles))
    outcomes: list[ItemOutcome] = []
    for item in parsed:
        if isinstance(item, RecipeIn):
            outcomes.append(next(written).parts[0])
        else:
            outcomes.append(item)
    return outcomes


async def _stored_answer(request: Request, runtime: Runtime, outcome: ItemOutcome) -> Response:
    if outcome.result is None:
        raise outcome_problem(outcome)
    try:
        item = await runtime.library.recipe(outcome.id)
    except UnknownItemError:
        raise deleted_meanwhile() from None
    created = outcome.result.status is WriteStatus.CREATED
    headers = {"Location": addresses(request).recipe(item.id)} if created else {}
    return _answer(request, item, status=201 if created else 200, headers=headers)


def _wants_jsonld(request: Request) -> bool:
    return JSON_LD in request.headers.get("accept", "").lower()


def _etag(request: Request, item: StoredRecipe) -> str:
    return etag(item, JSON_LD_VARIANT if _wants_jsonld(request) else "")


def _answer(
    request: Request, item: StoredRecipe, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    merged = {"ETag": _etag(request, item), "Vary": "Accept", **(headers or {})}
    if _wants_jsonld(request):
        return JSONResponse(recipe_jsonld(item, request), status, headers=merged, media_type=JSON_LD)
    content = recipe_out(item, addresses(request)).model_dump(mode="json")
    return JSONResponse(content, status, headers=merged)
