"""What can be asked of the generator, checked against what it can do; and the choice among candidates."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from app.problems import field_problem
from app.services.query import Item, Text, WholeRecipe
from index.types import JsonValue, Kind, Recipe
from models.generation.provenance import PictureFormat
from models.generation.types import MAX_SEED, GeneratorInfo
from models.types import UInt8Array

MAX_PICTURES: Final = 10
MAX_CANDIDATES: Final = 80
MAX_PROMPT: Final = 4000  # characters
#: What is said where the settings ask for no generator.
SWITCHED_OFF: Final = (
    "drawing is switched off, or there is no generator for this encoder; set TASTESPACE_GENERATOR to one that fits it, "
    "such as tastespace-pictures (tastespace-lite), latent:FOLDER or diffusers:stabilityai/sd-turbo (any)"
)
_LONGEST_TITLE: Final = 300

Subject: TypeAlias = "Text | Item | WholeRecipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Which pictures are to be drawn of what.

    Attributes:
        subject: a text, a stored recipe, or one that is not stored.
        n: how many pictures are answered.
        seed: of the first; picture i of seed s has seed s + i.
        candidates: pictures that are drawn, at least ``n``; the ``n`` nearest to the subject are answered.
        size: side of the square in pixels.
        truncation: see :class:`models.generation.types.PictureRequest`.
        negative: what not to draw; empty: nothing.
        picture_format: of the files.
        keep: keep files of them for a while.
        store: put them into the catalogue.
    """

    subject: Subject
    n: int
    seed: int
    candidates: int
    size: int
    truncation: float = 1.0
    negative: str = ""
    picture_format: PictureFormat = "png"
    keep: bool = False
    store: bool = False

    @property
    def seeds(self) -> list[int]:
        """Of the candidates."""
        return seeds_from(self.seed, self.candidates)

    def to_json(self) -> dict[str, JsonValue]:
        """What :meth:`from_json` reads."""
        record: dict[str, JsonValue] = {
            name: getattr(self, name)
            for name in (
                "n", "seed", "candidates", "size", "truncation", "negative", "picture_format", "keep", "store"
            )
        }  # fmt: skip
        match self.subject:
            case Text(text):
                record["prompt"] = text
            case Item(id=item_id):
                record["recipe_id"] = item_id
            case WholeRecipe(recipe):
                lines: dict[str, JsonValue] = {
                    "title": recipe.title,
                    "ingredients": list(recipe.ingredients),
                    "instructions": list(recipe.instructions),
                }
                record["recipe"] = lines
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Drawing:
        """Raises KeyError, TypeError on something else than :meth:`to_json` gave."""
        values = dict(record)
        subject: Subject
        if (text := values.pop("prompt", None)) is not None:
            subject = Text(text)
        elif (item_id := values.pop("recipe_id", None)) is not None:
            subject = Item(Kind.RECIPE, item_id)
        else:
            recipe = values.pop("recipe")
            subject = WholeRecipe(
                Recipe(
                    title=recipe["title"],
                    ingredients=tuple(recipe["ingredients"]),
                    instructions=tuple(recipe["instructions"]),
                )
            )
        return cls(subject=subject, **values)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A picture that was drawn, uint8 (size, size, 3), and its cosine with what it was drawn of in the joint space."""

    seed: int
    score: float
    pixels: UInt8Array


def check_prompt(text: str) -> str:
    """``text``. Raises ValueError where it holds control characters other than tabs and ends of lines."""
    for place, character in enumerate(text, start=1):
        if unicodedata.category(character) == "Cc" and character not in "\t\n\r":
            raise ValueError(f"holds the control character U+{ord(character):04X} at place {place}; remove it")
    return text


def seeds_from(seed: int, count: int) -> list[int]:
    """``seed``, ``seed`` + 1 and so on; after the highest comes 0."""
    return [(seed + place) % (MAX_SEED + 1) for place in range(count)]


def new_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


def chosen(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
    """The ``n`` to be answered: all as they were drawn, or, where there are more, the nearest ones, best first."""
    if len(candidates) <= n:
        return list(candidates)
    return sorted(candidates, key=lambda each: -each.score)[:n]


def count_candidates(n: int, candidates: int | None, *, per_picture: int, seed_given: bool) -> int:
    """How many pictures are drawn. With a seed and without a number of candidates just those that are answered, so
    that picture i of a seed is the same for any ``n``.

    Raises:
        Problem: 422: fewer candidates than pictures.
    """
    if candidates is None:
        return n if seed_given else n * per_picture
    if candidates < n:
        raise field_problem("candidates", f"must be at least n, which is {n}")
    return candidates


def side_of(size: str, generator: GeneratorInfo) -> int:
    """``128x128`` -> 128; ``auto`` is the generator's native size.

    Raises:
        Problem: 422: the generator doesn't draw this size; says which it does.
    """
    if size == "auto":
        return generator.sizes[0]
    for side in generator.sizes:
        if size == f"{side}x{side}":
            return side
    offered = ", ".join(f"{side}x{side}" for side in generator.sizes)
    raise field_problem("size", f"{generator.name} draws no pictures of this size; choose auto or one of {offered}")


def check_drawing(drawing: Drawing, generator: GeneratorInfo) -> None:
    """Raises Problem 422 that names the field which the generator can't do."""
    side_of(f"{drawing.size}x{drawing.size}", generator)
    if drawing.negative and not generator.negative:
        raise field_problem("negative_prompt", f"{generator.name} can't be told what not to draw; leave it out")


def recipe_prompt(recipe: Recipe) -> str:
    """A recipe in a few words: its title or, without one, what is in it."""
    text = recipe.title or ", ".join(recipe.ingredients) or " ".join(recipe.instructions)
    return text[:_LONGEST_TITLE].strip()
