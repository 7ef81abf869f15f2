"""Sites of recipe pages: Hugo (``content/*.md``, pictures in ``static/``), Jekyll (``_posts``, ``_recipes``, pictures
in ``assets/`` or ``images/``), or any folder of Markdown pages. The public-domain-recipes collection is the first kind.

A page becomes a recipe whose id is the file's stem (a page bundle ``soup/index.md``: the folder's name; a Jekyll post:
without its date) and a photo for each picture that is a file of the site. Ingredients and directions come from the
sections of the page, or from lists in its front matter. A page that has neither is no recipe and is passed over.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.importers.base import Entry, Ids, ImportProblem, Photos, recipe_entries, strings
from app.importers.markdown import Page, PageError, parse_page
from app.importers.paths import OutsideError, find_picture, read_text, relative, walk
from app.schema_org import clean_tags
from index.types import JsonValue, Recipe

MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown"})
JEKYLL_FOLDERS = ("_recipes", "_posts")
_STATIC_FOLDERS = ("static", "assets", "public", "", "images", "content")
_POST_DATE = re.compile(r"^\d{4}-\d{1,2}-\d{1,2}-")
_NOT_PAGES = frozenset({"_index", "readme", "license", "contributing", "changelog"})
_PICTURE_KEYS = ("cover", "image", "images", "featured_image", "thumbnail", "header", "photo", "picture")
_TAG_KEYS = ("tags", "categories", "keywords")
_INGREDIENT_KEYS = ("ingredients",)
_DIRECTION_KEYS = ("directions", "instructions", "method", "steps")
_LAYOUT_KEYS = frozenset({"title", "layout", "type", "draft", "published", "weight", "permalink", "aliases", "slug"})
_CONSUMED = _LAYOUT_KEYS.union(_PICTURE_KEYS, _TAG_KEYS, _INGREDIENT_KEYS, _DIRECTION_KEYS)


@dataclass(frozen=True, slots=True)
class HugoReader:
    """Reads the pages below ``folders`` (relative to the site's ``root``)."""

    root: Path
    folders: tuple[str, ...] = ("content",)
    jekyll: bool = False
    format: str = "hugo"

    @property
    def summary(self) -> str:
        name = "Jekyll site" if self.jekyll else "Hugo site" if self.folders == ("content",) else "Markdown pages"
        return f"{name} with {self.count()} pages"

    def count(self) -> int:
        return sum(1 for _ in self._pages())

    def entries(self) -> Iterator[Entry]:
        recipe_ids, photos = Ids(), Photos(self.root)
        for path in self._pages():
            place = relative(path, self.root)
            try:
                page = parse_page(read_text(self.root, place))
            except (OutsideError, PageError) as error:
                yield ImportProblem(place, str(error))
                continue
            yield from self._page(page, path, place, recipe_ids, photos)

    def _pages(self) -> Iterator[Path]:
        for folder in self.folders:
            for path in walk(self.root / folder, MARKDOWN_SUFFIXES):
                if path.stem.lower() not in _NOT_PAGES:
                    yield path

    def _page(self, page: Page, path: Path, place: str, recipe_ids: Ids, photos: Photos) -> Iterator[Entry]:
        if page.front.get("draft") is True or page.front.get("published") is False:
            yield ImportProblem(place, "the page is a draft and was passed over", lost=False)
            return
        name = _name(path)
        recipe = self._recipe(page, name)
        if not (recipe.ingredients or recipe.instructions):
            yield ImportProblem(place, "the page has no ingredients and no directions, so it is no recipe", lost=False)
            return
        pictures, problems = photos.gather(
            [*_front_pictures(page.front), *page.pictures],
            lambda reference: self._find(reference, place),
            place=place,
            title=recipe.title,
            tags=recipe.tags,
        )
        yield from problems
        yield from recipe_entries(recipe, pictures, recipe_ids, wanted=name, place=place, key=place)

    def _recipe(self, page: Page, name: str) -> Recipe:
        front = page.front
        title = front.get("title")
        extra: dict[str, JsonValue] = {key: value for key, value in front.items() if key not in _CONSUMED}
        extra = {key: value for key, value in extra.items() if value is not None}
        for key, fact in page.facts.items():
            extra.setdefault(key, fact)
        if page.description:
            extra.setdefault("description", "\n\n".join(page.description))
        return Recipe(
            title=str(title).strip() if isinstance(title, str | int | float) else page.heading or _title(name),
            ingredients=tuple(page.ingredients) or _list(front, _INGREDIENT_KEYS),
            instructions=tuple(page.directions) or _list(front, _DIRECTION_KEYS),
            tags=clean_tags(tag for key in _TAG_KEYS for tag in self._tags(front.get(key))),
            extra=extra,
        )

    def _tags(self, value: JsonValue) -> tuple[str, ...]:
        if isinstance(value, str):
            # Jekyll separates the words of a plain string by spaces, Hugo has lists; people write commas in both.
            return tuple(value.split(",") if "," in value or not self.jekyll else value.split())
        if isinstance(value, list):
            return tuple(str(entry) for entry in value if isinstance(entry, str | int | float))
        return ()

    def _find(self, reference: str, place: str) -> Path:
        plain = re.split(r"[?#]", reference, maxsplit=1)[0]
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(place), plain)) if plain[:1] != "/" else None
        below = [posixpath.join(folder, plain.lstrip("/")) for folder in _STATIC_FOLDERS]
        return find_picture(self.root, [*([beside] if beside else []), *below])


def _name(path: Path) -> str:
    name = path.parent.name if path.stem == "index" else path.stem
    return _POST_DATE.sub("", name)


def _title(name: str) -> str:
    return re.sub(r"[-_\s]+", " ", name).strip().capitalize()


def _list(front: Mapping[str, JsonValue], keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        found = strings(front.get(key))
        if found:
            return found if len(found) > 1 else tuple(line.strip() for line in found[0].splitlines() if line.strip())
    return ()


def _front_pictures(front: Mapping[str, JsonValue]) -> Iterator[str]:
    for key in _PICTURE_KEYS:
        yield from _references(front.get(key))


def _references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)
    elif isinstance(value, Mapping):
        for key in ("image", "src", "url", "path", "teaser"):
            yield from _references(value.get(key))
