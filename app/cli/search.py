"""``tastespace search``: the service's search, without the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    EXIT_FAILURE,
    EXIT_USAGE,
    CommandError,
    DataDir,
    DeviceOption,
    EncoderOption,
    RuntimeOption,
    load_settings,
    require_catalogue,
    run,
    stdout,
)

if TYPE_CHECKING:
    from app.services.query import Query, Source
    from app.services.search import Answer, Found
    from app.settings import Settings
    from index.types import Recipe


class What(StrEnum):
    RECIPES = "recipes"
    IMAGES = "images"


def search(
    ctx: typer.Context,
    what: Annotated[What, typer.Argument(help="What to find.")],
    expression: Annotated[
        str | None,
        typer.Argument(
            help='Terms to add and subtract, as in: "photo + pasta - rice", \'2:dessert - "ice cream" + @my-dish\'. '
            "photo, photo2 ... are the pictures of --photo; @ID is a stored photo or else recipe. Put -- before an "
            "expression that starts with -."
        ),
    ] = None,
    photo: Annotated[
        list[Path] | None, typer.Option(help="Find what is like this picture; may be repeated with an expression.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Find what this text says.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Find what is like this recipe: JSON, plain or schema.org.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Find what is like this tag; may be repeated.")] = None,
    not_tag: Annotated[list[str] | None, typer.Option(help="... and unlike this one; may be repeated.")] = None,
    only_tag: Annotated[list[str] | None, typer.Option(help="Only items that have this tag, exactly.")] = None,
    without_tag: Annotated[list[str] | None, typer.Option(help="No items that have this tag, exactly.")] = None,
    ingredient: Annotated[
        list[str] | None, typer.Option(help="Only recipes with this ingredient, and photos of such; may be repeated.")
    ] = None,
    no_ingredient: Annotated[list[str] | None, typer.Option(help="None with this ingredient; may be repeated.")] = None,
    caption: Annotated[
        list[str] | None, typer.Option(help="Only photos with a caption that says this; may be repeated.")
    ] = None,
    no_caption: Annotated[list[str] | None, typer.Option(help="None with such a caption; may be repeated.")] = None,
    generated: Annotated[
        bool | None,
        typer.Option("--generated/--not-generated", help="Only photos drawn by a model, or none.", show_default=False),
    ] = None,
    expand_ingredients: Annotated[
        bool, typer.Option("--expand-ingredients", help="Ingredients also by other names of the same thing.")
    ] = False,
    strategy: Annotated[
        str | None,
        typer.Option(help="How an expression's terms rank: weighted_sum, text_difference, best_score or projection."),
    ] = None,
    balance: Annotated[
        float | None, typer.Option(help="Share of an expression's texts against its photos, between 0 and 1.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    data_dir: DataDir = None,
) -> None:
    """Find recipes or photos by a photo, a text, a recipe, tags, or an expression of them."""
    asked = (("--photo", photo), ("--text", text), ("--recipe", recipe), ("--tag", tag))
    given = [name for name, value in asked if value]
    if expression is not None:
        if set(given) - {"--photo"}:
            raise typer.BadParameter(f"an expression takes pictures of --photo only; write {given[-1]} into it")
    elif len(given) != 1 or (photo and len(photo) > 1):
        raise typer.BadParameter("give an expression, or exactly one of --photo, --text, --recipe and --tag")
    elif strategy is not None or balance is not None:
        raise typer.BadParameter("--strategy and --balance need an expression")
    if not_tag and not tag:
        raise typer.BadParameter("--not-tag needs a --tag to start from; --without-tag leaves out items by their tags")
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime, data_dir=data_dir)
    require_catalogue(settings)
    from app.services.query import Query
    from index.types import Filter, Kind

    if expression is None:
        source = _source(photo, text, recipe, tag or [], not_tag or [])
    else:
        source = _combination(expression, photo or [], strategy, balance)
    query = Query(
        kind=Kind.RECIPE if what is What.RECIPES else Kind.IMAGE,
        source=source,
        k=k,
        filter=Filter(
            tags_all=tuple(only_tag or ()),
            tags_none=tuple(without_tag or ()),
            ingredients_all=tuple((name,) for name in ingredient or ()),
            ingredients_none=tuple((name,) for name in no_ingredient or ()),
            captions_all=tuple(caption or ()),
            captions_none=tuple(no_caption or ()),
            generated=generated,
        ),
        expand_ingredients=expand_ingredients,
    )
    with _pointing_at(expression):
        answer = run(_find(settings, query))
    if as_json:
        expanded = {} if answer.expanded is None else {"expanded_ingredients": answer.expanded}
        print(json.dumps({"hits": [_as_json(hit) for hit in answer.hits], **expanded}, ensure_ascii=False))
    else:
        _print(answer)


def _source(
    photo: list[Path] | None, text: str | None, recipe: Path | None, tags: list[str], not_tags: list[str]
) -> Source:
    from app.services.query import Photo, TagSum, Text, WholeRecipe

    if photo:
        return Photo(photo[0].read_bytes())
    if text is not None:
        if not text.strip():
            raise typer.BadParameter("--text is blank")
        return Text(text)
    if recipe is not None:
        return WholeRecipe(_read_recipe(recipe))
    return TagSum((*((tag, 1.0) for tag in tags), *((tag, -1.0) for tag in not_tags)))


def _combination(expression: str, photos: list[Path], strategy: str | None, balance: float | None) -> Source:
    from app.services.expressions import combination_from_expression
    from index.algebra import DEFAULT_STRATEGY, Strategy

    if strategy is not None and strategy not in tuple(Strategy):
        raise typer.BadParameter(f"--strategy is one of {', '.join(Strategy)}, not {strategy}")
    if balance is not None and not 0 < balance < 1:
        raise typer.BadParameter(f"--balance lies strictly between 0 and 1, not {balance:g}")
    named = DEFAULT_STRATEGY if strategy is None else Strategy(strategy)
    files = [path.read_bytes() for path in photos]
    with _pointing_at(expression):
        return combination_from_expression(expression, files, strategy=named, balance=balance)


@contextmanager
def _pointing_at(expression: str | None) -> Iterator[None]:
    """Show an error of an expression with a caret below the column where it is."""
    from app.problems import Problem
    from index.expression import ExpressionError

    try:
        yield
    except (ExpressionError, Problem) as error:
        wrong = isinstance(error, ExpressionError)
        column = error.column if isinstance(error, ExpressionError) else error.extensions.get("column")
        if expression is None or column is None:
            raise
        raise CommandError(f"{error}\n{_caret(expression, column)}", EXIT_USAGE if wrong else EXIT_FAILURE) from None


def _caret(expression: str, column: int) -> str:
    from rich.cells import cell_len

    line = "".join(" " if character.isspace() else character for character in expression)
    return f"  {line}\n  {' ' * cell_len(line[: column - 1])}^"


def _read_recipe(path: Path) -> Recipe:
    from app.importers.base import parse_json, strings
    from app.schema_org import SchemaOrgError, find_recipes, recipe_from_jsonld
    from index.types import Recipe

    try:
        document = parse_json(path.read_text(encoding="utf-8-sig"))
        found = next(find_recipes(document), None)
        if found is not None:
            return recipe_from_jsonld(found)
    except (ValueError, SchemaOrgError) as error:
        raise CommandError(f"{path} can't be read as a recipe: {error}") from None
    if not isinstance(document, dict):
        raise CommandError(f"{path} holds no recipe: it is not a JSON object")
    title, ingredients, instructions = (strings(document.get(key)) for key in ("title", "ingredients", "instructions"))
    if title is None or ingredients is None or instructions is None or not (title or ingredients or instructions):
        raise CommandError(f"{path} needs a title (text), ingredients or instructions (lists of texts)")
    return Recipe(title=" ".join(title), ingredients=ingredients, instructions=instructions)


async def _find(settings: Settings, query: Query) -> Answer:
    from app.runtime import Runtime

    async with Runtime.open(settings.with_models()) as runtime:
        return await runtime.search.find(query)


def _print(answer: Answer) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    explained = any(hit.terms for hit in answer.hits)
    for name in ("id", "title", "tags", *(("terms",) if explained else ())):
        table.add_column(name, overflow="fold")
    for rank, hit in enumerate(answer.hits, 1):
        content = _content(hit)
        title = f"{content['title']} (drawn)" if content.get("generated") else content["title"]
        row = [hit.item.id, title, ", ".join(content["tags"])]
        if explained:
            row.append(", ".join(f"{share.term} {share.contribution:+.3f}" for share in hit.terms or ()))
        table.add_row(str(rank), f"{hit.score:.3f}", *(escape(cell) for cell in row))
    stdout().print(table)
    for name, names in (answer.expanded or {}).items():
        stdout().print(f"{escape(name)}: {escape(', '.join(names))}", soft_wrap=True)


def _as_json(hit: Found) -> dict[str, Any]:
    found: dict[str, Any] = {"id": hit.item.id, "score": round(hit.score, 6), **_content(hit)}
    if hit.terms is not None:
        found["terms"] = [
            {"term": share.term, "weight": share.weight, "contribution": round(share.contribution, 6)}
            for share in hit.terms
        ]
    return found


def _content(hit: Found) -> dict[str, Any]:
    from index.types import StoredRecipe

    if isinstance(hit.item, StoredRecipe):
        return {"title": hit.item.recipe.title, "tags": list(hit.item.recipe.tags)}
    picture = hit.item.picture
    return {"title": picture.title, "tags": list(picture.tags), "generated": picture.generated}
