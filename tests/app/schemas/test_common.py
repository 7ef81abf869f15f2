from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schemas.common import MAX_EXTRA_BYTES, merge_patch
from app.schemas.filters import FilterIn
from app.schemas.recipes import RecipeFields
from app.schemas.search import ImageSearch, RecipeSearch
from index.types import Filter

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=4)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert merge_patch(target, patch) == result


@given(target=OBJECTS, patch=OBJECTS)
def test_a_patch_twice_is_a_patch_once_and_the_target_stays(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert repr(target) == before


def test_extra_is_bounded_in_bytes_not_characters() -> None:
    RecipeFields.model_validate({"title": "x", "extra": {"a": "y" * (MAX_EXTRA_BYTES - 20)}})
    with pytest.raises(ValueError, match="bytes"):
        RecipeFields.model_validate({"title": "x", "extra": {"a": "\u2603" * (MAX_EXTRA_BYTES // 2)}})


def test_a_filter_says_the_same_to_the_index() -> None:
    wanted = FilterIn(tags_all=["a"], ids=[], exclude_ids=["b"], has_image=False)
    assert wanted.to_filter() == Filter(tags_all=("a",), ids=(), exclude_ids=("b",), has_image=False)
    assert FilterIn().to_filter().is_empty


@pytest.mark.parametrize("model", [RecipeSearch, ImageSearch])
def test_each_source_alone_is_taken(model: type[RecipeSearch] | type[ImageSearch]) -> None:
    values: dict[str, Any] = {
        "image_id": "x",
        "recipe_id": "x",
        "text": "x",
        "recipe": {"title": "x"},
        "tags": {"include": ["x", {"tag": "y", "weight": 2}], "exclude": ["z"]},
        "query": {"terms": [{"tag": "x"}, {"photo": 2, "weight": -1}]},
        "expression": "x - photo2",
    }
    for name in model.sources:
        assert model.model_validate({name: values[name]}).source == name


def test_tags_become_signed_weights() -> None:
    search = ImageSearch.model_validate(
        {"tags": {"include": [" x ", {"tag": "y", "weight": 2}], "exclude": ["z", {"tag": "w", "weight": 0.5}]}}
    )
    assert search.tags is not None
    assert search.tags.weighted() == [("x", 1.0), ("y", 2.0), ("z", -1.0), ("w", -0.5)]
