"""The folder format: ``recipes.jsonl`` (or ``.jsonl.gz``), one JSON object a line, with the pictures beside it.

A line has ``id``, ``title``, ``ingredients``, ``instructions``, ``tags``, ``image`` (a path below the folder) and may
have ``images`` (paths, or objects with ``file, id, title, tags, captions, generated, extra``), ``captions`` (texts, or
objects with ``text, style, model``), ``kind`` and ``extra``.

What a line becomes:

* with an ingredient or an instruction: a recipe, and a photo for each picture, linked with it;
* with a picture and nothing but a title: a photo of that title, and no recipe;
* with a title alone: a recipe of that title;
* ``kind`` (``recipe`` or ``image``) overrides the three.

A photo takes the line's title, tags and captions where it has none of its own; its id is its own, else the file's stem
(a line that is a photo and nothing else: the line's id). Any other key goes into ``extra``, unless the line has an
``extra``; so do ``captions`` where there is no photo to have them. A photo of which ``generated`` is not said is drawn
if its file says so.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.importers.base import (
    Entry,
    Ids,
    ImportItem,
    ImportProblem,
    Photos,
    leftover,
    parse_json,
    recipe_entries,
    remote_picture,
    strings,
)
from app.importers.paths import OutsideError, find_picture, is_remote, relative
from app.schema_org import clean_tags
from app.services.items import Bundle, PictureItem
from index.types import JsonValue, PictureCaption, Recipe

LINES_NAMES = ("recipes.jsonl", "recipes.jsonl.gz")
MAX_LINE_BYTES = 4 * 1024 * 1024
_KNOWN = frozenset(
    {"id", "title", "ingredients", "instructions", "tags", "image", "images", "kind", "extra", "generated"}
)
_OF_PHOTOS = frozenset({"captions"})
_CHUNK = 1 << 20


class _LineError(ValueError):
    """The line as a whole can't be used."""


@dataclass(frozen=True, slots=True)
class FolderReader:
    """Reads ``lines_file``; pictures are looked for below ``root``."""

    root: Path
    lines_file: Path
    format: str = "folder"

    @property
    def summary(self) -> str:
        return f"{self.lines_file.name} with about {self.count()} lines"

    def count(self) -> int:
        try:
            with _open(self.lines_file) as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
        except (OSError, EOFError, zlib.error):
            return 0

    def entries(self) -> Iterator[Entry]:
        recipe_ids, photos = Ids(), Photos(self.root)
        for number, line in _lines(self.lines_file):
            place = f"{self.lines_file.name}:{number}"
            if isinstance(line, ImportProblem):
                yield line
                continue
            try:
                content = parse_json(line)
                if not isinstance(content, dict):
                    raise _LineError("the line is not a JSON object")
                yield from self._line(content, place, recipe_ids, photos)
            except ValueError as error:
                yield ImportProblem(place, str(error))

    def _line(self, line: Mapping[str, object], place: str, recipe_ids: Ids, photos: Photos) -> Iterator[Entry]:
        references = _references(line)
        recipe = Recipe(
            title=_text(line, "title"),
            ingredients=_texts(line, "ingredients"),
            instructions=_texts(line, "instructions"),
            tags=clean_tags(_texts(line, "tags")),
            extra=_extra(line, _OF_PHOTOS if references else frozenset()),
        )
        is_recipe = _is_recipe(line, recipe, bool(references))
        pictures: list[PictureItem] = []
        for reference in references:
            if is_remote(str(reference["file"])):
                yield remote_picture(str(reference["file"]), place)
                continue
            try:
                item, note = self._picture(reference, line, recipe, is_recipe, photos)
            except OutsideError as error:
                yield ImportProblem(place, f"picture: {error}")
                continue
            pictures.append(item)
            if note:
                yield ImportProblem(place, f"picture: {note}", lost=False)
        if is_recipe:
            yield from recipe_entries(recipe, tuple(pictures), recipe_ids, wanted=_id(line), place=place)
        elif pictures:
            yield ImportItem(place, Bundle(pictures=tuple(pictures)))

    def _picture(
        self,
        reference: Mapping[str, object],
        line: Mapping[str, object],
        recipe: Recipe,
        of_recipe: bool,
        photos: Photos,
    ) -> tuple[PictureItem, str | None]:
        file = _text(reference, "file")
        path = find_picture(self.root, [file])
        plain = set(reference) == {"file"}
        place = relative(path, self.root.resolve())
        if plain and (of_recipe or place in photos.known):
            return photos.item(path, title=recipe.title, tags=recipe.tags, captions=_captions(line))
        wanted = _id(reference) or (None if of_recipe else _id(line)) or path.stem
        # One file may stand for several photos here, each with an id and a description of its own.
        owner = place if wanted == path.stem else f"{place} as {wanted}"
        item_id, note = photos.ids.give(wanted, place=owner, words=path.stem, key=place)
        item = PictureItem(
            id=item_id,
            data=path,
            title=_text(reference, "title") if "title" in reference else recipe.title,
            tags=clean_tags(_texts(reference, "tags")) if "tags" in reference else recipe.tags,
            captions=_captions(reference if "captions" in reference else line),
            generated=_flag(reference if of_recipe else {**line, **reference}, "generated"),
            extra=recipe.extra if plain else _extra(reference, _OF_PHOTOS | {"file"}),
        )
        if wanted == path.stem:
            photos.known.setdefault(place, item)
        return item, note


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _lines(path: Path) -> Iterator[tuple[int, str | ImportProblem]]:
    """Numbered lines that are not blank; one that is too long or not UTF-8 is a problem and the next is read."""
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                place = f"{path.name}:{number}"
                if len(raw) > MAX_LINE_BYTES:
                    while raw and not raw.endswith(b"\n"):
                        raw = file.readline(_CHUNK)
                    detail = f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB"
                    yield number, ImportProblem(place, detail)
                    continue
                try:
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError:
                    yield number, ImportProblem(place, "the line is not UTF-8 text")
                    continue
                if text:
                    yield number, text
    except (OSError, EOFError, zlib.error) as error:
        yield number, ImportProblem(path.name, f"the file can't be read past line {number}: {error}")


