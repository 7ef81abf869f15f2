"""Photos with captions to hold a captioner to.

``captions.jsonl``: one JSON object a line with ``id``, ``image`` (path relative to the folder), ``captions`` (list)
and ``split``. ``recipes.jsonl`` (see :mod:`models.data`) serves as well: a title is the one caption of its photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.captioning.types import CaptionStyle
from models.data import RECIPES_FILE, DataError, note_id, picture_path, read_json_lines, read_recipes

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
    seen: dict[str, str] = {}
    for where, record in read_json_lines(path):
        photo = _captioned(record, where, path.parent)
        note_id(seen, photo.id, where)
        yield photo


def _captioned(record: dict[str, Any], where: str, folder: Path) -> CaptionedPhoto:
    image = picture_path(folder, _string(record, "image", where), where)
    captions = record.get("captions")
    if not isinstance(captions, list) or not all(isinstance(each, str) for each in captions):
        raise DataError(f"{where}: captions must be a list of strings")
    kept = tuple(caption.strip() for caption in captions if caption.strip())
    if not kept:
        raise DataError(f"{where}: captions needs at least one that is not blank")
    return CaptionedPhoto(_string(record, "id", where), image, kept, str(record.get("split") or ""))


def _string(record: dict[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: {field} must be a string that is not empty")
    return value
