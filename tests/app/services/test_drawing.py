from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.problems import Problem
from app.services.drawing import (
    Candidate,
    Drawing,
    Subject,
    check_prompt,
    chosen,
    count_candidates,
    recipe_prompt,
    seeds_from,
    side_of,
)
from app.services.query import Item, Text, WholeRecipe
from index.types import Kind, Recipe
from models.generation.types import MAX_SEED
from tests.app.fakes import GENERATOR

SUBJECTS: list[Subject] = [
    Text("soup"),
    Item(Kind.RECIPE, "soup"),
    WholeRecipe(Recipe(title="Soup", ingredients=("water", "salt"), instructions=("Boil.",))),
]


def _drawing(subject: Subject, **values: Any) -> Drawing:
    return Drawing(subject=subject, **{"n": 2, "seed": 1, "candidates": 4, "size": 32, **values})


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_drawing_survives_as_json(subject: Subject) -> None:
    drawing = _drawing(subject, truncation=0.5, negative="meat", picture_format="webp", keep=True, store=True)
    assert Drawing.from_json(drawing.to_json()) == drawing


@given(st.integers(0, MAX_SEED), st.integers(1, 80), st.integers(1, 80))
def test_seeds_do_not_depend_on_how_many_there_are(seed: int, some: int, more: int) -> None:
    fewer = min(some, more)
    seeds = seeds_from(seed, max(some, more))
    assert seeds[:fewer] == seeds_from(seed, fewer)
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= each <= MAX_SEED for each in seeds)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12), st.integers(1, 12))
def test_the_nearest_are_chosen(scores: list[float], n: int) -> None:
    pixels = np.zeros((1, 1, 3), np.uint8)
    candidates = [Candidate(seed, score, pixels) for seed, score in enumerate(scores)]
    found = [(each.seed, each.score) for each in chosen(candidates, n)]
    if len(scores) <= n:
        assert found == list(enumerate(scores))
    else:
        assert found == sorted(enumerate(scores), key=lambda pair: (-pair[1], pair[0]))[:n]


def test_how_many_candidates_there_are() -> None:
    assert count_candidates(3, None, per_picture=4, seed_given=False) == 12
    assert count_candidates(3, None, per_picture=4, seed_given=True) == 3
    assert count_candidates(3, 5, per_picture=4, seed_given=True) == 5
    with pytest.raises(Problem, match="candidates: must be at least n, which is 3"):
        count_candidates(3, 2, per_picture=4, seed_given=False)


def test_sizes_that_are_drawn() -> None:
    assert [side_of(size, GENERATOR) for size in ("auto", "32x32", "16x16")] == [32, 32, 16]
    for size in ("64x64", "32x16", "32", "", "032x032", "x"):
        with pytest.raises(Problem, match=r"size: .* auto or one of 32x32, 16x16"):
            side_of(size, GENERATOR)


def test_recipes_in_a_few_words() -> None:
    assert recipe_prompt(Recipe(title="Soup", ingredients=("water",))) == "Soup"
    assert recipe_prompt(Recipe(ingredients=("water", "salt"))) == "water, salt"
    assert recipe_prompt(Recipe(instructions=("Boil.", "Serve."))) == "Boil. Serve."
    assert len(recipe_prompt(Recipe(ingredients=("water",) * 500))) <= 300


def test_control_characters_are_refused_and_ends_of_lines_are_not() -> None:
    assert check_prompt("tomato\tsoup\r\n🍅") == "tomato\tsoup\r\n🍅"
    for character in ("\0", "\x1b", "\x7f", "\x9f"):
        with pytest.raises(ValueError, match="at place 2"):
            check_prompt(f"a{character}")
