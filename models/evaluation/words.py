"""How good word vectors are, by what can be said without an application: three intrinsic measures.

- **synonyms**: for each pair of names that the written list calls one thing, the rank of the other among the
  neighbours of the one, by cosine. The list is no input of the training.
- **categories**: for names of hand-written categories, the share of the five nearest (among all those names) that are
  of the same category.
- **missing**: each ingredient of a held-out recipe in turn is hidden and guessed from the others; the rank of the
  right one among all names that the recipe does not show. A name's score is the model's own estimate,
  the mean over the shown names w of log P(c | w) = w . c + 0.75 log n_c + constant: negative sampling
  learns w . c = log P(c | w) - log P_noise(c) - log k (Levy & Goldberg 2014). Guessing by frequency is the baseline.

All ranks count ties against the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import DataError, read_recipes
from models.evaluation.word_categories import CATEGORIES
from models.types import Float32Array, RecipeText
from models.words.corpus import RecipeNames
from models.words.store import StoredWords
from models.words.variants import synonyms_of

_NOISE_POWER = 0.75
_PURITY_AT = 5
_LEAST_NAMES = 3  # in a recipe, for one of them to be guessed from the others


@dataclass(frozen=True, slots=True)
class Ranking:
    """Over ``n`` queries: mean reciprocal rank, percent with rank at most 1 and 10, median rank."""

    n: int
    mrr: float
    r1: float
    r10: float
    medr: float


@dataclass(frozen=True, slots=True)
class WordReport:
    """What :func:`evaluate_words` measured; ``missing`` and its baseline need held-out recipes."""

    names: int
    dim: int
    synonyms: Ranking
    categories: int
    purity: float
    missing: Ranking | None
    missing_by_frequency: Ranking | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate_words(words: StoredWords, data: Path | None = None, split: str = "val") -> WordReport:
    """Measure vectors; the recipes of ``split`` in the folder ``data`` are held out, and must not have been trained on.

    Raises:
        DataError: the data can't be read or has no recipe with known ingredients.
    """
    recipes = [] if data is None else [example.text for example in read_recipes(data, split)]
    missing = baseline = None
    if data is not None:
        missing, baseline = rank_missing(words, recipes)
    listed, purity = category_purity(words)
    return WordReport(len(words.names), words.vectors.shape[1], rank_synonyms(words), listed, purity, missing, baseline)


def rank_synonyms(words: StoredWords) -> Ranking:
    """Each name with a synonym in the vocabulary is a query; its nearest synonym counts."""
    place = {name: number for number, name in enumerate(words.names)}
    unit = _unit(words.vectors)
    ranks = []
    for name, own in place.items():
        others = [place[other] for other in synonyms_of(name) if other in place]
        if others:
            scores = unit @ unit[own]
            scores[own] = -np.inf
            ranks.append(min(_rank(scores, other) for other in others))
    return _ranking(ranks)


def category_purity(words: StoredWords) -> tuple[int, float]:
    """How many names of the categories are known, and the percentage of their nearest that share the category."""
    place = {name: number for number, name in enumerate(words.names)}
    listed = [(place[name], group) for group, names in CATEGORIES.items() for name in names if name in place]
    if len(listed) <= _PURITY_AT:
        return len(listed), 0.0
    unit = _unit(words.vectors)[[number for number, _ in listed]]
    groups = np.array([group for _, group in listed])
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :_PURITY_AT]
    return len(listed), 100.0 * float((groups[nearest] == groups[:, None]).mean())


def rank_missing(words: StoredWords, recipes: Sequence[RecipeText]) -> tuple[Ranking, Ranking]:
    """Guess each ingredient of each recipe from the others: by the vectors, and by frequency alone.

    Raises:
        DataError: no recipe has three known ingredients.
    """
    place = {name: number for number, name in enumerate(words.names)}
    names_of = RecipeNames(frozenset(words.names))
    prior = _NOISE_POWER * np.log(np.asarray(words.counts, dtype=np.float32))
    frequency = np.asarray(words.counts, dtype=np.float32)
    ranks, by_frequency = [], []
    for recipe in recipes:
        rows = np.array([place[name] for name in names_of(recipe)], dtype=np.int64)
        if len(rows) < _LEAST_NAMES:
            continue
        attraction = words.vectors[rows] @ words.contexts.T  # (shown, names)
        total = attraction.sum(axis=0)
        for own, hidden in enumerate(rows):
            shown = np.delete(rows, own)
            scores = (total - attraction[own]) / len(shown) + prior
            scores[shown] = -np.inf
            ranks.append(_rank(scores, int(hidden)))
            popular = frequency.copy()
            popular[shown] = -np.inf
            by_frequency.append(_rank(popular, int(hidden)))
    if not ranks:
        raise DataError(f"none of the {len(recipes)} recipes has {_LEAST_NAMES} ingredients that the vectors know")
    return _ranking(ranks), _ranking(by_frequency)


def _rank(scores: Float32Array | NDArray[np.float64], place: int) -> int:
    return int((scores >= scores[place]).sum())


def _ranking(ranks: Sequence[int]) -> Ranking:
    if not ranks:
        return Ranking(0, 0.0, 0.0, 0.0, 0.0)
    found = np.asarray(ranks, dtype=np.float64)
    return Ranking(
        n=len(found),
        mrr=float((1.0 / found).mean()),
        r1=100.0 * float((found <= 1).mean()),
        r10=100.0 * float((found <= 10).mean()),
        medr=float(np.median(found)),
    )


def _unit(vectors: Float32Array) -> Float32Array:
    unit: Float32Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
