"""Sums of vectors as queries, and what each term gave to a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.types import CancelledOutError, Float32Array

# Encoders run in bfloat16 or float16 and vectors are stored as float16, whose rounding error is 2**-11 = 5e-4 of a
# unit vector: where so little of the sum of the weights is left, the direction of the rest is rounding noise.
CANCELLED_BELOW = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One operand: a vector (dim,) of any length but zero (only its direction counts), how much of it to add
    (negative: to subtract), and what to call it."""

    vector: Float32Array
    weight: float = 1.0
    label: str = ""


def weighted_sum(terms: Sequence[Term]) -> Float32Array:
    """The unit vector (dim,) along the weighted sum of the terms' directions.

    Raises ValueError on no terms, a weight that is zero or not finite, a vector that is zero, not finite or of
    another width; CancelledOutError if the sum's norm is below 1e-3 of the sum of ``|weight|``.
    """
    total, norm = _sum(terms)
    unit: Float32Array = (total / norm).astype(np.float32)
    return unit


def contributions(terms: Sequence[Term], vectors: Float32Array) -> Float32Array:
    """What each term gives to each hit's score: (n hits, n terms), for hits with ``vectors`` (n hits, dim).

    Row i adds up to the score of hit i, the inner product of :func:`weighted_sum` with its vector, because the sum
    is linear: term j gives ``weight_j * <direction_j, hit_i> / norm of the sum``. Raises as :func:`weighted_sum`.
    """
    directions, weights = _directions(terms)
    _, norm = _sum(terms)
    hits = np.asarray(vectors, dtype=np.float64)
    if hits.ndim != 2 or hits.shape[1] != directions.shape[1]:
        raise ValueError(f"vectors must have the shape (n, {directions.shape[1]}), not {hits.shape}")
    given: Float32Array = ((hits @ directions.T) * (weights / norm)).astype(np.float32)
    return given


def _sum(terms: Sequence[Term]) -> tuple[NDArray[np.float64], float]:
    directions, weights = _directions(terms)
    total = weights @ directions
    norm = float(np.linalg.norm(total))
    if norm < CANCELLED_BELOW * float(np.abs(weights).sum()):
        names = ", ".join(repr(term.label) for term in terms if term.label)
        raise CancelledOutError(
            f"the terms of the query{f' ({names})' if names else ''} cancel out, so that no direction is left; "
            "change a weight or leave a term out"
        )
    return total, norm


def _directions(terms: Sequence[Term]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not terms:
        raise ValueError("a query needs at least one term")
    rows = [_direction(term, place) for place, term in enumerate(terms)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"the terms' vectors must have one width, not {sorted(widths)}")
    return np.stack(rows), np.array([term.weight for term in terms], dtype=np.float64)


def _direction(term: Term, place: int) -> NDArray[np.float64]:
    name = f"term {place + 1}{f' ({term.label!r})' if term.label else ''}"
    if not math.isfinite(term.weight) or term.weight == 0:
        raise ValueError(f"the weight of {name} must be a finite number other than 0, not {term.weight}")
    row = np.asarray(term.vector, dtype=np.float64)
    if row.ndim != 1 or not row.size:
        raise ValueError(f"the vector of {name} must have the shape (dim,), not {row.shape}")
    norm = float(np.linalg.norm(row))
    if not math.isfinite(norm) or norm == 0:
        raise ValueError(f"the vector of {name} must be finite and not zero")
    return row / norm
