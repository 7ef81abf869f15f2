from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.bodies import media_type, strict_json
from app.problems import Problem

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_good_json_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    assert strict_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_problem(data: bytes) -> None:
    with contextlib.suppress(Problem):
        strict_json(data)


@pytest.mark.parametrize("text", ['"\\ud83c\\udf5c"', '"\\\\u0000"', '"\\\\ud800"', '{"\\\\u0000": "\\\\\\\\u0000"}'])
def test_what_only_looks_like_a_bad_escape_is_taken(text: str) -> None:
    assert strict_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text", ['"\\u0000"', '["\\\\\\u0000"]', '{"a\\u0000": 1}', '"\\udc00\\ud800"', '{"\\ud800": 1}']
)
def test_bad_escapes_are_refused_wherever_they_are(text: str) -> None:
    with pytest.raises(Problem, match=r"NUL|surrogate"):
        strict_json(text.encode())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("", ""),
        (";", "text/plain"),
    ],
)
def test_media_types_without_parameters(header: str, expected: str) -> None:
    request = Request({"type": "http", "headers": [(b"content-type", header.encode())]})
    assert media_type(request) == expected
