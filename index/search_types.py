"""The plain types of searching: conditions on items, indexes of vectors. Import them from :mod:`index.types`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32Array: TypeAlias = NDArray[np.float32]
Int64Array: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Exact conditions, all of which must hold. Tags compare without regard to case (casefolded NFC).

    Each entry of the conditions on ingredients is a group of names, any one of which will do: ``("scallion", "green
    onion")``. A recipe has an ingredient if one of its lines holds the name's words one after the other, without regard
    to case and to singular or plural (:func:`index.text.compared_words`): "rice" is in "2 cups rice vinegar", not in
    "licorice". A photo has the ingredients of the recipes that it is linked with; without a recipe it has none.
    """

    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    ingredients_all: tuple[tuple[str, ...], ...] = ()
    ingredients_any: tuple[tuple[str, ...], ...] = ()
    ingredients_none: tuple[tuple[str, ...], ...] = ()
    ids: tuple[str, ...] | None = None  # only these
    exclude_ids: tuple[str, ...] = ()  # none of these
    has_image: bool | None = None  # recipes: with / without a linked photo
    has_recipe: bool | None = None  # photos: with / without a linked recipe
    generated: bool | None = None  # photos only
    # Photos only: names of words that a caption holds one after the other, compared as an ingredient's are.
    captions_all: tuple[str, ...] = ()
    captions_any: tuple[str, ...] = ()
    captions_none: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter resolved to pks: keep ``include`` (None: all) and drop ``exclude``. Both sorted and unique."""

    include: Int64Array | None = None
    exclude: Int64Array | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    pk: int
    score: float  # cosine, in [-1, 1]; of a search that scores by a function, what that gives


Score: TypeAlias = Callable[[Float32Array], Float32Array]
"""Scores (n,) of vectors (n, dim); a row's score must not depend on the other rows. May be called from any thread."""


class VectorIndex(Protocol):
    """Vectors of one kind by pk. Implementations: :class:`index.faiss_index.FaissIndex`; a distributed engine
    can stand behind the same calls. Safe to call from several threads."""

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def add(self, pks: Int64Array, vectors: Float32Array) -> None:
        """Add or replace: after the call each pk is there exactly once. vectors: (n, dim), finite, unit norm."""
        ...

    def remove(self, pks: Int64Array) -> int:
        """Remove what is there of ``pks``; returns how many were."""
        ...

    def search(self, query: Float32Array, k: int, selection: Selection | None = None) -> list[Hit]:
        """The ``k`` nearest by cosine, best first, ties by ascending pk; exact. query: (dim,), unit norm.

        Fewer than ``k`` hits come back only when fewer items match. Raises ValueError on a query of wrong
        width, not finite or not of unit norm, and on k < 1.
        """
        ...

    def search_scored(self, score: Score, k: int, selection: Selection | None = None) -> list[Hit]:
        """The ``k`` of highest ``score``, best first, ties by ascending pk; every candidate is scored, so it is exact.

        Raises ValueError on k < 1 and on scores of another shape or not finite.
        """
        ...
