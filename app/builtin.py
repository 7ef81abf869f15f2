"""The built-in catalogue: recipes that come with the program, and the pictures that its own generator drew of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from app.services.items import Bundle, PictureItem, RecipeItem
from index.types import Recipe, StoredRecipe

#: Side of the pictures in pixels.
PICTURE_SIDE: Final = 128
_EXTRA = ("cuisine", "course")


def builtin_bundles() -> list[Bundle]:
    """Every built-in recipe in the order of the files, with its picture where there is one."""
    return [_bundle(recipe_id, recipe) for recipe_id, recipe in builtin_recipes()]


def late_pictures(stored: Iterable[StoredRecipe]) -> list[Bundle]:
    """The pictures alone, linked, of those of ``stored`` that are built-in recipes which were stored before there were
    pictures of them, and have stayed as they were.

    A change, a photo that is linked and one that is taken away all raise a recipe's revision: whoever did any of that
    need not be given a picture, nor be given it again.
    """
    untouched = {each.id: each.recipe for each in stored if each.revision == 1 and not each.image_ids}
    found = [(key, _picture(key, recipe)) for key, recipe in builtin_recipes() if untouched.get(key) == recipe]
    # Revision 0: should a photo have the id of a picture, it stays.
    return [Bundle(pictures=(replace(item, recipe_ids=(key,), revision=0),)) for key, item in found if item is not None]


def builtin_recipes() -> list[tuple[str, Recipe]]:
    """The recipes alone, each with its id, in the order of the files."""
    lines: list[str] = []
    for file in sorted(files("app").joinpath("demo").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".jsonl"):
            lines += [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    return [_recipe(line) for line in lines]


def builtin_pictures() -> Traversable:
    """The folder of the pictures, which need not be there."""
    return files("app").joinpath("demo", "pictures")


def picture_name(recipe_id: str) -> str:
    """Of a recipe's picture, in the folder."""
    return f"{recipe_id}.webp"


def picture_id(recipe_id: str) -> str:
    """Of a recipe's picture, in the catalogue: one that a photo of the dish will hardly have."""
    return f"{recipe_id}-drawn"


def _bundle(recipe_id: str, recipe: Recipe) -> Bundle:
    picture = _picture(recipe_id, recipe)
    return Bundle(recipe=RecipeItem(recipe=recipe, id=recipe_id), pictures=() if picture is None else (picture,))


def _picture(recipe_id: str, recipe: Recipe) -> PictureItem | None:
    file = builtin_pictures().joinpath(picture_name(recipe_id))
    if not file.is_file():
        return None
    # Tags as photos of an imported recipe have them.
    return PictureItem(
        data=file.read_bytes(), id=picture_id(recipe_id), title=recipe.title, tags=recipe.tags, generated=True
    )


def _recipe(line: str) -> tuple[str, Recipe]:
    values = json.loads(line)
    recipe = Recipe(
        title=values["title"],
        ingredients=tuple(values["ingredients"]),
        instructions=tuple(values["instructions"]),
        tags=tuple(values["tags"]),
        extra={name: values[name] for name in _EXTRA if name in values},
    )
    return str(values["id"]), recipe
