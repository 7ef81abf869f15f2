"""Conditional requests (RFC 9110, section 13) on items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request

from app.api.present import JSON_LD_VARIANT, etag
from app.problems import Problem
from index.types import Stored, UnknownItemError

Item = TypeVar("Item", bound=Stored)


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",") if tag.strip()]


async def expected_revision(request: Request, load: Callable[[], Awaitable[Stored]]) -> int | None:
    """The revision that a write must find: from ``If-Match``, 0 for ``If-None-Match: *``, None where neither is sent.

    Raises:
        Problem: 412 where the condition fails already.
    """
    if_match = request.headers.get("if-match")
    if if_match is None:
        if request.headers.get("if-none-match", "").strip() == "*":
            return 0
        return None
    try:
        item = await load()
    except UnknownItemError:
        raise Problem("precondition-failed", "If-Match was sent, but no item has this id.") from None
    fitting = {etag(item), etag(item, JSON_LD_VARIANT)}
    if if_match.strip() != "*" and fitting.isdisjoint(_tags(if_match)):
        raise Problem("precondition-failed", f"The item is now at {etag(item)}; read it again and repeat the change.")
    return item.revision


def is_fresh(request: Request, tag: str) -> bool:
    """Whether the client's copy (``If-None-Match``) is the present one, so that 304 is the answer."""
    offered = request.headers.get("if-none-match")
    if offered is None:
        return False
    return offered.strip() == "*" or tag in [value.removeprefix("W/") for value in _tags(offered)]
