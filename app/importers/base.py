"""What every importer shares: the items it yields, and the rules that keep it inside its folder.

A reader turns one source into a stream of :class:`ImportItem` and :class:`ImportProblem`. It never raises for bad
data, never opens a path outside its folder (neither by ``..`` nor through a symbolic link), and never decodes a
picture: that is the business of :class:`app.services.ingest.Ingest`.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias

from app.ids import RESERVED_IDS
from app.importers.paths import OutsideError, is_remote, relative
from app.services.items import Bundle, PictureItem, RecipeItem
from index.text import normalize_id
from index.types import JsonValue, PictureCaption, Recipe

_SLUG_LENGTH = 80


class ImportSourceError(Exception):
    """The source as a whole can't be imported; the message is one clear sentence for the user."""


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One thing to store. ``source`` says where it was read, for messages (``recipes.jsonl:17``)."""

    source: str
    bundle: Bundle


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Something that could not be read (``lost``), or was read differently from how it was written (not ``lost``)."""

    source: str
    detail: str
    lost: bool = True


Entry: TypeAlias = "ImportItem | ImportProblem"


class Reader(Protocol):
    """One source, readable as often as wanted."""

    @property
    def format(self) -> str:
        """The name that ``--format`` takes."""
        ...

    @property
    def summary(self) -> str:
        """What was recognised, for the user: ``Hugo site with 140 recipes in content/``."""
        ...

    def count(self) -> int:
        """About how many entries :meth:`entries` yields; cheap, for a progress bar."""
        ...

    def entries(self) -> Iterator[Entry]: ...


def parse_json(text: str, *, strict: bool = True) -> object:
    """JSON without the extensions of :mod:`json`; not ``strict``: control characters may stand in texts.

    Raises:
        ValueError: malformed, too deeply nested, with NaN or an infinity, or with half a surrogate pair.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        value: object = json.loads(text, parse_constant=refuse, strict=strict)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("the JSON holds half a surrogate pair") from None
    return value


def strings(value: object) -> tuple[str, ...] | None:
    """A JSON list of texts, cleaned of blank entries, or one text as a list of one; None for anything else."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(entry.strip() for entry in value if entry.strip())
    return None


def slug(text: str) -> str:
    """Letters and digits of any script, lower case, joined by hyphens: ``Crème brûlée!`` -> ``crème-brûlée``."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())
    return "-".join(words)[:_SLUG_LENGTH].strip("-")


@dataclass(slots=True)
class Ids:
    """Gives out the ids of one kind in one run: the source's own where it is valid and free, otherwise a made one.

    A made id depends on the item alone, never on its neighbours or its line, so the next import of the same source
    finds the same items.
    """

    taken: dict[str, str] = field(default_factory=dict)  # id -> the place that has it

    def give(self, wanted: str | None, *, place: str, words: str, key: str) -> tuple[str, str | None]:
        """The id of the item at ``place``, and a sentence where ``wanted`` could not be kept.

        The same place may ask again and gets the same id. A made id is the slug of ``words`` (a title, a file name)
        and 8 hex digits of the SHA-256 of ``key``, what the item is known by (its path, its text).
        """
        if wanted is None:
            return _made(words, key), None
        try:
            item_id = normalize_id(wanted, reserved=RESERVED_IDS)
        except ValueError as error:
            made = _made(words, wanted)
            return made, f"the id {wanted[:60]!r} can't be used ({error}); stored as {made!r}"
        if self.taken.setdefault(item_id, place) == place:
            return item_id, None
        made = _made(words, f"{wanted}\0{key}")
        return made, f"the id {item_id!r} is taken by {self.taken[item_id]}; stored as {made!r}"


def _made(words: str, key: str) -> str:
    tail = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug(words) or 'item'}-{tail}"


@dataclass(slots=True)
class Photos:
    """The photos of one run. A file that is named again is the same photo, described as the first time: otherwise two
    recipes that share it would change its title back and forth at every import."""

    root: Path
    ids: Ids = field(default_factory=Ids)
    known: dict[str, PictureItem] = field(default_factory=dict)  # by path below root

    def item(
        self,
        path: Path,
        *,
        title: str,
        tags: tuple[str, ...],
        captions: tuple[PictureCaption, ...] = (),
        wanted: str | None = None,
    ) -> tuple[PictureItem, str | None]:
        """The photo in the file ``path`` (resolved), with a sentence where its id is not ``wanted`` (the stem)."""
        place = relative(path, self.root.resolve())
        if place in self.known:
            return self.known[place], None
        item_id, note = self.ids.give(wanted or path.stem, place=place, words=path.stem, key=place)
        item = PictureItem(id=item_id, data=path, title=title, tags=tags, captions=captions)
        self.known[place] = item
        return item, note

    def gather(
        self, references: Iterable[str], find: Callable[[str], Path], *, place: str, title: str, tags: tuple[str, ...]
    ) -> tuple[tuple[PictureItem, ...], list[ImportProblem]]:
        """The photos that an item at ``place`` names, each once; ``find`` raises OutsideError for what is no file."""
        pictures: dict[str | None, PictureItem] = {}
        problems: list[ImportProblem] = []
        for reference in dict.fromkeys(references):
            if is_remote(reference):
                problems.append(remote_picture(reference, place))
                continue
            try:
                item, note = self.item(find(reference), title=title, tags=tags)
            except OutsideError as error:
                problems.append(ImportProblem(place, f"picture: {error}"))
                continue
            if note:
                problems.append(ImportProblem(place, f"picture: {note}", lost=False))
            pictures.setdefault(item.id, item)
        return tuple(pictures.values()), problems


def remote_picture(reference: str, place: str) -> ImportProblem:
    detail = f"picture: {reference[:200]!r} is an address; pictures are not fetched from the network"
    return ImportProblem(place, detail, lost=False)


def recipe_entries(
    recipe: Recipe,
    pictures: tuple[PictureItem, ...],
    ids: Ids,
    *,
    wanted: str | None,
    place: str,
    key: str | None = None,
) -> Iterator[Entry]:
    """The recipe with its photos, after a problem where its id is not ``wanted``. ``key``: see :meth:`Ids.give`; by
    default the recipe's text. Without photos the links of the stored recipe stay as they are."""
    text = "\0".join((recipe.title, *recipe.ingredients, *recipe.instructions))
    item_id, note = ids.give(wanted, place=place, words=recipe.title, key=key or text)
    if note:
        yield ImportProblem(place, note, lost=False)
    stored = RecipeItem(id=item_id, recipe=recipe, image_ids=() if pictures else None)
    yield ImportItem(place, Bundle(recipe=stored, pictures=pictures))


def leftover(line: Mapping[str, object], known: frozenset[str]) -> dict[str, JsonValue]:
    """What a JSON object has beside ``known``: the item's ``extra``. The values came from a JSON parser."""
    return {key: value for key, value in line.items() if key not in known and value is not None}  # type: ignore[misc]
