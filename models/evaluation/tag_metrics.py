"""Measures of tagging: average precision, F1, calibration. All in numpy, all over (photos, tags) arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating]
BINS = 10
TOP = 5


def average_precision(truth: BoolArray, scores: FloatArray) -> float:
    """Non-interpolated average precision in [0, 1], as scikit-learn has it.

    The sum over distinct scores, from the highest down, of precision times the gain in recall; equal scores are one
    step, so that the order among them does not count.

    Args:
        truth: bool (n,). scores: (n,), finite.

    Raises:
        ValueError: nothing is true.
    """
    positives = int(truth.sum())
    if positives == 0:
        raise ValueError("average precision needs at least one positive")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[ends] / (ends + 1)
    gain = np.diff(hits[ends], prepend=0) / positives
    return float(precision @ gain)


@dataclass(frozen=True, slots=True)
class F1:
    """F1 in [0, 1]. ``micro`` counts every (photo, tag) alike, ``macro`` every tag (one without hits counts 0)."""

    micro: float
    macro: float


def f1_scores(truth: BoolArray, given: BoolArray) -> F1:
    """F1 of the tags that are given, bool (photos, tags), against the true ones."""
    hits = (truth & given).sum(axis=0)
    total = truth.sum(axis=0) + given.sum(axis=0)
    per_tag = np.divide(2.0 * hits, total, out=np.zeros(len(total)), where=total > 0)
    micro = 2.0 * float(hits.sum()) / max(1, int(total.sum()))
    return F1(micro, float(per_tag.mean()) if len(per_tag) else 0.0)


def best_threshold(truth: BoolArray, probabilities: FloatArray) -> float:
    """The probability from which on tags are given so that micro F1 is highest; the highest of equally good ones.

    Raises:
        ValueError: nothing is true.
    """
    flat, right = probabilities.ravel(), truth.ravel()
    positives = int(right.sum())
    if positives == 0:
        raise ValueError("a threshold needs at least one positive")
    order = np.argsort(-flat, kind="stable")
    hits = np.cumsum(right[order])
    ends = np.append(np.flatnonzero(np.diff(flat[order])), len(flat) - 1)
    f1 = 2.0 * hits[ends] / (ends + 1 + positives)
    return float(flat[order][ends[int(np.argmax(f1))]])


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of a reliability table: the mean probability said, and the share that was true."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, and the bins that it comes from (empty ones left out)."""

    error: float
    bins: tuple[Bin, ...]


def calibration(truth: BoolArray, probabilities: FloatArray, *, top: int = TOP, bins: int = BINS) -> Calibration:
    """Expected calibration error (Guo et al. 2017) over the ``top`` most probable tags of each photo.

    The bins are of equal width over [0, 1]; each counts by its share of the tags, with the distance between its mean
    probability and the share of its tags that are true.

    Args:
        truth: bool (photos, tags). probabilities: (photos, tags).
    """
    chosen = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    said = np.take_along_axis(probabilities, chosen, axis=1).ravel().astype(np.float64)
    right = np.take_along_axis(truth, chosen, axis=1).ravel()
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    table = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            confidence, accuracy = float(said[inside].mean()), float(right[inside].mean())
            table.append(Bin(number / bins, (number + 1) / bins, int(inside.sum()), confidence, accuracy))
    error = sum(each.count * abs(each.confidence - each.accuracy) for each in table) / max(1, len(said))
    return Calibration(error, tuple(table))


def mean_average_precision(truth: BoolArray, scores: FloatArray) -> float:
    """The mean of the average precision of each tag that is true of a photo; 0 where none is. (photos, tags)."""
    measured = [average_precision(truth[:, tag], scores[:, tag]) for tag in np.flatnonzero(truth.any(axis=0))]
    return float(np.mean(measured)) if measured else 0.0
