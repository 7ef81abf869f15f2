"""Retrieval metrics over paired rows: median rank and recall at k, with ties counted against the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Float32Array

# Equal vectors may score a rounding apart, depending on where they lie in a matrix product; closer is a tie.
TIE_TOLERANCE = 1e-6
_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """``medr`` is the median rank (1 is best); ``r1``, ``r5``, ``r10`` are percent of queries; ``ties`` is the
    number of queries whose partner shares its score with another candidate."""

    medr: float
    r1: float
    r5: float
    r10: float
    ties: int


@dataclass(frozen=True, slots=True)
class Ranks:
    """``rank`` int64 (n,), from 1; ``tied`` bool (n,)."""

    rank: NDArray[np.int64]
    tied: NDArray[np.bool_]


def ranks(queries: Float32Array, gallery: Float32Array) -> Ranks:
    """The rank of row i of ``gallery`` among all its rows by dot product with row i of ``queries``.

    A candidate that scores the same as the partner is ranked before it: otherwise constant embeddings would find
    everything at rank 1.

    Args:
        queries, gallery: float32 (n, dim), row i of one belonging to row i of the other.

    Raises:
        ValueError: shapes differ, there are no rows, or a value is not finite.
    """
    if queries.ndim != 2 or queries.shape != gallery.shape or not len(queries):
        raise ValueError(f"queries and gallery must be paired rows, not {queries.shape} and {gallery.shape}")
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise ValueError("queries and gallery must be finite")
    rank = np.empty(len(queries), dtype=np.int64)
    tied = np.empty(len(queries), dtype=np.bool_)
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        scores = queries[rows] @ gallery.T
        own = scores[np.arange(len(scores)), np.arange(start, start + len(scores))][:, None]
        rank[rows] = (scores >= own - TIE_TOLERANCE).sum(axis=1)
        tied[rows] = (np.abs(scores - own) <= TIE_TOLERANCE).sum(axis=1) > 1
    return Ranks(rank, tied)


def retrieval_metrics(result: Ranks) -> RetrievalMetrics:
    """Median rank and recalls of one direction."""
    rank = result.rank
    r1, r5, r10 = (100.0 * int(np.count_nonzero(rank <= k)) / len(rank) for k in (1, 5, 10))
    return RetrievalMetrics(float(np.median(rank)), r1, r5, r10, int(result.tied.sum()))
