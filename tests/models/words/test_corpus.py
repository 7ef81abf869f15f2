from __future__ import annotations

import pytest

from models.types import RecipeText
from models.words.corpus import build_corpus, is_ingredient, title_words
from models.words.errors import WordCorpusError

RECIPES = [
    RecipeText("Grandma's Best Onion Soup", ("2 onions, chopped", "1 cup chicken broth", "1 sheet aluminum foil")),
    RecipeText("Onion soup II", ("3 onions", "chicken broth", "rare yellow onion")),
    RecipeText("Onion tart", ("1 onion", "2 eggs", "onion rings")),
    RecipeText("Two Eggs", ("2 eggs, beaten", "salt and pepper", "aluminum foil")),
    RecipeText("A title alone"),
]


def test_names_and_title_words_are_counted_once_a_recipe() -> None:
    corpus = build_corpus(RECIPES, min_count=2, min_title_count=2)
    assert corpus.names == ("onion", "chicken broth", "egg")
    assert corpus.counts == (3, 2, 2)
    assert corpus.title_words == ("onion", "soup")
    assert corpus.size == 5
    assert list(corpus.recipes()) == [
        ["onion", "chicken broth", "title:onion", "title:soup"],
        ["onion", "chicken broth", "title:onion", "title:soup"],
        ["onion", "egg", "title:onion"],
    ]
    assert corpus.offsets.tolist() == [0, 4, 8, 11]


def test_a_rare_name_counts_as_the_known_name_in_it() -> None:
    recipes = [RecipeText("x", ("basil", "salt")), RecipeText("x", ("thai basil", "salt"))]
    corpus = build_corpus(recipes, min_count=1)
    assert "thai basil" in corpus.names
    corpus = build_corpus([*recipes, RecipeText("x", ("basil", "salt"))], min_count=2)
    assert dict(zip(corpus.names, corpus.counts, strict=True)) == {"basil": 3, "salt": 3}


@pytest.mark.parametrize("name", ["green onion", "cream of mushroom soup", "flour", "half and half"])
def test_ingredients(name: str) -> None:
    assert is_ingredient(name)


@pytest.mark.parametrize(
    "name", ["", "ab", "aluminum foil", "red", "special equipment", "one two three four five", "mix3", "garnish"]
)
def test_no_ingredients(name: str) -> None:
    assert not is_ingredient(name)


def test_title_words_are_the_telling_ones() -> None:
    assert title_words("Aunt Mary's Easy Chocolate Cookies with Chocolate II") == ("mary", "chocolate", "cookie")


def test_too_little_is_one_sentence() -> None:
    with pytest.raises(WordCorpusError, match="no ingredient stands in 10 of the 5 recipes"):
        build_corpus(RECIPES)
