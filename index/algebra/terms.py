"""What a query is made of: directions with weights, and when their sum has no direction left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from index.types import CancelledOutError, Float32Array, NegativeOnlyError

# Encoders run in bfloat16 or float16 and vectors are stored as float16, whose rounding error is 2**-11 = 5e-4 of a
# unit vector: where so little of the sum of the weights is left, the direction of the rest is rounding noise.
CANCELLED_BELOW = 1e-3


class Modality(StrEnum):
    """Where a term's vector comes from. Both kinds share one space but not one region of it (the modality gap of
    Liang et al. 2022, "Mind the Gap"), so strategies may treat them apart. A recipe is text."""

    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One operand: a vector (dim,) of any length but zero (only its direction counts), how much of it to add
    (negative: to subtract), what to call it, and where it comes from."""

    vector: Float32Array
    weight: float = 1.0
    label: str = ""
    modality: Modality = Modality.TEXT


def directions(terms: Sequence[Term]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The terms' unit vectors, float64 (n, dim), and weights, float64 (n,), scaled so that the largest is 1 in size.

    Raises ValueError on no terms, a weight that is zero or not finite, a vector that is zero, not finite or of
    another width.
    """
    if not terms:
        raise ValueError("a query needs at least one term")
    rows = [_direction(term, place) for place, term in enumerate(terms)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"the terms' vectors must have one width, not {sorted(widths)}")
    weights = np.array([term.weight for term in terms], dtype=np.float64)
    # Only ratios count; sums of weights near the ends of float64 would overflow, or lose their direction.
    return np.stack(rows), weights / np.abs(weights).max()


def texts(terms: Sequence[Term]) -> NDArray[np.bool_]:
    """Which terms are text, (n,)."""
    return np.array([term.modality is Modality.TEXT for term in terms], dtype=np.bool_)


def require_positive(terms: Sequence[Term]) -> None:
    """Raises NegativeOnlyError where every term is subtracted."""
    if all(term.weight < 0 for term in terms):
        raise NegativeOnlyError(
            "the query only subtracts, so that it says what to avoid and not what to find; add a term, "
            "or use the strategy best_score, which takes such a query"
        )


def length(total: NDArray[np.float64], of: float, terms: Sequence[Term], which: str = "terms") -> float:
    """The norm of a sum ``total`` of unit vectors whose ``|weight|`` add up to ``of``.

    Raises CancelledOutError unless it is above 1e-3 of them.
    """
    norm = float(np.linalg.norm(total))
    if norm <= CANCELLED_BELOW * of:
        names = ", ".join(repr(term.label) for term in terms if term.label)
        raise CancelledOutError(
            f"the {which} of the query{f' ({names})' if names else ''} cancel out, so that no direction is left; "
            "change a weight or leave a term out"
        )
    return norm


def check_rows(vectors: Float32Array, dim: int) -> NDArray[np.float64]:
    """``vectors`` as float64 (n, dim). Raises ValueError on another shape."""
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ValueError(f"vectors must have the shape (n, {dim}), not {rows.shape}")
    return rows


def inner(rows: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products (n,). einsum adds along each row in the same order wherever the row stands, unlike a matrix
    product: equal rows have equal scores."""
    products: NDArray[np.float64] = np.einsum("nd,d->n", rows, vector)
    return products


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
