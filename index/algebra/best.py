"""The strategy that makes no vector: each candidate by its best positive and its best negative term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.algebra.strategies import Strategy
from index.algebra.terms import Term, check_rows, directions, inner, texts
from index.types import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class BestScorePlan:
    """Every candidate is scored by itself, so there is no ``vector``.

    ``weights`` (terms,) are signed and the largest is 1 in size. With the candidate's cosine ``c_j`` to term j,
    ``p`` the largest ``weight_j * c_j`` of the positive terms and ``n`` the largest ``|weight_j| * c_j`` of the
    negative ones (minus infinity where there are none), the score in [-1, 1] is::

        (1 + p) / 2   if p > n
        -(1 + n) / 2  otherwise

    So what is nearer to something wanted comes first, by how near; then what is nearer to something unwanted, by how
    far. The order, for equal weights, is that of Qdrant's recommendation strategy ``best_score``, which squeezes
    unbounded similarities by a sigmoid where cosines need no more than ``(1 + c) / 2``.
    """

    operands: NDArray[np.float64]
    weights: NDArray[np.float64]
    strategy: Strategy = Strategy.BEST_SCORE
    vector: None = None

    def scores(self, vectors: Float32Array) -> Float32Array:
        """float32 (n,) in [-1, 1] for candidates (n, dim) of unit norm. Raises ValueError on another shape."""
        return self._decide(vectors)[0]

    def contributions(self, vectors: Float32Array) -> Float32Array:
        """float32 (n, terms): the whole score at the term that decides it (of equal ones the first), 0 elsewhere.
        Raises ValueError on candidates of another shape than (n, dim)."""
        scores, deciding = self._decide(vectors)
        given = np.zeros((len(scores), len(self.weights)), dtype=np.float32)
        given[np.arange(len(scores)), deciding] = scores
        return given

    def _decide(self, vectors: Float32Array) -> tuple[Float32Array, NDArray[np.intp]]:
        rows = check_rows(vectors, self.operands.shape[1])
        weighted = np.stack([abs(w) * inner(rows, d) for w, d in zip(self.weights, self.operands, strict=True)], axis=1)
        weighted = weighted.clip(-1.0, 1.0)  # a stored unit vector is float16, its norm off by up to 5e-4
        best, at = _best(weighted, self.weights > 0)
        worst, against = _best(weighted, self.weights < 0)
        wins = best > worst
        # Where n = -1 the score is 0 and not -0.
        scores = np.where(wins, (1 + best) / 2, 0.0 - (1 + worst) / 2).astype(np.float32)
        return scores, np.where(wins, at, against)


def _best(weighted: NDArray[np.float64], of: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    among = np.where(of, weighted, -np.inf)
    return among.max(axis=1), among.argmax(axis=1)


def plan_best_score(terms: Sequence[Term], balance: float | None, text_mean: Float32Array | None) -> BestScorePlan:  # noqa: ARG001 - the signature of every strategy
    """With ``balance`` b, where terms of both modalities occur, weights of images are multiplied by 1 - b and those of
    texts by b: photos are nearer to each other than to any text, so that without it a text decides nothing."""
    rows, weights = directions(terms)
    is_text = texts(terms)
    if balance is not None and is_text.any() and not is_text.all():
        weights = weights * np.where(is_text, balance, 1 - balance)
    return BestScorePlan(rows, weights / np.abs(weights).max())
