from __future__ import annotations

from collections import Counter

import pytest

from models.questions.ingredients import asked_ingredients, ingredient_of
from models.words.names import line_names
from models.words.store import SHIPPED_FOLDER, load_words


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("tomato", "tomatoes"),
        ("cherry tomato", "tomatoes"),
        ("sun dried cherry tomato", "tomatoes"),
        ("sweet potato", "sweet potatoes"),
        ("yukon gold potato", "potatoes"),
        ("lasagne noodle", "pasta"),
        ("rice noodle", "noodles"),
        ("chicken thigh", "chicken"),
        ("chicken broth", None),
        ("tomato paste", None),
        ("salt", None),
        ("rice vinegar", None),
        ("red onion", "red onion"),
        ("onion", None),
    ],
)
def test_a_name_is_asked_about_by_its_longest_known_ending(name: str, asked: str | None) -> None:
    assert ingredient_of(name) == asked


def test_no_ending_belongs_to_two_ingredients() -> None:
    counts = Counter(ending for each in asked_ingredients().values() for ending in each.endings)
    assert [ending for ending, count in counts.items() if count > 1] == []


def test_every_ingredient_has_a_name_that_recipes_use() -> None:
    known = set(load_words(SHIPPED_FOLDER).names)
    strange = [each.name for each in asked_ingredients().values() if known.isdisjoint(each.endings)]
    assert strange == []


def test_most_endings_are_names_as_lines_are_read() -> None:
    """An ending that normalising would change could never be met."""
    endings = [ending for each in asked_ingredients().values() for ending in each.endings]
    broken = [ending for ending in endings if line_names(f"2 cups {ending}") != (ending,)]
    assert len(broken) <= len(endings) // 10, broken


def test_all_that_is_excluded_from_being_main_is_in_the_table() -> None:
    from models.questions import ingredients

    assert set(ingredients._NEVER_MAIN) <= set(asked_ingredients())
    assert set(ingredients._MEAT) | set(ingredients._FISH) <= set(asked_ingredients())


@pytest.mark.parametrize(("name", "plural"), [("strawberries", True), ("asparagus", False), ("rice", False)])
def test_number(name: str, plural: bool) -> None:
    assert asked_ingredients()[name].plural is plural


def test_what_is_always_in_sight_and_what_is_only_when_named() -> None:
    table = asked_ingredients()
    assert table["shrimp"].visibility == "shown"
    assert table["lemon"].visibility == "named"
    assert table["shrimp"].kind == "fish"
    assert table["beef"].kind == "meat"
    assert table["rice"].kind == "other"
