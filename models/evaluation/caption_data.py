"""Photos with captions to hold a captioner to.

``captions.jsonl``: one JSON object a line with ``id``, ``image`` (path relative to the folder), ``captions`` (list)
and ``split``. ``recipes.jsonl`` (see :mod:`models.data`) serves as well: a title is the one caption of its photo.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.captioning.types import CaptionStyle
from models.data import RECIPES_FILE, DataError, read_recipes

CAPTIONS_FILE = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class CaptionedPhoto:
    """A photo and its captions, at least one, none of them blank."""

    id: str
    image: Path
    captions: tuple[str, ...]
    split: str


def natural_style(folder: Path) -> CaptionStyle:
    """``general`` for a folder with ``captions.jsonl``, ``dish`` for one with ``recipes.jsonl`` only.

    Raises:
        DataError: it has neither.
    """
    if (folder / CAPTIONS_FILE).is_file():
        return "general"
    if (folder / RECIPES_FILE).is_file():
        return "dish"
    raise DataError(f"{folder} has neither {CAPTIONS_FILE} nor {RECIPES_FILE}; --data takes the folder that holds one")


def read_captioned(folder: Path, split: str, style: CaptionStyle) -> list[CaptionedPhoto]:
    """The photos of one split with their captions, in file order; of a folder with both files those of the style.

    Raises:
        DataError: the folder has no such file, a line is broken, or no photo with a caption belongs to the split.
    """
    prefers_titles = style == "dish" and (folder / RECIPES_FILE).is_file()
    if prefers_titles or natural_style(folder) == "dish":
        found = [
            CaptionedPhoto(recipe.id, recipe.image, (recipe.text.title,), split)
            for recipe in read_recipes(folder, split)
            if recipe.image is not None and recipe.text.title
        ]
        path = folder / RECIPES_FILE
    else:
        path = folder / CAPTIONS_FILE
        found = [photo for photo in _iter_file(path) if photo.split == split]
    if not found:
        raise DataError(f"{path} has no photo with a caption whose split is {split!r}")
    return found


def _iter_file(path: Path) -> Iterator[CaptionedPhoto]:
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                photo = _parse(line, f"{path}:{number}", path.parent)
                if photo.id in seen:
                    raise DataError(f"{path}:{number}: the id {photo.id!r} was used on line {seen[photo.id]} already")
                seen[photo.id] = number
                yield photo
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from error


def _parse(line: str, where: str, folder: Path) -> CaptionedPhoto:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(record).__name__}")
    image = Path(_string(record, "image", where))
    if image.is_absolute() or ".." in image.parts:
        raise DataError(f"{where}: image must be a path inside the folder, not {str(image)!r}")
    captions = record.get("captions")
    if not isinstance(captions, list) or not all(isinstance(each, str) for each in captions):
        raise DataError(f"{where}: captions must be a list of strings")
    kept = tuple(caption.strip() for caption in captions if caption.strip())
    if not kept:
        raise DataError(f"{where}: captions needs at least one that is not blank")
    return CaptionedPhoto(_string(record, "id", where), folder / image, kept, str(record.get("split") or ""))


def _string(record: dict[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: {field} must be a string that is not empty")
    return value
