"""Word vectors of ingredient names: neighbours, analogies and the names that mean the same. numpy alone."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from models.types import Float32Array
from models.words.errors import AnalogyError, UnknownWordError
from models.words.names import normalize_ingredient
from models.words.store import load_words
from models.words.variants import Variants, synonyms_of

AnalogyMethod = Literal["add", "mul"]

_SUGGESTIONS = 5
_EPSILON = 1e-3  # of 3CosMul, as in the paper
_CANCELLED = 1e-3  # norm of a sum of unit vectors that points nowhere
_LEAST_OF_KINDS = 0.75  # cosine of a name with a usual kind of it
_NEAREST_KINDS = 1  # each is the nearest of the other


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A name, how near it is (cosine in [-1, 1]; for 3CosMul a score above 0) and its recipes in the training data."""

    name: str
    similarity: float
    count: int


class WordVectors:
    """Vectors of names, read only and safe to share between threads.

    Args:
        names: canonical names, unique, the most frequent first.
        counts: in how many recipes of the training data each stands.
        vectors: float (n, dim), the input vectors of skip-gram; similarity is their cosine.
        contexts: float (n, dim), the output vectors. ``vectors @ contexts.T`` estimates how much more often than by
            chance two names stand in one recipe (shifted pointwise mutual information; Levy & Goldberg 2014b).

    Raises:
        ValueError: the lengths or widths differ, a name occurs twice, or a vector is not finite or zero.
    """

    def __init__(
        self, names: Sequence[str], counts: Sequence[int], vectors: Float32Array, contexts: Float32Array | None = None
    ) -> None:
        self._names = tuple(names)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._counts = tuple(int(count) for count in counts)
        self._inputs = np.asarray(vectors, dtype=np.float32)
        self._contexts = self._inputs if contexts is None else np.asarray(contexts, dtype=np.float32)
        if len(self._places) != len(self._names):
            raise ValueError("a name occurs twice in the vocabulary")
        if not len(self._names) == len(self._counts) == len(self._inputs) == len(self._contexts):
            raise ValueError("names, counts and vectors differ in number")
        if self._inputs.ndim != 2 or self._contexts.shape != self._inputs.shape:
            raise ValueError("vectors and contexts must be of one shape, (n, dim)")
        norms = np.linalg.norm(self._inputs, axis=1, keepdims=True)
        if not (np.isfinite(norms).all() and np.isfinite(self._contexts).all() and (norms > 0).all()):
            raise ValueError("a vector is zero or not finite")
        self._unit = self._inputs / norms
        self._variants = Variants(self._names)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The vectors of a folder of weights.

        Raises:
            WordsUnavailableError: a file is missing, changed or of another format.
        """
        stored = load_words(folder)
        return cls(stored.names, stored.counts, stored.vectors, stored.contexts)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    @property
    def dim(self) -> int:
        return int(self._unit.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """The vocabulary, the most frequent name first."""
        return self._names

    def canonical(self, name: str) -> str:
        """The name as the vocabulary has it: "2 cups Green Onions" -> "green onion", "aubergine" -> "eggplant".

        Raises:
            UnknownWordError: it has none such.
        """
        return self._names[self._place(name)]

    def count(self, name: str) -> int:
        """In how many recipes of the training data it stands. Raises UnknownWordError."""
        return self._counts[self._place(name)]

    def vector(self, name: str) -> Float32Array:
        """float32 (dim,), unit norm. Raises UnknownWordError."""
        row: Float32Array = self._unit[self._place(name)].copy()
        return row

    def similar(self, name: str, k: int = 10, min_similarity: float = -1.0) -> list[Neighbour]:
        """The ``k`` names nearest by cosine, best first, without the name itself.

        Raises:
            UnknownWordError: the vocabulary lacks the name.
            ValueError: k < 1.
        """
        place = self._place(name)
        scores = self._unit @ self._unit[place]
        return [each for each in self._best(scores, k, {place}) if each.similarity >= min_similarity]

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str] = (), k: int = 10, method: AnalogyMethod = "add"
    ) -> list[Neighbour]:
        """What ``positive`` and not ``negative`` names point at, the named ones left out (Levy & Goldberg 2014a).

        ``add`` (3CosAdd) ranks by the cosine with the normalised sum; ``mul`` (3CosMul) by the product of the
        cosines, shifted to [0, 1], with the positive names over that with the negative ones.

        Raises:
            UnknownWordError: the vocabulary lacks a name.
            AnalogyError: no positive name, or the names cancel out.
            ValueError: k < 1.
        """
        if not positive:
            raise AnalogyError("an analogy needs a positive ingredient")
        plus, minus = [self._place(name) for name in positive], [self._place(name) for name in negative]
        target = self._unit[plus].sum(axis=0) - self._unit[minus].sum(axis=0)
        norm = float(np.linalg.norm(target))
        if norm < _CANCELLED:
            raise AnalogyError("the ingredients of the analogy cancel out; change one of them")
        if method == "add":
            scores = self._unit @ (target / norm)
        else:
            shifted = (self._unit @ self._unit[plus + minus].T + 1.0) / 2.0
            scores = shifted[:, : len(plus)].prod(axis=1) / (shifted[:, len(plus) :].prod(axis=1) + _EPSILON)
        return self._best(scores, k, {*plus, *minus})

    def expand(self, name: str, k: int = 8, min_similarity: float = 0.45) -> tuple[str, ...]:
        """The name itself and then those that mean nearly the same, at most ``k`` of these.

        First written synonyms, then spellings, then the usual kinds of it. Spellings and kinds are seen from the
        words and confirmed by the vectors: a spelling is at least ``min_similarity`` near; a kind ends with the name
        and each is the nearest of the other ("creamy peanut butter" of "peanut butter"). Similarity alone
        is no reason: margarine is as near to butter as a synonym is.

        Raises:
            UnknownWordError: neither the vocabulary nor the list of synonyms has the name.
        """
        own = name if name in self._places else normalize_ingredient(name)
        place = self._places.get(own)
        written = synonyms_of(own)
        if place is None:
            if not written:
                raise self._unknown(name)
            return (own, *written[:k])
        near = self._unit @ self._unit[place]
        spellings = [other for other in self._variants.spellings(own) if near[self._places[other]] >= min_similarity]
        kinds = [other for other in self._variants.kinds(own) if self._is_usual_kind(place, self._places[other])]
        by_nearness = sorted(spellings, key=lambda other: -near[self._places[other]])
        return tuple(dict.fromkeys((own, *written, *by_nearness, *kinds)))[: k + 1]

    def _is_usual_kind(self, general: int, kind: int) -> bool:
        similarity = float(self._unit[general] @ self._unit[kind])
        if similarity < _LEAST_OF_KINDS:
            return False
        nearer = [int((self._unit @ self._unit[place] > similarity).sum()) for place in (general, kind)]
        return max(nearer) <= _NEAREST_KINDS  # each counts itself

    def association(self, first: str, second: str) -> float:
        """How the two names attract each other within recipes, symmetric; high for what goes together.

        Raises:
            UnknownWordError: the vocabulary lacks one of them.
        """
        one, other = self._place(first), self._place(second)
        forth = float(self._inputs[one] @ self._contexts[other])
        back = float(self._inputs[other] @ self._contexts[one])
        return (forth + back) / 2.0

    def _best(self, scores: Float32Array, k: int, left_out: set[int]) -> list[Neighbour]:
        if k < 1:
            raise ValueError("k must be at least 1")
        # A stable sort: of equal scores the more frequent name comes first.
        order = [place for place in np.argsort(-scores, kind="stable").tolist() if place not in left_out]
        return [Neighbour(self._names[place], float(scores[place]), self._counts[place]) for place in order[:k]]

    def _find(self, name: str) -> int | None:
        """The place of a name, or else of a synonym of it."""
        own = name if name in self._places else normalize_ingredient(name)
        return next((self._places[each] for each in (own, *synonyms_of(own)) if each in self._places), None)

    def _place(self, name: str) -> int:
        place = self._find(name)
        if place is None:
            raise self._unknown(name)
        return place

    def _unknown(self, name: str) -> UnknownWordError:
        own = normalize_ingredient(name) or name.strip()
        return UnknownWordError(own, tuple(difflib.get_close_matches(own, self._names, _SUGGESTIONS, 0.7)))
