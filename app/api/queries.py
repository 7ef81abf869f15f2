"""Search requests, JSON or multipart, as queries of the service."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request

from app.api.bodies import (
    JSON,
    MULTIPART,
    form_files,
    form_text,
    media_type,
    read_form,
    read_json,
    strict_json,
    unsupported,
    validated,
)
from app.ids import check_id
from app.problems import field_problem
from app.schemas.arithmetic import QueryIn, TermIn
from app.schemas.search import ImageSearch, PhotoSearch, RecipeSearch
from app.services.expressions import combination_from_expression, require_all_used, uploaded
from app.services.query import (
    MAX_PHOTOS,
    Combination,
    Item,
    Operand,
    Photo,
    Query,
    QueryTerm,
    Source,
    TagSum,
    Text,
    WholeRecipe,
)
from index.algebra import DEFAULT_STRATEGY
from index.expression import ItemOperand, PhotoOperand, format_operand
from index.types import Kind

_JSON_FIELDS = ("filter", "query")
_TEXT_FIELDS = ("k", "offset", "expression", "strategy", "balance")
_FORM_FIELDS = frozenset({"file", *_JSON_FIELDS, *_TEXT_FIELDS})


async def read_query(request: Request, kind: Kind, model: type[RecipeSearch | ImageSearch]) -> Query:
    """The query of a search for items of ``kind``, whose JSON body is a ``model``.

    Raises:
        Problem: 415 for another media type, 422 for a wrong value.
        ExpressionError: the expression is none.
    """
    if media_type(request) == MULTIPART:
        return await _form_query(request, kind)
    if media_type(request) != JSON:
        raise unsupported(request, JSON, MULTIPART)
    wanted = validated(model, await read_json(request))
    return _query(kind, wanted, _arithmetic(wanted, []) or _source(wanted))


async def _form_query(request: Request, kind: Kind) -> Query:
    async with read_form(request, max_files=MAX_PHOTOS, fields=_FORM_FIELDS) as form:
        values: dict[str, object] = {name: text for name in _TEXT_FIELDS if (text := form_text(form, name)) is not None}
        for name in _JSON_FIELDS:
            if text := form_text(form, name):
                values[name] = strict_json(text.encode(), name)
        wanted = validated(PhotoSearch, values)
        photos = await _photos(form, needed=wanted.query is None and wanted.expression is None)
    source = _arithmetic(wanted, photos)
    if source is None and len(photos) > 1:
        detail = f"send one file, not {len(photos)}, or an expression such as 'photo + photo2' that combines them"
        raise field_problem("file", detail)
    return _query(kind, wanted, source or Photo(photos[0]))


async def _photos(form: FormData, *, needed: bool) -> list[bytes]:
    if not needed and not form.getlist("file"):
        return []
    return [await file.read() for file in form_files(form, "file")]


def _query(kind: Kind, window: RecipeSearch | ImageSearch | PhotoSearch, source: Source) -> Query:
    return Query(
        kind=kind,
        source=source,
        k=window.k,
        offset=window.offset,
        filter=window.filter.to_filter(),
        expand_ingredients=window.filter.expand_ingredients,
    )


def _source(wanted: RecipeSearch | ImageSearch) -> Source:
    if wanted.image_id is not None:
        return Item(Kind.IMAGE, check_id(wanted.image_id, "image_id"))
    if wanted.recipe_id is not None:
        return Item(Kind.RECIPE, check_id(wanted.recipe_id, "recipe_id"))
    if wanted.recipe is not None:
        return WholeRecipe(wanted.recipe.to_recipe())
    if isinstance(wanted, ImageSearch) and wanted.tags is not None:
        return TagSum(tuple(wanted.tags.weighted()))
    return Text(wanted.text or "")


def _arithmetic(wanted: RecipeSearch | ImageSearch | PhotoSearch, photos: list[bytes]) -> Combination | None:
    if wanted.expression is not None:
        return combination_from_expression(
            wanted.expression, photos, strategy=wanted.strategy or DEFAULT_STRATEGY, balance=wanted.balance
        )
    return None if wanted.query is None else _combination(wanted.query, photos)


def _combination(query: QueryIn, photos: list[bytes]) -> Combination:
    terms = tuple(_term(term, photos, f"query.terms.{place}") for place, term in enumerate(query.terms))
    require_all_used((term.photo for term in query.terms if term.photo is not None), len(photos), "query")
    return Combination(terms=terms, strategy=query.strategy, balance=query.balance)


def _term(term: TermIn, photos: list[bytes], field: str) -> QueryTerm:
    operand, label = _operand(term, photos, field)
    return QueryTerm(operand=operand, weight=term.weight, label=label, field=field)


def _operand(term: TermIn, photos: list[bytes], field: str) -> tuple[Operand, str]:
    """The operand and what hits call it."""
    if term.photo is not None:
        return uploaded(term.photo, photos, f"{field}.photo"), format_operand(PhotoOperand(term.photo))
    if term.recipe is not None:
        return WholeRecipe(term.recipe.to_recipe()), "recipe"
    for kind, item_id in ((Kind.IMAGE, term.image_id), (Kind.RECIPE, term.recipe_id)):
        if item_id is not None:
            known = check_id(item_id, f"{field}.{kind}_id")
            return Item(kind, known), format_operand(ItemOperand(known, kind))
    text = term.tag or term.text or ""
    return Text(text), text
