"""schema.org recipes in files: ``.json`` and ``.jsonld`` documents, and the JSON-LD scripts of saved web pages.

One file may hold several recipes (arrays, ``@graph``). A recipe's id is its ``identifier``; without one, the stem of a
file that holds one recipe, otherwise one made from the name. Pictures count where they are files beside the page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from app.importers.base import Entry, Ids, ImportProblem, Photos, parse_json, recipe_entries
from app.importers.paths import OutsideError, find_picture, read_text, relative, walk
from app.schema_org import (
    MEDIA_TYPE,
    SchemaOrgError,
    find_recipes,
    recipe_from_jsonld,
    recipe_identifier,
    recipe_images,
)
from index.types import JsonValue

DOCUMENT_SUFFIXES = frozenset({".json", ".jsonld"})
PAGE_SUFFIXES = frozenset({".html", ".htm"})


@dataclass(frozen=True, slots=True)
class JsonLdReader:
    """Reads every document below ``root``, or only ``files``."""

    root: Path
    files: tuple[Path, ...] | None = None
    format: str = "jsonld"

    @property
    def summary(self) -> str:
        return f"{self.count()} JSON or HTML files with schema.org recipes"

    def count(self) -> int:
        return sum(1 for _ in self._files())

    def entries(self) -> Iterator[Entry]:
        recipe_ids, photos = Ids(), Photos(self.root)
        for path in self._files():
            place = relative(path, self.root)
            documents: list[object] = []
            try:
                text = read_text(self.root, place)
            except OutsideError as error:
                yield ImportProblem(place, str(error))
                continue
            page = path.suffix.lower() in PAGE_SUFFIXES
            for script in _scripts(text) if page else [text]:
                try:
                    documents.append(parse_json(script, strict=not page))
                except ValueError as error:
                    yield ImportProblem(place, f"the JSON can't be read: {error}")
            recipes = list(find_recipes(documents))
            if documents and not recipes:
                yield ImportProblem(place, "the file holds no schema.org Recipe", lost=False)
            for number, recipe in enumerate(recipes, 1):
                spot = place if len(recipes) == 1 else f"{place}#{number}"
                sole = path.stem if len(recipes) == 1 and path.stem.lower() != "index" else None
                yield from self._recipe(recipe, spot, place, sole, recipe_ids, photos)

    def _files(self) -> Iterator[Path]:
        if self.files is not None:
            return iter(self.files)
        return walk(self.root, DOCUMENT_SUFFIXES | PAGE_SUFFIXES)

    def _recipe(
        self,
        document: Mapping[str, JsonValue],
        spot: str,
        place: str,
        stem: str | None,
        recipe_ids: Ids,
        photos: Photos,
    ) -> Iterator[Entry]:
        try:
            recipe = recipe_from_jsonld(document)
        except SchemaOrgError as error:
            yield ImportProblem(spot, str(error))
            return
        pictures, problems = photos.gather(
            recipe_images(document),
            lambda address: self._find(address, place),
            place=spot,
            title=recipe.title,
            tags=recipe.tags,
        )
        yield from problems
        wanted = recipe_identifier(document) or stem
        yield from recipe_entries(recipe, pictures, recipe_ids, wanted=wanted, place=spot)

    def _find(self, address: str, place: str) -> Path:
        plain = re.split(r"[?#]", address, maxsplit=1)[0]
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(place), plain)) if plain[:1] != "/" else None
        return find_picture(self.root, [*([beside] if beside else []), plain.lstrip("/")])


class _ScriptParser(HTMLParser):
    """Collects the text of ``<script type="application/ld+json">``."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = (dict(attrs).get("type") or "").split(";")[0].strip().lower()
        self._inside = tag == "script" and kind == MEDIA_TYPE
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def _scripts(page: str) -> list[str]:
    parser = _ScriptParser()
    parser.feed(page)
    parser.close()
    return [script for script in parser.scripts if script.strip()]
