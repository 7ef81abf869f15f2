"""Stored items and outcomes as responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from starlette.requests import Request

from app.ids import Addresses
from app.problems import Problem
from app.schema_org import recipe_to_jsonld
from app.schemas.common import ItemResult, MultiStatus
from app.schemas.images import ImageCaption, ImageLinks, ImageOut
from app.schemas.recipes import RecipeLinks, RecipeOut
from app.services.items import ItemError, ItemOutcome
from app.services.taggers import automatic_tags
from index.types import Kind, Stored, StoredImage, StoredRecipe, WriteStatus

_OUTCOMES: dict[WriteStatus, Literal["created", "updated", "unchanged"]] = {
    WriteStatus.CREATED: "created",
    WriteStatus.UPDATED: "updated",
    WriteStatus.UNCHANGED: "unchanged",
}


#: What tells the entity tag of a recipe's JSON-LD from that of its plain JSON.
JSON_LD_VARIANT = "-ld"


def addresses(request: Request) -> Addresses:
    return Addresses(request.scope.get("root_path", ""))


def next_page(request: Request, cursor: str | None) -> str | None:
    """The address of the next page of the listing that ``request`` asks for: the same query from ``cursor`` on."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def expanded_out(names: Mapping[str, tuple[str, ...]] | None) -> dict[str, list[str]] | None:
    """What each ingredient of the filter stood for; None where it was not to be widened."""
    return None if names is None else {name: list(found) for name, found in names.items()}


def etag(item: Stored, variant: str = "") -> str:
    """A strong entity tag; each representation (``variant``) has its own.

    The pk is part of it: an item that was deleted and made anew starts at revision 1 again.
    """
    return f'"{item.pk}-{item.revision}{variant}"'


def recipe_out(item: StoredRecipe, where: Addresses) -> RecipeOut:
    return RecipeOut.model_validate(
        {
            "id": item.id,
            "title": item.recipe.title,
            "ingredients": list(item.recipe.ingredients),
            "instructions": list(item.recipe.instructions),
            "tags": list(item.recipe.tags),
            "extra": dict(item.recipe.extra),
            "image_ids": list(item.image_ids),
            "revision": item.revision,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "links": RecipeLinks(
                self=where.recipe(item.id),
                images=[where.file(image_id) for image_id in item.image_ids],
                thumbnails=[where.thumbnail(image_id) for image_id in item.image_ids],
            ),
        }
    )


def recipe_jsonld(item: StoredRecipe, request: Request) -> dict[str, Any]:
    """schema.org JSON-LD with absolute addresses, since such documents travel."""
    base = str(request.base_url).rstrip("/")
    where = Addresses(base)
    return dict(
        recipe_to_jsonld(
            item.recipe,
            recipe_id=item.id,
            url=where.recipe(item.id),
            images=[where.file(image_id) for image_id in item.image_ids],
        )
    )


def image_out(item: StoredImage, where: Addresses) -> ImageOut:
    picture = item.picture
    return ImageOut.model_validate(
        {
            "id": item.id,
            "title": picture.title,
            "tags": list(picture.tags),
            "auto_tags": automatic_tags(picture),
            "captions": [
                ImageCaption(text=each.text, style=each.style or None, model=each.model or None)
                for each in picture.captions
            ],
            "extra": dict(picture.extra),
            "generated": picture.generated,
            "recipe_ids": list(item.recipe_ids),
            "media_type": picture.media_type,
            "width": picture.width,
            "height": picture.height,
            "size": picture.size,
            "sha256": picture.blob,
            "revision": item.revision,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "links": ImageLinks(
                self=where.image(item.id),
                file=where.file(item.id),
                thumbnail=where.thumbnail(item.id),
                recipes=[where.recipe(recipe_id) for recipe_id in item.recipe_ids],
            ),
        }
    )


def multi_status(outcomes: Sequence[ItemOutcome], where: Addresses) -> MultiStatus:
    """The answer to a call with several items."""
    results = [_item_result(index, outcome, where) for index, outcome in enumerate(outcomes)]
    failed = sum(outcome.error is not None for outcome in outcomes)
    return MultiStatus(stored=len(outcomes) - failed, failed=failed, results=results)


def _item_result(index: int, outcome: ItemOutcome, where: Addresses) -> ItemResult:
    if outcome.result is None:
        problem = outcome_problem(outcome)
        return ItemResult(
            index=index, id=outcome.id or None, status=problem.status, outcome="failed", problem=problem.body()
        )
    created = outcome.result.status is WriteStatus.CREATED
    return ItemResult(
        index=index,
        id=outcome.id,
        status=201 if created else 200,
        outcome=_OUTCOMES[outcome.result.status],
        href=where.recipe(outcome.id) if outcome.kind is Kind.RECIPE else where.image(outcome.id),
    )


def deleted_meanwhile() -> Problem:
    """The problem of an item that was stored and gone again before the answer could be made."""
    return Problem("conflict", "The item was stored, and then deleted by someone else before it could be read back.")


def outcome_problem(outcome: ItemOutcome) -> Problem:
    """The problem of an item that could not be stored."""
    error = outcome.error or ItemError("internal", "The item was not stored.")
    if error.field is not None:
        return Problem(error.slug, error.detail, errors=[{"field": error.field, "detail": error.detail}])
    return Problem(error.slug, error.detail)
