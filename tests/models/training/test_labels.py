from models.data import RecipeExample
from models.training.labels import build_labels, title_words
from models.types import RecipeText


def _example(title: str, *tags: str) -> RecipeExample:
    return RecipeExample(title, RecipeText(title), tags, None, "train")


def test_title_words_are_lower_case_singular_and_without_filler() -> None:
    assert title_words("Easy Grilled Tomatoes with the Best Cherries & 3 Berry Pies") == [
        "grilled",
        "tomato",
        "cherry",
        "berry",
        "pie",
    ]
    assert title_words("Molasses Hummus, Asparagus and Couscous") == ["molasses", "hummus", "asparagus", "couscous"]


def test_a_tag_and_a_word_that_read_the_same_are_one_class() -> None:
    examples = [
        _example("Tomato soup", "Soup/Stew"),
        _example("Roast tomatoes", "Tomato"),
        _example("Beef stew", "Kosher"),
        _example("Something else"),
    ]
    labels = build_labels(examples, min_tag=1, min_word=2)
    assert labels.names == ("soup", "stew", "tomato")
    assert labels.hot.tolist() == [[True, True, True], [False, False, True], [False, True, False], [False] * 3]


def test_rare_ones_are_left_out() -> None:
    examples = [_example("Fig tart", "Fig")] * 3
    assert build_labels(examples, min_tag=4, min_word=4).names == ()
    assert build_labels(examples, min_tag=3, min_word=4).names == ("fig",)
