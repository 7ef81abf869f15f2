from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import DataError, read_recipes
from models.questions.photos import Looks, by_photo, difference_hash, leaks
from tests.models.questions.recipe_world import draw, write_recipes


def test_the_same_bytes_are_the_same_photo(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 11)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    images = {"One": {"image": "a.png"}, "Two": {}, "Three": {"image": "b.png"}, "Four": {"image": ""}}
    write_recipes(tmp_path, [{"title": title, **image} for title, image in images.items()])
    groups = by_photo(read_recipes(tmp_path))
    assert [[each.text.title for each in group] for group in groups] == [["One", "Three"], ["Two"]]


def test_a_smaller_copy_looks_the_same_and_another_photo_does_not(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 1)
    draw(tmp_path / "b.png", 2)
    with Image.open(tmp_path / "a.png") as image, Image.open(tmp_path / "b.png") as other:
        mine, copy = difference_hash(image), difference_hash(image.resize((40, 30)))
        assert np.count_nonzero(mine != copy) < 40
        assert np.count_nonzero(mine != difference_hash(other)) > 60


def test_training_photos_and_recipes_that_are_nearly_held_out_ones(tmp_path: Path) -> None:
    for name, seed in (("held.png", 0), ("copy.png", 0), ("x.png", 1), ("y.png", 2), ("z.png", 3)):
        draw(tmp_path / name, seed)
    write_recipes(
        tmp_path,
        [
            {"title": "Best Pea Soup", "ingredients": ["peas"], "image": "held.png", "split": "val"},
            {"title": "Other", "ingredients": ["rice"], "image": "copy.png"},
            {"title": "Pea soup, best", "ingredients": ["corn"], "image": "x.png"},
            {"title": "Third", "ingredients": ["peas"], "image": "y.png"},
            {"title": "Fourth", "ingredients": ["figs"], "image": "z.png"},
        ],
    )
    held, *train = ([each] for each in read_recipes(tmp_path))
    looks = Looks.of([each.image for group in train for each in group if each.image])
    assert leaks(train, [held], looks, Looks.of([tmp_path / "held.png"])).tolist() == [True, True, True, False]


def test_next_to_nothing_is_seen_of_one_grey(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (200, 200, 205)).save(tmp_path / "grey.png")
    draw(tmp_path / "dish.png", 5)
    assert Looks.of([tmp_path / "grey.png", tmp_path / "dish.png"]).blank.tolist() == [True, False]


def test_a_broken_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        Looks.of([tmp_path / "broken.png"])
