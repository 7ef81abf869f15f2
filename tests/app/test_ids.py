from __future__ import annotations

from urllib.parse import unquote

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import BaseRoute

from app.factory import create_app
from app.ids import RESERVED_IDS, Addresses, check_id, new_id
from app.problems import Problem
from app.settings import Settings


def _paths(routes: list[BaseRoute], app: FastAPI) -> set[str]:
    documented = set(app.openapi()["paths"])
    return documented | {path for route in routes if isinstance(path := getattr(route, "path", None), str)}


def test_every_fixed_segment_of_a_route_is_reserved() -> None:
    app = create_app(Settings(builtin_catalogue=False))
    segments = {
        segment
        for path in _paths(app.routes, app)
        for segment in path.split("/")
        if segment and not segment.startswith("{")
    }
    assert {"recipes", "images", "search", "file", "thumbnail", "cancel", "openapi.json"} <= segments
    assert segments <= RESERVED_IDS


@pytest.mark.parametrize("word", sorted(RESERVED_IDS))
def test_reserved_words_are_refused(word: str) -> None:
    with pytest.raises(Problem, match="reserved") as caught:
        check_id(word)
    assert caught.value.slug == "invalid-id"


@pytest.mark.parametrize("bad", ["", " ", "a/b", ".", "..", "a\nb", "x" * 129, "tab\t", "\u200bzero", " lead"])
def test_what_cannot_be_an_id(bad: str) -> None:
    with pytest.raises(Problem) as caught:
        check_id(bad)
    assert caught.value.status == 422


def test_ids_are_nfc() -> None:
    assert check_id("cre\u0301me") == "cr\u00e9me"


def test_made_ids_are_valid_and_differ() -> None:
    made = {new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(check_id(each) == each for each in made)


@given(st.text(min_size=1, max_size=40))
def test_an_address_leads_back_to_its_id(text: str) -> None:
    try:
        item_id = check_id(text)
    except Problem:
        return
    address = Addresses("/prefix/").image(item_id)
    assert address.isascii()
    assert address.count("/") == 4
    assert unquote(address.rsplit("/", 1)[1]) == item_id
