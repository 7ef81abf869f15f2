"""Recipes out of request bodies, plain or JSON-LD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from app.api.bodies import JSON_LD, media_type
from app.api.present import outcome_problem
from app.ids import RESERVED_IDS
from app.problems import field_problem, sentence, validation_problem
from app.schema_org import SchemaOrgError, find_recipes, recipe_from_jsonld, recipe_identifier
from app.schemas.recipes import RecipeIn
from app.services.items import ItemError, ItemOutcome
from index.text import normalize_id
from index.types import Kind


def is_jsonld(request: Request, value: object) -> bool:
    """Whether a body is meant as JSON-LD: by its media type, or because it says so itself."""
    if media_type(request) == JSON_LD:
        return True
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, Mapping) and any(name in first for name in ("@context", "@graph", "@type"))


def from_jsonld(document: object) -> Any:
    """The recipes of a JSON-LD document as :class:`RecipeIn` takes them: one as an object, several as a list, in which
    an :class:`ItemOutcome` stands for each that can't be read.

    Raises:
        Problem: 422: there is none, or the only one can't be read.
    """
    found = [_plain(recipe) for recipe in find_recipes(document)]
    if not found:
        raise field_problem("body", 'the JSON-LD holds no object of "@type": "Recipe"')
    if len(found) > 1 or isinstance(document, list):
        return found
    if isinstance(found[0], ItemOutcome):
        raise outcome_problem(found[0])
    return found[0]


def _plain(document: Mapping[str, Any]) -> dict[str, Any] | ItemOutcome:
    try:
        recipe = recipe_from_jsonld(document)
    except SchemaOrgError as error:
        given = recipe_identifier(document) or ""
        return ItemOutcome(kind=Kind.RECIPE, id=given, error=ItemError("invalid-request", sentence(str(error))))
    plain: dict[str, Any] = {
        "title": recipe.title,
        "ingredients": list(recipe.ingredients),
        "instructions": list(recipe.instructions),
        "tags": list(recipe.tags),
        "extra": dict(recipe.extra),
    }
    identifier = recipe_identifier(document)
    if identifier is not None and _usable(identifier):
        plain["id"] = identifier
    return plain


def _usable(identifier: str) -> bool:
    """Publishers use addresses as identifiers, too; those can't be ids here."""
    try:
        normalize_id(identifier, reserved=RESERVED_IDS)
    except ValueError:
        return False
    return True


def parse_many(values: Sequence[object]) -> list[RecipeIn | ItemOutcome]:
    """Each value as a recipe, or as the outcome that says what is wrong with it."""
    parsed: list[RecipeIn | ItemOutcome] = []
    for value in values:
        if isinstance(value, ItemOutcome):
            parsed.append(value)
            continue
        try:
            parsed.append(RecipeIn.model_validate(value))
        except ValidationError as error:
            problem = validation_problem(error.errors(include_url=False, include_input=False))
            field = problem.extensions["errors"][0]["field"]
            given = value.get("id") if isinstance(value, Mapping) else None
            parsed.append(
                ItemOutcome(
                    kind=Kind.RECIPE,
                    id=given if isinstance(given, str) else "",
                    error=ItemError(problem.slug, problem.detail, field),
                )
            )
    return parsed
