from __future__ import annotations

import pytest

from models.questions.diets import sweet, vegetarian


@pytest.mark.parametrize(
    ("lines", "tags", "expected"),
    [
        (["2 eggplants", "1 cup goat cheese"], set(), True),
        (["1 pound chicken thighs"], set(), False),
        (["1 pound chicken thighs"], {"vegetarian"}, None),
        (["1 cup chicken broth", "rice"], set(), None),
        (["1 cup vegetable broth", "rice"], set(), True),
        (["2 anchovy fillets", "lettuce"], set(), None),
        (["1 cup chicken broth", "1 pound shrimp"], set(), False),
        (["2 tablespoons fish sauce", "tofu"], set(), None),
        (["8 ounces oyster mushrooms"], set(), True),
        (["beef short ribs"], set(), False),
        (["4 short ribs"], set(), False),
        (["2 celery ribs"], set(), True),
    ],
)
def test_vegetarian(lines: list[str], tags: set[str], expected: bool | None) -> None:
    assert vegetarian(lines, tags, "A dish") is expected


def test_the_title_speaks_too() -> None:
    assert vegetarian(["rice"], set(), "Duck with Rice") is False


@pytest.mark.parametrize(
    ("lines", "tags", "kind", "expected"),
    [
        (["1 cup sugar", "flour"], set(), "cake", True),
        (["1 cup sugar", "2 cloves garlic"], {"dessert"}, None, None),
        (["1 pound beef"], {"dinner"}, None, False),
        (["flour"], set(), None, None),
        (["1 cup sugar"], set(), "drink", None),
        (["1 onion"], set(), "sauce", None),
    ],
)
def test_sweet(lines: list[str], tags: set[str], kind: str | None, expected: bool | None) -> None:
    assert sweet(lines, tags, kind) is expected
