import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.generator_neighbours import (
    MOST_DISHES,
    PICTURES_PER_DISH,
    dish_name,
    dishes_of,
    mean_pairwise_distance,
    nearest_rows,
)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(1, 300), m=st.integers(1, 20))
def test_the_nearest_row_is_that_of_all_distances(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    queries, gallery = rng.random((n, 4), dtype=np.float32), rng.random((m, 4), dtype=np.float32)
    apart = np.sqrt(np.square(queries[:, None].astype(float) - gallery[None]).sum(2))
    found = nearest_rows(queries, gallery)
    assert found.distances == pytest.approx(apart.min(1), abs=1e-5)
    assert apart[np.arange(n), found.rows] == pytest.approx(apart.min(1), abs=1e-5)


def test_a_copy_is_at_no_distance_at_all() -> None:
    gallery = 50 * np.random.default_rng(0).random((40, 1280), dtype=np.float32)
    found = nearest_rows(gallery[[7, 3]], gallery)
    assert found.rows.tolist() == [7, 3]
    assert found.distances.tolist() == [0, 0]


def test_no_gallery_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of one width"):
        nearest_rows(np.zeros((2, 3), np.float32), np.zeros((0, 3), np.float32))


def test_pairs_of_rows_are_counted_once() -> None:
    rows = np.array([[0, 0], [3, 4], [0, 0]], dtype=np.float32)
    assert mean_pairwise_distance(rows) == pytest.approx(10 / 3)
    with pytest.raises(ValueError, match="at least two rows"):
        mean_pairwise_distance(rows[:1])


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Spicy Tomato Soup with Basil", "tomato soup"),
        ("Roast Chicken (for Two)", "roast chicken"),
        ("Grandma's Upside-Down Cake", "upside-down cake"),
        ("Roasted Leg of Lamb", "leg of lamb"),
        ("Chewy Chocolate Chip Cookies", "chocolate chip cookies"),
        ("Crème Brûlée", "crème brûlée"),
        ("Pork Chops and Gravy", None),
        ("Burgers", None),
        ("Of Lamb", None),
        ("", None),
    ],
)
def test_what_dish_a_title_names(title: str, name: str | None) -> None:
    assert dish_name(title) == name


def test_dishes_have_different_photos() -> None:
    titles = ["Tomato Soup"] * 8 + ["Cream of Tomato Soup"] + ["Green Salad"] * 7
    contents = [bytes([number]) for number in range(9)] + [bytes([100 + min(number, 4)]) for number in range(7)]
    (dish,) = dishes_of(titles, contents, seed=0)
    assert dish.name == "tomato soup"
    assert len(set(dish.rows)) == PICTURES_PER_DISH
    assert list(dish.rows) == sorted(dish.rows)
    assert max(dish.rows) < 9
    assert dishes_of(titles, contents, seed=0) == [dish]
    assert len({dishes_of(titles, contents, seed)[0].rows for seed in range(9)}) > 1


def test_the_dishes_of_most_photos_are_taken() -> None:
    names = [f"x{chr(97 + i // 26)}{chr(97 + i % 26)} soup" for i in range(MOST_DISHES + 5)]
    titles = [name for i, name in enumerate(names) for _ in range(PICTURES_PER_DISH + (i == len(names) - 1))]
    found = dishes_of(titles, [str(i).encode() for i in range(len(titles))], seed=0)
    assert [dish.name for dish in found] == [names[-1], *names[: MOST_DISHES - 1]]
