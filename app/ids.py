"""Public ids and the addresses made of them."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from app.problems import Problem, place_problem, sentence
from index.text import normalize_id

#: Words that stand in the service's own addresses, so that no id can be mistaken for one. The tests hold this list
#: against the routes of the app. Kept here, apart from the routes, because imports obey it without any HTTP.
RESERVED_IDS: frozenset[str] = frozenset(
    {
        "analogy",
        "answers",
        "assets",
        "cancel",
        "captions",
        "docs",
        "file",
        "files",
        "generations",
        "healthz",
        "images",
        "imports",
        "ingredients",
        "jobs",
        "links",
        "metrics",
        "models",
        "oauth2-redirect",
        "openapi.json",
        "problems",
        "readyz",
        "recipes",
        "results",
        "search",
        "similar",
        "tags",
        "thumbnail",
        "v1",
    }
)


def check_id(value: str, field: str | None = None) -> str:
    """The normalised form of a public id; ``field`` is where it stands in a request that has more than it.

    Raises:
        Problem: ``invalid-id``, when it breaks the rules of :func:`index.text.normalize_id` or is reserved.
    """
    try:
        return normalize_id(value, reserved=RESERVED_IDS)
    except ValueError as error:
        if field is not None:
            raise place_problem("invalid-id", str(error), field) from None
        raise Problem("invalid-id", sentence(error)) from None


def new_id() -> str:
    """An id for an item that came without one."""
    return uuid.uuid4().hex


class Addresses:
    """Where items are; ``root`` is the prefix under which a proxy serves the app."""

    def __init__(self, root: str = "") -> None:
        self._root = root.rstrip("/")

    def recipe(self, item_id: str) -> str:
        return f"{self._root}/v1/recipes/{quote(item_id, safe='')}"

    def image(self, item_id: str) -> str:
        return f"{self._root}/v1/images/{quote(item_id, safe='')}"

    def file(self, item_id: str) -> str:
        return f"{self.image(item_id)}/file"

    def thumbnail(self, item_id: str) -> str:
        return f"{self.image(item_id)}/thumbnail"

    def job(self, job_id: str) -> str:
        return f"{self._root}/v1/jobs/{quote(job_id, safe='')}"

    def drawn_file(self, name: str) -> str:
        return f"{self._root}/v1/images/generations/files/{quote(name, safe='')}"

    def drawing_result(self, job_id: str) -> str:
        return f"{self._root}/v1/images/generations/results/{quote(job_id, safe='')}"
