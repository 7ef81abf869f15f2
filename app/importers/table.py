"""Recipes in CSV files: one a row, under headers that are understood by their usual names."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.importers.base import Entry, Ids, ImportItem, ImportProblem, Photos, parse_json, recipe_entries, strings
from app.importers.paths import PICTURE_SUFFIXES, OutsideError, find_picture, relative, resolve_inside, walk
from app.schema_org import clean_tags
from app.services.items import Bundle
from index.types import Recipe

TABLE_SUFFIXES = frozenset({".csv", ".tsv"})
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "recipeid", "identifier", "slug"),
    "title": ("title", "name", "recipename", "recipetitle", "recipe", "dish"),
    "ingredients": ("ingredients", "ingredient", "recipeingredients", "recipeingredient", "ingredientlist"),
    "instructions": ("instructions", "directions", "steps", "method", "recipeinstructions", "preparation"),
    "tags": ("tags", "keywords", "categories", "labels"),
    "image": ("image", "images", "imagename", "imagefile", "photo", "photos", "picture", "pictures"),
}
_SEPARATORS = ("\n", "|", ";")
_PICTURE_FOLDERS = ("", "images", "pictures", "photos")


class _RowError(ValueError):
    """The row can't be used."""


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads every CSV or TSV file below ``root``, or only ``files``; UTF-8, with or without a byte order mark.

    Lists in a cell are a JSON list, or separated by line breaks, ``|`` or ``;`` (tags: also by commas). A column that
    has no meaning here is kept in ``extra`` under its header.
    """

    root: Path
    files: tuple[Path, ...] | None = None
    format: str = "csv"

    @property
    def summary(self) -> str:
        return "CSV with about " + f"{self.count()} rows"

    def count(self) -> int:
        total = 0
        for path in self._files():
            try:
                with path.open("rb") as file:
                    total += max(0, sum(1 for _ in file) - 1)
            except OSError:
                continue
        return total

    def entries(self) -> Iterator[Entry]:
        recipe_ids, photos = Ids(), Photos(self.root)
        for path in self._files():
            place = relative(path, self.root)
            try:
                resolved = resolve_inside(self.root, place)
                # Bytes that are not UTF-8 become lone surrogates, so that they cost a row and not the file.
                with resolved.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                    delimiter = _delimiter(file.readline())
                    file.seek(0)
                    yield from self._rows(csv.reader(file, delimiter=delimiter), place, recipe_ids, photos)
            except (OutsideError, OSError) as error:
                yield ImportProblem(place, str(error))

    def _files(self) -> Iterator[Path]:
        return iter(self.files) if self.files is not None else walk(self.root, TABLE_SUFFIXES)

    def _rows(self, rows: Iterator[list[str]], place: str, recipe_ids: Ids, photos: Photos) -> Iterator[Entry]:
        header = next(rows, [])
        roles = _roles(header)
        if not {"title", "ingredients"} & set(roles.values()):
            known = ", ".join(_COLUMNS)
            yield ImportProblem(place, f"the first row names neither a title nor ingredients; known columns: {known}")
            return
        while True:
            line = getattr(rows, "line_num", 0) + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield ImportProblem(f"{place}:{line}", f"the row can't be read: {error}")
                continue
            if any(cell.strip() for cell in cells):
                try:
                    yield from self._row(header, roles, cells, f"{place}:{line}", recipe_ids, photos)
                except (_RowError, OutsideError) as error:
                    yield ImportProblem(f"{place}:{line}", str(error))

    def _row(
        self,
        header: list[str],
        roles: Mapping[int, str],
        cells: list[str],
        place: str,
        recipe_ids: Ids,
        photos: Photos,
    ) -> Iterator[Entry]:
        if len(cells) > len(header):
            raise _RowError(f"the row has {len(cells)} cells and the header {len(header)}; quote cells with commas")
        if any("\ud800" <= character <= "\udfff" for cell in cells for character in cell):
            raise _RowError("the row is not UTF-8 text; save the file as UTF-8")
        values = dict.fromkeys(_COLUMNS, "") | {roles[at]: cell for at, cell in enumerate(cells) if at in roles}
        recipe = Recipe(
            title=" ".join(values["title"].split()),
            ingredients=_cell_list(values["ingredients"]),
            instructions=_cell_list(values["instructions"]),
            tags=clean_tags(_cell_list(values["tags"], (*_SEPARATORS, ","))),
            extra={
                header[at].strip(): cell.strip()
                for at, cell in enumerate(cells)
                if at not in roles and cell.strip() and header[at].strip()
            },
        )
        pictures, problems = photos.gather(
            _cell_list(values["image"]), self._find, place=place, title=recipe.title, tags=recipe.tags
        )
        yield from problems
        if recipe.title or recipe.ingredients or recipe.instructions:
            wanted = values["id"].strip() or None
            yield from recipe_entries(recipe, pictures, recipe_ids, wanted=wanted, place=place)
        elif pictures:
            yield ImportItem(place, Bundle(pictures=pictures))
        else:
            raise _RowError("the row has no title, no ingredients and no instructions")

    def _find(self, reference: str) -> Path:
        """A cell may leave out the folder of pictures and, as some published tables do, the suffix."""
        below = [f"{folder}/{reference}" if folder else reference for folder in _PICTURE_FOLDERS]
        if Path(reference).suffix.lower() not in PICTURE_SUFFIXES:
            below += [path + suffix for path in below for suffix in sorted(PICTURE_SUFFIXES)]
        return find_picture(self.root, below)


def _delimiter(header: str) -> str:
    return max((",", ";", "\t"), key=header.count)


def _roles(header: list[str]) -> dict[int, str]:
    """Column number -> what it means. Of two columns with one meaning the one with the more usual name wins."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    roles: dict[int, str] = {}
    for role, names in _COLUMNS.items():
        for name in names:
            if name in plain:
                roles[plain.index(name)] = role
                break
    return roles


def _cell_list(cell: str, separators: tuple[str, ...] = _SEPARATORS) -> tuple[str, ...]:
    text = cell.replace("\r\n", "\n").replace("\r", "\n").strip()
    if text.startswith("[") and text.endswith("]"):
        values = _literal(text)
        found = strings(values) if isinstance(values, list) else None
        if found is not None:
            return found
    for separator in separators:
        if separator in text:
            return tuple(part.strip() for part in text.split(separator) if part.strip())
    return (text,) if text else ()


def _literal(text: str) -> object:
    """A list as JSON, or as Python prints it (how data frames save lists); None when it is neither."""
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
