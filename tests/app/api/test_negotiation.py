from __future__ import annotations

import pytest
from starlette.requests import Request

from app.api.negotiation import preferred, prefers
from app.problems import Problem

OFFERS = ("application/json", "image/png")


def _request(*accept: str) -> Request:
    headers = [(b"accept", value.encode("latin-1")) for value in accept]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ((), "application/json"),
        (("",), "application/json"),
        (("*/*",), "application/json"),
        (("image/png",), "image/png"),
        (("IMAGE/PNG",), "image/png"),
        (("image/*",), "image/png"),
        (("application/*",), "application/json"),
        (("application/json",), "application/json"),
        (("application/json; charset=utf-8",), "application/json"),
        (("application/json;q=0.5, image/png",), "image/png"),
        (("application/json, image/png;q=0.9",), "application/json"),
        (("application/json, image/png",), "application/json"),
        (("image/png, */*",), "image/png"),
        (("image/png;q=0.2, */*;q=0.1",), "image/png"),
        (("image/png;q=0.2, */*;q=0.3",), "application/json"),
        (("application/json;q=0, */*",), "image/png"),
        (("application/json;q=0.2", "image/png;Q=0.5"), "image/png"),
        (("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",), "image/png"),
        (("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",), "application/json"),
        (("nonsense, image/png",), "image/png"),
        (("application/json;q=2, image/png;q=0.1",), "image/png"),
    ],
)
def test_the_most_wanted_of_the_offers(accept: tuple[str, ...], chosen: str) -> None:
    assert preferred(_request(*accept), OFFERS) == chosen


@pytest.mark.parametrize(
    "accept", ["text/html", "image/webp", "image/png;q=0", "*/*;q=0", "image/*;q=0, text/*", "nonsense", "\xe9/png"]
)
def test_what_can_not_be_given_is_refused(accept: str) -> None:
    with pytest.raises(Problem, match="application/json or image/png") as error:
        preferred(_request(accept), OFFERS)
    assert error.value.status == 406


@pytest.mark.parametrize(
    ("header", "async_"),
    [
        ((), False),
        (("respond-async",), True),
        (("wait=10, Respond-Async",), True),
        (("wait=10", "respond-async; foo=bar"), True),
        (("respond-asynchronously",), False),
        (("return=minimal; respond-async",), False),
    ],
)
def test_preferences_are_found_among_others(header: tuple[str, ...], async_: bool) -> None:
    headers = [(b"prefer", value.encode()) for value in header]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": headers})
    assert prefers(request, "respond-async") is async_
