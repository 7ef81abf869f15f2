"""The built-in catalogue: complete, consistent, of use for search by tags; and its pictures, all of them or none."""

from __future__ import annotations

from collections import Counter

import pytest
from PIL import Image

from app.builtin import PICTURE_SIDE, builtin_bundles, builtin_recipes, picture_id
from app.ids import RESERVED_IDS
from app.services.items import RecipeItem
from index.text import normalize_id, normalize_tags
from models.generation.provenance import Provenance, read_provenance
from tests.paths import REPOSITORY

PICTURES = REPOSITORY / "app" / "demo" / "pictures"
LARGEST = 10_000  # bytes


@pytest.fixture(scope="module")
def recipes() -> list[RecipeItem]:
    return [bundle.recipe for bundle in builtin_bundles() if bundle.recipe is not None]


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


def test_all_have_a_picture_or_none_has(recipes: list[RecipeItem]) -> None:
    files = {path.name for path in PICTURES.iterdir()} if PICTURES.is_dir() else set()
    assert files in (set(), {f"{item.id}.webp" for item in recipes})
    assert sum(len(bundle.pictures) for bundle in builtin_bundles()) == len(files)


def test_every_picture_is_small_and_says_where_it_comes_from() -> None:
    """And all of them come from one generator, told and chosen in one way."""
    ways = set()
    for recipe_id, recipe in builtin_recipes():
        file = PICTURES / f"{recipe_id}.webp"
        if not file.is_file():
            continue
        assert file.stat().st_size < LARGEST, file
        with Image.open(file) as image:
            assert (image.format, image.size) == ("WEBP", (PICTURE_SIDE, PICTURE_SIDE)), file
            said = read_provenance(image)
            image.load()
        assert isinstance(said, Provenance), file
        assert "/" not in said.model, "drawn by the generator that ships, not from somebody's folder"
        assert len(said.fingerprint) == 64, file
        assert said.prompt == recipe.title
        assert said.selection.startswith("best of "), file
        ways.add((said.model, said.fingerprint, said.modality, said.truncation))
    assert len(ways) <= 1


def test_a_picture_belongs_to_its_recipe_and_is_marked_as_drawn() -> None:
    for bundle in builtin_bundles():
        for item in bundle.pictures:
            assert bundle.recipe is not None
            assert bundle.recipe.id is not None
            expected = picture_id(bundle.recipe.id)
            assert item.id == expected == normalize_id(expected, reserved=RESERVED_IDS)
            assert item.generated
            assert (item.title, item.tags) == (bundle.recipe.recipe.title, bundle.recipe.recipe.tags)
