import unicodedata
from collections import Counter

import pytest

from models.data import read_recipes
from models.tagging.vocabulary import (
    LEFT_OUT,
    MIN_POSITIVES,
    TagVocabulary,
    built_in_groups,
    built_in_vocabulary,
    tag_keys,
    visible_tags,
    vocabulary_of,
)
from tests.paths import collection


def test_only_what_a_photo_shows_counts() -> None:
    assert visible_tags(["Kosher", "Salad", "Peanut Free", "Thanksgiving", "Tomato"]) == ["Salad", "Tomato"]


def test_nothing_is_both_built_in_and_left_out() -> None:
    vocabulary = built_in_vocabulary()
    assert visible_tags(vocabulary.names) == list(vocabulary.names)
    left_out = [tag for tags in LEFT_OUT.values() for tag in tags]
    assert len(left_out) == len(set(left_out))
    assert all(tag == tag.casefold() for tag in left_out)


def test_groups_are_found_without_regard_to_case() -> None:
    groups = built_in_groups()
    assert (groups["tomato"], groups["soup/stew"], groups["dessert"]) == ("ingredient", "dish", "course")
    assert groups["sauté"] == "technique"


def test_a_second_spelling_counts_as_the_tag() -> None:
    assert tag_keys(["Cookie", "Cookies", "SALAD"]) == {"cookies", "salad"}


@pytest.mark.parametrize(
    ("names", "groups"), [((), ()), (("a",), ()), (("a", " "), ("x", "x")), (("Fig", "fig"), ("x", "x"))]
)
def test_a_vocabulary_is_refused_where_it_is_ambiguous(names: tuple[str, ...], groups: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        TagVocabulary(names, groups)


@pytest.mark.data
def test_a_vocabulary_of_a_caller_has_each_tag_once_with_its_group() -> None:
    decomposed = unicodedata.normalize("NFD", "sauté")
    made = vocabulary_of([("Rice", "grain"), ("blini", None), ("RICE", None), ("pasta", None), (decomposed, None)])
    assert made.names == ("Rice", "blini", "pasta", decomposed)
    assert made.groups == ("grain", "other", "dish", "technique")
    with pytest.raises(ValueError, match="at least one"):
        vocabulary_of([])


def test_the_built_in_tags_are_those_of_the_collection() -> None:
    examples = [each for each in read_recipes(collection("epicurious"), "train") if each.image is not None]
    counts = Counter(key for example in examples for key in tag_keys(visible_tags(example.tags)))
    frequent = {key for key, count in counts.items() if count >= MIN_POSITIVES}
    assert frequent == {name.casefold() for name in built_in_vocabulary().names}
