"""From scores to probabilities that can be believed: a temperature for each kind of question. numpy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
_SHARPNESS = (0.02, 20.0)
_FEW = 30
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted on validation questions; the last two are chosen.

    Attributes:
        temperatures: for each type, what scores are divided by before the softmax over the answers of the type.
        thresholds: for each type, the probability of the best answer below which no answer counts as likely.
        type_threshold: the probability of the type below which a question counts as of no known kind.
        unknown_share: how much of a question may lie in unknown words (see
            :meth:`models.reasoning.vocabulary.ReasoningVocabulary.unknown_share`).
    """

    temperatures: tuple[float, ...]
    thresholds: tuple[float, ...]
    type_threshold: float = 0.5
    unknown_share: float = 0.5

    def __post_init__(self) -> None:
        """Raises ValueError where a value can't be."""
        if len(self.temperatures) != len(self.thresholds):
            raise ValueError("there must be as many thresholds as temperatures")
        if not all(math.isfinite(each) and each > 0 for each in self.temperatures):
            raise ValueError(f"temperatures must be above 0, not {self.temperatures}")
        limits = (*self.thresholds, self.type_threshold, self.unknown_share)
        if not all(0 <= each <= 1 for each in limits):
            raise ValueError(f"thresholds must be between 0 and 1, not {limits}")

    @classmethod
    def none(cls, types: int) -> Calibration:
        """Scores as they are."""
        return cls((1.0,) * types, (0.0,) * types)


def answer_probabilities(
    scores: FloatArray, types: IntArray, candidates: BoolArray, calibration: Calibration
) -> NDArray[np.float64]:
    """Softmax of the tempered scores over the answers that a question may have; the others get 0.

    Args:
        scores: (n, answers). types: (n,), of each question.
        candidates: bool (n, answers), at least one in each row.
    """
    temperatures = np.asarray(calibration.temperatures)[types][:, None]
    return _softmax(np.where(candidates, scores / temperatures, -np.inf))


def fit_calibration(
    scores: FloatArray,
    types: IntArray,
    targets: FloatArray,
    candidates: BoolArray,
    kinds: int,
    *,
    doubted: float = 0.05,
) -> Calibration:
    """Temperatures that make the true answers most likely, and thresholds.

    The likelihood is that of the true answers, each by its share of the scores, under the softmax over the answers
    that the question may have (Guo et al. 2017, section 4.2); it has one maximum over the inverse temperature. A type
    with fewer than 30 such questions takes the temperature of all together. A threshold is what all but the share
    ``doubted`` of the questions of a type reach.

    Args:
        scores: (n, answers). types: int (n,), as the model tells them. targets: (n, answers), scores in [0, 1] of the
            true answers; questions that may have none of their true answers are left out.
        candidates: bool (n, answers), at least one in each row.
        kinds: how many types there are.
    """
    true = np.where(candidates, targets, 0.0)
    kept = true.sum(axis=1) > 0
    masked = np.where(candidates, scores, -np.inf).astype(np.float64)[kept]
    types, true = types[kept], true[kept]
    true = true / true.sum(axis=1, keepdims=True)
    if not len(true):
        return Calibration.none(kinds)
    common = _temperature(masked, true)
    temperatures, thresholds = [], []
    for number in range(kinds):
        rows = types == number
        temperature = _temperature(masked[rows], true[rows]) if rows.sum() >= _FEW else common
        best = _softmax(masked[rows] / temperature).max(axis=1)
        temperatures.append(temperature)
        thresholds.append(float(np.quantile(best, doubted)) if len(best) >= _FEW else 0.0)
    return Calibration(tuple(temperatures), tuple(thresholds))


def expected_calibration_error(
    probabilities: Sequence[float] | FloatArray, right: Sequence[float] | FloatArray, bins: int = 15
) -> float:
    """Over bins of equal width, the mean distance between what is said and what is so, in [0, 1] (Guo et al. 2017,
    equation 3).

    Args:
        probabilities: (n,), of the best answers, in [0, 1]. right: (n,), their scores in [0, 1].

    Raises:
        ValueError: there is no question, or they differ in number.
    """
    if not len(probabilities) or len(probabilities) != len(right):
        raise ValueError(f"{len(probabilities)} probabilities and {len(right)} scores; give one of each, at least one")
    said, so = np.asarray(probabilities, dtype=np.float64), np.asarray(right, dtype=np.float64)
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=said - so, minlength=bins)
    return float(np.abs(gaps).sum() / len(said))


def _temperature(masked: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Golden-section search over the inverse temperature, in which the negative log-likelihood is convex."""

    def nats(sharpness: float) -> float:
        tempered = masked * sharpness
        top = tempered.max(axis=1, keepdims=True)
        logs = tempered - top - np.log(np.exp(tempered - top).sum(axis=1, keepdims=True))
        return float(-(true * np.where(true > 0, logs, 0.0)).sum())

    low, high = _SHARPNESS
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = nats(left), nats(right)
    for _ in range(60):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = nats(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = nats(right)
    return 2 / (low + high)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result