def _is_recipe(line: Mapping[str, object], recipe: Recipe, has_pictures: bool) -> bool:
    kind = line.get("kind")
    if kind not in (None, "recipe", "image"):
        raise _LineError(f'kind is {kind!r}; it can be "recipe" or "image"')
    if kind == "image" and not has_pictures:
        raise _LineError("the line is of the kind image and names no picture")
    if kind is not None:
        return kind == "recipe"
    if recipe.ingredients or recipe.instructions:
        return True
    if not has_pictures and not recipe.title:
        raise _LineError("the line has no title, no ingredients, no instructions and no image")
    return not has_pictures


def _references(line: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The line's pictures as objects with a ``file``; ``image`` repeats what ``images`` says of the same file."""
    found: dict[str, Mapping[str, object]] = {}
    images = line.get("images")
    if images is not None and not isinstance(images, list):
        raise _LineError("images must be a list of paths or of objects with a file")
    for entry in images or []:
        reference = {"file": entry} if isinstance(entry, str) else entry
        if not isinstance(reference, dict) or not isinstance(reference.get("file"), str):
            raise _LineError("images must be a list of paths or of objects with a file")
        found.setdefault(str(reference["file"]), reference)
    image = _text(line, "image")
    if image:
        found.setdefault(image, {"file": image})
    return list(found.values())


def _id(line: Mapping[str, object]) -> str | None:
    value = line.get("id")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _LineError("id must be a text")
    return str(value)


def _text(line: Mapping[str, object], name: str) -> str:
    value = line.get(name)
    if value is not None and not isinstance(value, str):
        raise _LineError(f"{name} must be a text")
    return (value or "").strip()


def _flag(line: Mapping[str, object], name: str) -> bool | None:
    value = line.get(name)
    return value if isinstance(value, bool) else None


def _texts(line: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = strings(line.get(name))
    if found is None:
        raise _LineError(f"{name} must be a list of texts")
    return found


def _captions(line: Mapping[str, object]) -> tuple[PictureCaption, ...]:
    value = line.get("captions")
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_caption(entry) for entry in entries if not isinstance(entry, str) or entry.strip())


def _caption(entry: object) -> PictureCaption:
    if isinstance(entry, str):
        return PictureCaption(entry.strip())
    if isinstance(entry, dict) and isinstance(entry.get("text"), str):
        return PictureCaption(_text(entry, "text"), _text(entry, "style"), _text(entry, "model"))
    raise _LineError("captions must be a list of texts or of objects with a text")


def _extra(line: Mapping[str, object], also_known: frozenset[str] = frozenset()) -> dict[str, JsonValue]:
    extra = line.get("extra")
    if extra is None:
        return leftover(line, _KNOWN | also_known)
    if not isinstance(extra, dict):
        raise _LineError("extra must be an object")
    return dict(extra)
