"""Reading the folder format: ``recipes.jsonl`` beside its pictures.

One JSON object a line: ``id``, ``title``, ``ingredients`` (list), ``instructions`` (list), ``tags`` (list), ``image``
(path relative to the folder) and ``split``. A line may have a photo and a title only, or no photo at all. The file
may be gzipped; a file of recipes without photos and splits is read by :func:`read_recipe_file`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from models.types import ModelError, RecipeText

RECIPES_FILE = "recipes.jsonl"


class DataError(ModelError):
    """A data folder can't be read; the message names file, line and field."""


@dataclass(frozen=True, slots=True)
class RecipeExample:
    """One line of ``recipes.jsonl``. ``image`` is the photo's path, None where there is none."""

    id: str
    text: RecipeText
    tags: tuple[str, ...]
    image: Path | None
    split: str

    @property
    def has_body(self) -> bool:
        """Whether there is more than a title."""
        return bool(self.text.ingredients or self.text.instructions)


def read_recipes(folder: Path, split: str | None = None) -> list[RecipeExample]:
    """The recipes of one split (None: of all) in file order.

    Raises:
        DataError: the folder has no ``recipes.jsonl``, a line is broken, or no line belongs to the split.
    """
    path = folder / RECIPES_FILE
    if not path.is_file():
        raise DataError(f"{folder} has no {RECIPES_FILE}; --data takes the folder that holds it")
    examples = [example for example in _iter_file(path) if split is None or example.split == split]
    if not examples:
        raise DataError(f"{path} has no line whose split is {split!r}" if split else f"{path} has no recipes")
    return examples


def read_recipe_file(path: Path) -> list[RecipeExample]:
    """All recipes of a ``.jsonl`` or ``.jsonl.gz`` file; ``image`` and ``split`` may be left out.

    Raises:
        DataError: the file is missing or a line is broken.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    return list(_iter_file(path))


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a ``.jsonl`` or ``.jsonl.gz`` file, blank lines left out, each with its place (``FILE:LINE``).

    Raises:
        DataError: the file can't be read, or a line is no JSON object.
    """
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    where = f"{path}:{number}"
                    yield where, _parse_object(line, where)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}") from error


def picture_path(folder: Path, image: str, where: str) -> Path:
    """The path of a picture that a line names. Raises DataError where it leads out of the folder."""
    if Path(image).is_absolute() or ".." in Path(image).parts:
        raise DataError(f"{where}: image must be a path inside the folder, not {image!r}")
    return folder / image


def note_id(seen: dict[str, str], identity: str, where: str) -> None:
    """Remember in ``seen`` where an id stands. Raises DataError where another line of the file has it."""
    if identity in seen:
        line = seen[identity].rpartition(":")[2]
        raise DataError(f"{where}: the id {identity!r} was used on line {line} already")
    seen[identity] = where


def _iter_file(path: Path) -> Iterator[RecipeExample]:
    seen: dict[str, str] = {}
    for where, record in read_json_lines(path):
        example = _example(record, where, path.parent)
        note_id(seen, example.id, where)
        yield example


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _parse_object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(record).__name__}")
    return record


def _example(record: dict[str, Any], where: str, folder: Path) -> RecipeExample:
    image = _string(record, "image", where)
    identity = _string(record, "id", where)
    if not identity:
        raise DataError(f"{where}: id is missing")
    try:
        text = RecipeText(
            _string(record, "title", where),
            _strings(record, "ingredients", where),
            _strings(record, "instructions", where),
        )
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    return RecipeExample(
        id=identity,
        text=text,
        tags=tuple(tag.strip() for tag in _strings(record, "tags", where) if tag.strip()),
        image=picture_path(folder, image, where) if image else None,
        split=_string(record, "split", where),
    )


def _string(record: dict[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: {field} must be a string, not {type(value).__name__}")
    return value


def _strings(record: dict[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = record.get(field)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise DataError(f"{where}: {field} must be a list of strings")
    return tuple(value)
