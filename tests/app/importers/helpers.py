"""Short words for the tests of the readers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.importers.base import Entry, ImportItem, ImportProblem, Reader
from app.services.items import PictureItem, RecipeItem


def read(reader: Reader) -> tuple[list[ImportItem], list[ImportProblem]]:
    """Everything a reader yields, items and problems apart."""
    entries: list[Entry] = list(reader.entries())
    items = [entry for entry in entries if isinstance(entry, ImportItem)]
    return items, [entry for entry in entries if isinstance(entry, ImportProblem)]


def sole(reader: Reader) -> ImportItem:
    """The only item of a reader that has no problems."""
    items, problems = read(reader)
    assert problems == []
    (item,) = items
    return item


def recipe_of(item: ImportItem) -> RecipeItem:
    assert item.bundle.recipe is not None
    return item.bundle.recipe


def picture_of(item: ImportItem) -> PictureItem:
    (picture,) = item.bundle.pictures
    return picture


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_lines(path: Path, lines: Iterable[Any]) -> Path:
    """JSON lines; a text is written as it is."""
    return write(path, "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
