"""The built-in catalogue: complete, consistent, and of use for search by tags."""

from __future__ import annotations

from collections import Counter

import pytest

from app.builtin import builtin_bundles
from app.ids import RESERVED_IDS
from app.services.items import RecipeItem
from index.text import normalize_id, normalize_tags


@pytest.fixture(scope="module")
def recipes() -> list[RecipeItem]:
    bundles = builtin_bundles()
    assert all(bundle.pictures == () for bundle in bundles)
    return [bundle.recipe for bundle in bundles if bundle.recipe is not None]


def test_there_are_enough_and_no_two_are_one(recipes: list[RecipeItem]) -> None:
    assert len(recipes) >= 120
    for values in (
        [recipe.id for recipe in recipes],
        [recipe.recipe.title.casefold() for recipe in recipes],
        [recipe.recipe.instructions for recipe in recipes],
    ):
        assert [value for value, count in Counter(values).items() if count > 1] == []


def test_every_recipe_is_whole(recipes: list[RecipeItem]) -> None:
    for item in recipes:
        recipe = item.recipe
        assert item.id is not None
        assert normalize_id(item.id, reserved=RESERVED_IDS) == item.id
        assert recipe.title == recipe.title.strip() != ""
        assert len(recipe.ingredients) >= 3, item.id
        assert len(recipe.instructions) >= 2, item.id
        assert all(line == line.strip() != "" for line in (*recipe.ingredients, *recipe.instructions)), item.id
        assert normalize_tags(recipe.tags) == recipe.tags != (), item.id
        assert all(isinstance(recipe.extra[name], str) and recipe.extra[name] for name in ("cuisine", "course")), (
            item.id
        )


def test_it_covers_the_world_and_the_table(recipes: list[RecipeItem]) -> None:
    cuisines, courses = ({item.recipe.extra[name] for item in recipes} for name in ("cuisine", "course"))
    assert len(cuisines) >= 15
    assert len(courses) >= 4


def test_tags_are_shared(recipes: list[RecipeItem]) -> None:
    tags = Counter(tag for item in recipes for tag in item.recipe.tags)
    assert sum(count > 1 for count in tags.values()) >= 20
