"""Distances between pictures in a backbone's features: to the nearest training photo, and among pictures of a dish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.questions.dishes import head_of
from models.types import Float32Array

#: Pictures of a dish that are compared with each other.
PICTURES_PER_DISH = 6
#: Most dishes that are compared.
MOST_DISHES = 100
_CHUNK = 256
_NAME_WORDS = 2
#: Words that no name of a dish begins with: one more is taken ("leg of lamb", "chocolate chip cookies").
_UNFINISHED = frozenset({"of", "the", "a", "de", "la", "down", "food", "chip"})
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_JOINT = re.compile(r"\b(?:and|or)\b|[&,/:;]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """For each query the row of the gallery that is nearest, int64 (n,), and its Euclidean distance, float32 (n,)."""

    rows: NDArray[np.int64]
    distances: Float32Array


@dataclass(frozen=True, slots=True)
class Dish:
    """A dish as titles name it, and the rows of photos of it."""

    name: str
    rows: tuple[int, ...]


def nearest_rows(queries: Float32Array, gallery: Float32Array) -> Nearest:
    """The nearest row of ``gallery`` (m, width) to each of ``queries`` (n, width).

    Raises:
        ValueError: there is nothing in the gallery, or the widths differ.
    """
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1] or not len(gallery):
        raise ValueError(f"queries and gallery must be rows of one width, not {queries.shape} and {gallery.shape}")
    rows = np.empty(len(queries), dtype=np.int64)
    lengths = np.square(gallery).sum(1)
    for start in range(0, len(queries), _CHUNK):
        part = queries[start : start + _CHUNK]
        rows[start : start + len(part)] = (lengths - 2 * (part @ gallery.T)).argmin(1)
    # From the difference itself: that of a copy is 0, which sums of squares would hide in their rounding.
    return Nearest(rows, np.linalg.norm(queries - gallery[rows], axis=1).astype(np.float32))


def mean_pairwise_distance(rows: Float32Array) -> float:
    """The mean Euclidean distance over all pairs of rows, (n, width).

    Raises:
        ValueError: there are fewer than two rows.
    """
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"pairs need at least two rows, not {rows.shape}")
    first, second = np.triu_indices(len(rows), 1)
    return float(np.linalg.norm(rows[first] - rows[second], axis=1).mean(dtype=np.float64))


def dish_name(title: str) -> str | None:
    """The dish that a title names: the last two words before "with", "in", "on" and the like, without brackets, in
    small letters, and more where two are no name ("leg of lamb"). None where there are fewer, or where the title joins
    several things ("Pork Chops and Gravy")."""
    head = head_of(title)
    words = _WORD.findall(head.lower())
    start = len(words) - _NAME_WORDS
    while start > 0 and words[start] in _UNFINISHED:
        start -= 1
    return None if _JOINT.search(head) or start < 0 or words[start] in _UNFINISHED else " ".join(words[start:])


def dishes_of(titles: Sequence[str], contents: Sequence[bytes], seed: int) -> list[Dish]:
    """The dishes that most titles name, 100 at most, with six photos of each, drawn by ``seed``.

    Args:
        titles: of the photos.
        contents: a digest of each photo; a file counts once for a dish, whatever its titles.
    """
    found: dict[str, dict[bytes, int]] = {}
    for row, (title, content) in enumerate(zip(titles, contents, strict=True)):
        if name := dish_name(title):
            found.setdefault(name, {}).setdefault(content, row)
    several = [(name, list(rows.values())) for name, rows in found.items() if len(rows) >= PICTURES_PER_DISH]
    several.sort(key=lambda dish: (-len(dish[1]), dish[0]))
    rng = np.random.default_rng(seed)
    return [
        Dish(name, tuple(rows[i] for i in sorted(rng.choice(len(rows), PICTURES_PER_DISH, replace=False))))
        for name, rows in several[:MOST_DISHES]
    ]
