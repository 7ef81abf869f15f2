from __future__ import annotations

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from app.problems import Problem
from app.security import check_key


def _request(value: str | None) -> Request:
    headers = [] if value is None else [(b"authorization", value.encode("utf-8"))]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


def test_without_a_key_all_may_pass() -> None:
    check_key(_request(None), None)
    check_key(_request("Bearer whatever"), None)


@pytest.mark.parametrize("key", ["sesame", "with space", "sésame", "\u2603"])
def test_the_right_key_passes(key: str) -> None:
    check_key(_request(f"Bearer {key}"), SecretStr(key))
    check_key(_request(f"bearer   {key} "), SecretStr(key))


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesame1", "Basic sesame", "ÿ"]
)
def test_anything_else_does_not(value: str | None) -> None:
    with pytest.raises(Problem) as caught:
        check_key(_request(value), SecretStr("sesame"))
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "sesame" not in caught.value.detail
