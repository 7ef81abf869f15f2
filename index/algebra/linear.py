"""Strategies that make one vector of a query: the weighted sum, and the text difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.algebra.strategies import Strategy
from index.algebra.terms import Term, check_rows, directions, inner, length, require_positive, texts
from index.types import Float32Array

# The mean of unit vectors is at most as long as they are; beyond this it was not made of them.
_LONGEST_MEAN = 1.01


@dataclass(frozen=True, slots=True, eq=False)
class LinearPlan:
    """A query that is one unit vector (dim,), the sum over its terms of ``coefficients`` (terms,) times ``operands``
    (terms, dim). A candidate's score is its inner product with it: the cosine, for candidates of unit norm."""

    strategy: Strategy
    vector: Float32Array
    operands: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def scores(self, vectors: Float32Array) -> Float32Array:
        """float32 (n,), computed in float64, for candidates (n, dim). Raises ValueError on another shape."""
        rows = check_rows(vectors, len(self.vector))
        return inner(rows, self.vector.astype(np.float64)).astype(np.float32)

    def contributions(self, vectors: Float32Array) -> Float32Array:
        """What each term gives to each candidate's score, float32 (n, terms). A row adds up to the score, because the
        sum is linear. Raises ValueError on candidates of another shape than (n, dim)."""
        rows = check_rows(vectors, len(self.vector))
        given: Float32Array = ((rows @ self.operands.T) * self.coefficients).astype(np.float32)
        return given


def weighted_sum(terms: Sequence[Term]) -> Float32Array:
    """The unit vector (dim,) along the weighted sum of the terms' directions.

    Raises ValueError on no terms, a weight that is zero or not finite, a vector that is zero, not finite or of
    another width; CancelledOutError if the sum's norm is below 1e-3 of the sum of ``|weight|``.
    """
    return _plan(Strategy.WEIGHTED_SUM, terms, *directions(terms), None).vector


def contributions(terms: Sequence[Term], vectors: Float32Array) -> Float32Array:
    """What each term gives to each hit's score: (n hits, n terms), for hits with ``vectors`` (n hits, dim).

    Row i adds up to the score of hit i, the inner product of :func:`weighted_sum` with its vector, because the sum
    is linear: term j gives ``weight_j * <direction_j, hit_i> / norm of the sum``. Raises as :func:`weighted_sum`.
    """
    return _plan(Strategy.WEIGHTED_SUM, terms, *directions(terms), None).contributions(vectors)


def plan_weighted_sum(terms: Sequence[Term], balance: float | None, text_mean: Float32Array | None) -> LinearPlan:  # noqa: ARG001 - the signature of every strategy
    """The unit vector along the sum of ``weight * direction``; with ``balance`` b, where terms of both modalities
    occur, along ``(1 - b) * unit(sum of the images) + b * unit(sum of the texts)``."""
    rows, weights = directions(terms)
    require_positive(terms)
    return _plan(Strategy.WEIGHTED_SUM, terms, rows, weights, balance)


def plan_text_difference(terms: Sequence[Term], balance: float | None, text_mean: Float32Array | None) -> LinearPlan:
    """As the weighted sum, but with ``text_mean`` taken from the direction of each text before it is weighted.

    So a text acts by what sets it apart from texts in general, and the offset between photos and texts is gone from
    it. Of ``- pasta + rice`` remains ``rice - pasta``, the linear regularity of Kiros, Salakhutdinov & Zemel 2014
    (section 4.3); ``+ rice`` alone works as well.
    """
    rows, weights = centred(terms, text_mean)
    require_positive(terms)
    return _plan(Strategy.TEXT_DIFFERENCE, terms, rows, weights, balance)


def centred(terms: Sequence[Term], text_mean: Float32Array | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The terms' directions, those of texts less ``text_mean``, float64 (n, dim), and weights, float64 (n,).

    Raises ValueError as :func:`directions`, and where there is a text and ``text_mean`` is missing or no mean.
    """
    rows, weights = directions(terms)
    is_text = texts(terms)
    if is_text.any():
        rows = rows - np.outer(is_text, _check_mean(text_mean, rows.shape[1]))
    return rows, weights


def _plan(
    strategy: Strategy,
    terms: Sequence[Term],
    operands: NDArray[np.float64],
    weights: NDArray[np.float64],
    balance: float | None,
) -> LinearPlan:
    is_text = texts(terms)
    coefficients, of = weights, float(np.abs(weights).sum())
    if balance is not None and is_text.any() and not is_text.all():
        coefficients, of = weights.copy(), 1.0
        for part, share, which in ((~is_text, 1 - balance, "image terms"), (is_text, balance, "text terms")):
            named = [term for term, inside in zip(terms, part, strict=True) if inside]
            total = weights[part] @ operands[part]
            coefficients[part] *= share / length(total, float(np.abs(weights[part]).sum()), named, which)
    total = coefficients @ operands
    norm = length(total, of, terms)
    return LinearPlan(strategy, (total / norm).astype(np.float32), operands, coefficients / norm)


def _check_mean(text_mean: Float32Array | None, dim: int) -> NDArray[np.float64]:
    if text_mean is None:
        raise ValueError("this strategy needs text_mean, the mean of unit text vectors, where a term is text")
    mean = np.asarray(text_mean, dtype=np.float64)
    if mean.shape != (dim,) or not np.linalg.norm(mean) <= _LONGEST_MEAN:
        raise ValueError(f"text_mean must be a finite vector ({dim},) of norm at most 1, the mean of unit vectors")
    return mean
