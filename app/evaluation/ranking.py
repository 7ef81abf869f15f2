"""Metrics of rankings with several right answers: CIRCO's mAP@K, R@K, and the bootstrap of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.types import Float32Array, Int64Array

Float64Array = NDArray[np.float64]

DEPTH = 50
_PRECISION_AT = (5, 10, 50)
_RECALL_AT = (1, 10)
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class RankingMetrics:
    """Means over queries, in percent. ``map5``, ``map10``, ``map50``: CIRCO's mAP@K, the average precision of the first
    K divided by min(K, number of right answers); ``r1``, ``r10``: the share of queries with a right answer among
    the first K."""

    map5: float
    map10: float
    map50: float
    r1: float
    r10: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two mean values over the same queries: ``mean``, and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def best(scores: Float32Array, excluded: Int64Array) -> Int64Array:
    """The rows of the :data:`DEPTH` highest scores, best first, equal ones by ascending row, without ``excluded``.

    Raises:
        ValueError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    return order[~np.isin(order, excluded)][:DEPTH]


def measures(ranked: Int64Array, right: Int64Array) -> tuple[float, float, float, float, float]:
    """The values of one query in the order of :class:`RankingMetrics`, as fractions.

    ``AP@K = sum of P@k over the places k <= K of right answers / min(K, |right|)`` (Baldrati et al. 2023, section 4.3).

    Args:
        ranked: rows, best first; at least 50, or all there are.
        right: rows, at least one.
    """
    hits = np.isin(ranked[:DEPTH], right)
    gains = np.where(hits, np.cumsum(hits) / np.arange(1, len(hits) + 1), 0.0)
    map5, map10, map50 = (float(gains[:k].sum() / min(k, len(right))) for k in _PRECISION_AT)
    r1, r10 = (float(hits[:k].any()) for k in _RECALL_AT)
    return map5, map10, map50, r1, r10


def mean_metrics(values: Float64Array) -> RankingMetrics:
    """The means of rows of :func:`measures`, (queries, 5) with at least one row, as percent."""
    return RankingMetrics(*(100 * values.mean(axis=0)).tolist())


def bootstrap_difference(
    values: Float64Array, others: Float64Array, groups: Sequence[int], *, seed: int = 0
) -> Difference:
    """The mean of ``values - others``, paired by query, with the percentile interval of 2,000 resamples.

    Queries of one group (those that share a reference photo) are drawn together, because they are not independent.

    Args:
        values, others: float64 (queries,).
        groups: the group of each query.

    Raises:
        ValueError: lengths differ or there is no query.
    """
    if not len(values) == len(others) == len(groups) or not len(values):
        raise ValueError("the bootstrap needs paired values, with a group for each")
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(group, weights=values - others)
    counts = np.bincount(group)
    draws = np.random.default_rng(seed).integers(len(sums), size=(_RESAMPLES, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    return Difference(float((values - others).mean()), low, high)
