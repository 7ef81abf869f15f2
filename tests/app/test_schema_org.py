"""schema.org JSON-LD: what publishers write, and the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema_org import (
    SchemaOrgError,
    clean_tags,
    find_recipes,
    is_recipe,
    recipe_from_jsonld,
    recipe_identifier,
    recipe_images,
    recipe_to_jsonld,
)
from index.types import Recipe

_WORDS = st.text(alphabet="abcdefghij éñ½°-()", min_size=1, max_size=30).map(lambda text: " ".join(text.split()))
_LINES = st.lists(_WORDS.filter(bool), max_size=5).map(tuple)


def _recipe(**properties: Any) -> dict[str, Any]:
    return {"@context": "https://schema.org", "@type": "Recipe", "name": "Soup", **properties}


@given(
    title=_WORDS.filter(bool),
    ingredients=_LINES,
    instructions=_LINES,
    tags=_LINES.map(clean_tags),
    extra=st.dictionaries(st.sampled_from(["cuisine", "course", "yield", "url", "note"]), _WORDS.filter(bool)),
)
def test_round_trip(
    title: str,
    ingredients: tuple[str, ...],
    instructions: tuple[str, ...],
    tags: tuple[str, ...],
    extra: dict[str, str],
) -> None:
    recipe = Recipe(title=title, ingredients=ingredients, instructions=instructions, tags=tags, extra=extra)
    written = json.loads(json.dumps(recipe_to_jsonld(recipe, recipe_id="r1", url="https://x/r1", images=["a.jpg"])))
    assert recipe_from_jsonld(written) == recipe
    assert recipe_identifier(written) == "r1"
    assert recipe_images(written) == ("a.jpg",)


def test_tag_with_a_comma_survives() -> None:
    recipe = Recipe(title="Soup", tags=("red, hot", "soup"))
    assert recipe_from_jsonld(recipe_to_jsonld(recipe)) == recipe


def test_numbers_of_a_list_of_steps_are_the_authors() -> None:
    recipe = Recipe(title="Bread", instructions=("2. rise", "bake"))
    assert recipe_from_jsonld(recipe_to_jsonld(recipe)) == recipe


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("1. Mix.\n2. Bake.", ("Mix.", "Bake.")),
        ("<ol><li>Mix &amp; stir.</li><li>Bake.</li></ol>", ("Mix & stir.", "Bake.")),
        ("<p>Mix.<br/>Bake.</p>", ("Mix.", "Bake.")),
        (["Mix.", "Bake."], ("Mix.", "Bake.")),
        ([{"@type": "HowToStep", "text": "Mix."}, {"@type": "HowToStep", "name": "Bake."}], ("Mix.", "Bake.")),
        ({"@type": "ItemList", "itemListElement": [{"@type": "HowToStep", "text": "Mix."}]}, ("Mix.",)),
        (
            [
                {
                    "@type": "HowToSection",
                    "name": "Sauce",
                    "itemListElement": [{"@type": "HowToStep", "text": "Mix."}],
                },
                {"@type": "HowToStep", "text": "Pour."},
            ],
            ("Sauce:", "Mix.", "Pour."),
        ),
        ([[{"@type": "HowToStep", "text": "Mix."}]], ("Mix.",)),
        (None, ()),
    ],
)
def test_instructions_in_every_common_shape(instructions: object, expected: tuple[str, ...]) -> None:
    assert recipe_from_jsonld(_recipe(recipeInstructions=instructions)).instructions == expected


@pytest.mark.parametrize(
    "ingredients",
    [{"recipeIngredient": ["1 egg", " 2&nbsp;cups  flour "]}, {"ingredients": "1 egg\n2 cups flour"}],
)
def test_ingredients(ingredients: dict[str, object]) -> None:
    assert recipe_from_jsonld(_recipe(**ingredients)).ingredients == ("1 egg", "2 cups flour")


def test_keywords_as_text_or_list() -> None:
    assert recipe_from_jsonld(_recipe(keywords="Soup, hot,  soup ,")).tags == ("Soup", "hot")
    assert recipe_from_jsonld(_recipe(keywords=["Soup", "hot, spicy"])).tags == ("Soup", "hot, spicy")


def test_extra_has_plain_names_and_keeps_the_rest() -> None:
    recipe = recipe_from_jsonld(
        _recipe(
            recipeCuisine="Thai",
            recipeCategory=["Main"],
            author={"@type": "Person", "name": "Ann"},
            nutrition={"@type": "NutritionInformation", "calories": "270"},
            aggregateRating=None,
        )
    )
    assert recipe.extra == {
        "cuisine": "Thai",
        "course": ["Main"],
        "author": "Ann",
        "nutrition": {"@type": "NutritionInformation", "calories": "270"},
    }


def test_find_recipes_in_graphs_lists_and_pages() -> None:
    document = [
        {"@graph": [{"@type": "WebSite"}, _recipe(name="a")]},
        {"@type": "WebPage", "mainEntity": _recipe(name="b", isPartOf=_recipe(name="nested"))},
        {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": _recipe(name="c")}]},
        "text",
        None,
    ]
    assert [recipe["name"] for recipe in find_recipes(document)] == ["a", "b", "c"]


def test_find_recipes_survives_depth() -> None:
    document: object = _recipe()
    for _ in range(500):
        document = [document]
    assert list(find_recipes(document)) == []


@pytest.mark.parametrize("kind", ["Recipe", ["Thing", "Recipe"], "http://schema.org/Recipe", "schema:Recipe"])
def test_is_recipe(kind: object) -> None:
    assert is_recipe({"@type": kind})


@pytest.mark.parametrize("value", [None, [], "Recipe", {}, {"@type": "RecipeList"}, {"@type": None}, {"@type": [1]}])
def test_is_not_a_recipe(value: object) -> None:
    assert not is_recipe(value)


def test_images_in_every_common_shape() -> None:
    assert recipe_images({"image": "a.jpg"}) == ("a.jpg",)
    assert recipe_images(
        {"image": ["a.jpg", {"@type": "ImageObject", "url": "b.jpg"}, {"contentUrl": "c.jpg"}, "a.jpg", " ", 3]}
    ) == ("a.jpg", "b.jpg", "c.jpg")
    assert recipe_images({}) == ()


def test_identifier() -> None:
    assert recipe_identifier({"identifier": 12}) == "12"
    assert recipe_identifier({"identifier": {"@type": "PropertyValue", "value": " x "}}) == "x"
    assert recipe_identifier({"identifier": ["x"]}) is None
    assert recipe_identifier({"identifier": True}) is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "Soup"}, "@type"),
        ({"@type": "Recipe", "name": " ", "recipeIngredient": []}, "at least one"),
        (_recipe(rating=float("nan")), "not finite"),
        (_recipe(rating=object()), "not JSON"),
    ],
)
def test_bad_documents_are_one_clear_sentence(document: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaOrgError, match=message):
        recipe_from_jsonld(document)


def test_extra_never_hides_a_property() -> None:
    recipe = Recipe(title="Soup", extra={"name": "Other", "@type": "Thing", "image": "x", "note": 1})
    written = recipe_to_jsonld(recipe)
    assert written == {"@context": "https://schema.org", "@type": "Recipe", "name": "Soup", "note": 1}
