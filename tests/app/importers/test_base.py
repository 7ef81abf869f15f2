"""Ids, slugs and JSON: what all readers share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import RESERVED_IDS
from app.importers.base import Ids, parse_json, slug, strings
from index.text import normalize_id


@given(wanted=st.none() | st.text(max_size=200), words=st.text(max_size=200), key=st.text(max_size=50))
def test_every_id_given_out_is_valid_and_the_same_next_time(wanted: str | None, words: str, key: str) -> None:
    item_id, note = Ids().give(wanted, place="p", words=words, key=key)
    assert normalize_id(item_id, reserved=RESERVED_IDS) == item_id
    assert Ids().give(wanted, place="p", words=words, key=key) == (item_id, note)
    if note is None and wanted is not None:
        assert item_id == normalize_id(wanted)


def test_an_id_is_given_to_one_place_only() -> None:
    ids = Ids()
    assert ids.give("soup", place="a:1", words="Soup", key="x") == ("soup", None)
    assert ids.give("soup", place="a:1", words="Soup", key="x") == ("soup", None)
    other, note = ids.give("soup", place="a:2", words="Soup", key="y")
    assert other.startswith("soup-")
    assert note is not None
    assert "taken by a:1" in note


@pytest.mark.parametrize("wanted", ["a/b", "", " x", "x" * 129, "search", "."])
def test_an_id_that_cannot_be_is_made_and_said(wanted: str) -> None:
    item_id, note = Ids().give(wanted, place="p", words="Crème brûlée!", key="k")
    assert item_id.startswith("crème-brûlée-")
    assert note is not None
    assert item_id in note


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Crème brûlée!", "crème-brûlée"), ("  ", ""), ("Bò kho (beef)", "bò-kho-beef"), ("a_b.c", "a-b-c")],
)
def test_slug(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize("text", ["{", "NaN", "[Infinity]", '"\\ud800"', "[" * 100_000, '"a\nb"'])
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_control_characters_may_be_allowed() -> None:
    assert parse_json('"a\nb"', strict=False) == "a\nb"
    assert parse_json('"\\ud83c\\udf5c"') == "🍜"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ()), (" a ", ("a",)), ("", ()), (["a", " ", "b "], ("a", "b")), ([1], None), ({}, None), (3, None)],
)
def test_strings(value: object, expected: tuple[str, ...] | None) -> None:
    assert strings(value) == expected
