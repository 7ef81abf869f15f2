from __future__ import annotations

import pytest

from models.questions.dishes import course_of, dish_kind, technique_of


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Pasta Salad with Tuna", "salad"),
        ("Tomato Soup", "soup"),
        ("Chicken Noodle Soup", "soup"),
        ("Ham and Cheese Sandwich", "sandwich"),
        ("Mac and Cheese", "pasta"),
        ("Soup and Sandwich", None),
        ("Pork Chops and Gravy", None),
        ("Chocolate Cake (with Ice Cream)", "cake"),
        ("Roast Chicken with Bread Salad", None),
        ("Lemon Bars", "cookies"),
        ("Whiskey Sour", "drink"),
        ("Blueberry Muffins", "muffins"),
        ("Dry Rub", "seasoning"),
        ("", None),
    ],
)
def test_the_kind_of_dish_is_named_last_in_the_head_of_a_title(title: str, kind: str | None) -> None:
    assert dish_kind(title) == kind


@pytest.mark.parametrize(
    ("kind", "tags", "course"),
    [
        (None, {"dinner"}, "main course"),
        (None, {"dinner", "side"}, "side dish"),
        (None, {"appetizer", "side"}, None),
        ("cake", set(), "dessert"),
        ("cake", {"breakfast"}, "breakfast"),
        ("drink", {"dessert"}, "drink"),
        ("sauce", {"side"}, None),
        ("muffins", set(), None),
        (None, set(), None),
    ],
)
def test_a_course_where_the_tags_speak_of_one(kind: str | None, tags: set[str], course: str | None) -> None:
    assert course_of(kind, tags) == course


@pytest.mark.parametrize(
    ("title", "kind", "tags", "instructions", "way"),
    [
        ("Grilled Chicken", None, set(), ["Grill the chicken."], "grilled"),
        ("Grilled Chicken", None, {"roast"}, ["Grill the chicken."], None),
        ("Chicken", None, {"roast"}, ["Roast it."], "roasted"),
        ("Chicken", None, {"roast"}, ["Boil it."], None),
        ("Chicken", None, {"roast", "fry"}, ["Roast and fry."], None),
        ("Carrot Cake", "cake", set(), [], "baked"),
        ("Roasted Tomato Soup", "soup", {"roast"}, ["Roast."], None),
        ("Steak", None, {"broil"}, ["Broil."], None),
        ("Stir-Fried Beef", None, {"fry"}, ["Heat a wok; stir."], "stir-fried"),
        ("Tuna Tartare", None, {"no-cook"}, ["Mix."], "not cooked"),
        ("Tuna Tartare", None, {"no-cook"}, ["Preheat the oven."], None),
        ("Chicken", None, set(), [], None),
    ],
)
def test_a_technique_where_title_tags_and_instructions_agree(
    title: str, kind: str | None, tags: set[str], instructions: list[str], way: str | None
) -> None:
    assert technique_of(title, kind, tags, instructions) == way
