from __future__ import annotations

from pathlib import Path

import pytest

from models.data import RecipeExample
from models.questions.facts import Facts, agreed, facts_of
from models.types import RecipeText
from models.words.names import IngredientNames
from models.words.store import SHIPPED_FOLDER, load_words


@pytest.fixture(scope="module")
def names() -> IngredientNames:
    return IngredientNames(frozenset(load_words(SHIPPED_FOLDER).names))


def recipe(title: str, *lines: str, instructions: tuple[str, ...] = (), tags: tuple[str, ...] = ()) -> RecipeExample:
    return RecipeExample("r", RecipeText(title, lines, instructions), tags, Path("r.png"), "train")


def test_what_a_line_names_is_there_and_what_nothing_speaks_of_is_not(names: IngredientNames) -> None:
    facts = facts_of(recipe("Weeknight Dinner", "1 pound large shrimp, peeled", "2 cups cherry tomatoes"), names)
    assert facts.ingredients["shrimp"] is True
    assert facts.ingredients["tomatoes"] is True
    assert facts.ingredients["asparagus"] is False


@pytest.mark.parametrize(
    "line",
    ["1 cup tomato paste", "tomatoes (optional)", "2 cups mango or tomatoes", "Accompaniment: tomatoes"],
)
def test_what_may_or_may_not_be_seen_is_not_asked(names: IngredientNames, line: str) -> None:
    assert "tomatoes" not in facts_of(recipe("Weeknight Dinner", "1 pound shrimp", line), names).ingredients


def test_instructions_and_tags_rule_out_a_no(names: IngredientNames) -> None:
    dish = recipe("Dinner", "1 pound shrimp", instructions=("Serve over rice.",), tags=("Mushroom",))
    found = facts_of(dish, names).ingredients
    assert "rice" not in found
    assert "mushrooms" not in found


def test_in_a_smooth_dish_only_what_it_is_called_by_is_seen(names: IngredientNames) -> None:
    found = facts_of(recipe("Carrot Soup", "1 pound carrots", "1 cup peas"), names).ingredients
    assert found["carrots"] is True
    assert "peas" not in found


def test_what_must_be_named_is_seen_in_what_is_called_by_it_alone(names: IngredientNames) -> None:
    lines = "1 lemon", "1 pound chicken"
    assert facts_of(recipe("Lemon Chicken", *lines), names).ingredients["lemon"] is True
    assert "lemon" not in facts_of(recipe("Chicken Supper", *lines), names).ingredients


@pytest.mark.parametrize(
    ("title", "lines", "main"),
    [
        ("Chicken with Mushrooms", ("chicken", "mushrooms"), "chicken"),
        ("Mushrooms with Salt Pork", ("mushrooms", "salt pork"), "mushrooms"),
        ("Chicken and Shrimp", ("chicken", "shrimp"), None),
        ("Beef Pasta", ("beef chuck", "spaghetti"), "beef"),
        ("Zucchini Supper", ("eggplant",), None),
        ("Strawberry Smoothie", ("strawberries",), None),
    ],
)
def test_the_main_ingredient_is_named_by_the_title(
    names: IngredientNames, title: str, lines: tuple[str, ...], main: str | None
) -> None:
    assert facts_of(recipe(title, *lines), names).answers.get("main_ingredient") == main


def test_a_title_alone_says_nothing_about_what_is_not_there(names: IngredientNames) -> None:
    facts = facts_of(recipe("Shrimp Salad"), names)
    assert facts.ingredients == {}
    assert facts.answers == {"dish": "salad", "main_ingredient": "shrimp"}


def test_crab_cakes_are_no_cake(names: IngredientNames) -> None:
    assert facts_of(recipe("Crab Cakes", "1 pound crabmeat", "1 onion"), names).kind is None


def test_recipes_of_one_photo_have_what_all_of_them_say() -> None:
    one = Facts({"rice": True, "peas": False, "corn": True}, {"dish": "soup", "course": "side dish"}, "soup")
    two = Facts({"rice": True, "peas": True}, {"dish": "soup", "course": "dessert"}, "stew")
    assert agreed([one, two]) == Facts({"rice": True}, {"dish": "soup"}, None)
    assert agreed([one]) == one
