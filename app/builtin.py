"""The built-in catalogue: recipes that come with the program."""

from __future__ import annotations

import json
from importlib.resources import files

from app.services.items import Bundle, RecipeItem
from index.types import Recipe

_EXTRA = ("cuisine", "course")


def builtin_bundles() -> list[Bundle]:
    """Every built-in recipe, in the order of the files."""
    lines: list[str] = []
    for file in sorted(files("app").joinpath("demo").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".jsonl"):
            lines += [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    return [_bundle(line) for line in lines]


def _bundle(line: str) -> Bundle:
    values = json.loads(line)
    recipe = Recipe(
        title=values["title"],
        ingredients=tuple(values["ingredients"]),
        instructions=tuple(values["instructions"]),
        tags=tuple(values["tags"]),
        extra={name: values[name] for name in _EXTRA if name in values},
    )
    return Bundle(recipe=RecipeItem(recipe=recipe, id=values["id"]))
