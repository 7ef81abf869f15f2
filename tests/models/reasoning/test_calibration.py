"""Probabilities held to naive sums, temperatures to a search over a fine grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reasoning.calibration import (
    Calibration,
    answer_probabilities,
    expected_calibration_error,
    fit_calibration,
)

MASK = np.array([[True, True, False, False], [False, True, True, True]])


def test_probabilities_are_of_the_answers_of_a_type() -> None:
    scores = np.array([[1.0, 2.0, 9.0, 9.0], [9.0, 1.0, 2.0, 3.0]])
    found = answer_probabilities(scores, np.array([0, 1]), MASK[[0, 1]], Calibration((2.0, 0.5), (0.0, 0.0)))
    first = [math.exp(0.5), math.exp(1.0)]
    second = [math.exp(2.0), math.exp(4.0), math.exp(6.0)]
    np.testing.assert_allclose(found[0], [each / sum(first) for each in first] + [0, 0])
    np.testing.assert_allclose(found[1], [0] + [each / sum(second) for each in second])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.3, 5))
def test_the_temperature_is_the_likeliest(seed: int, sharpness: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(60, 4)) * sharpness
    types = np.zeros(60, dtype=np.int64)
    every = np.ones((60, 4), dtype=np.bool_)
    true = np.array([rng.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in scores / sharpness])
    targets = np.eye(4)[true]
    found = fit_calibration(scores, types, targets, every, 1).temperatures[0]

    def nats(temperature: float) -> float:
        probabilities = answer_probabilities(scores, types, every, Calibration((temperature,), (0.0,)))
        return -float(np.log(probabilities[np.arange(60), true]).sum())

    assert nats(found) <= min(nats(each) for each in np.geomspace(0.06, 40, 150)) + 1e-4


def test_types_with_few_questions_take_the_temperature_of_all() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(104, 4)) * 3
    types = np.array([0] * 100 + [1] * 4)
    # Of the first type the better answer is mostly the true one, of the other type the last one always.
    likelier = np.where(rng.random(104) < 0.8, scores[:, :2].argmax(axis=1), scores[:, :2].argmin(axis=1))
    targets = np.eye(4)[np.where(types == 0, likelier, 3)]
    found = fit_calibration(scores, types, targets, MASK[types], 2)
    assert found.temperatures[0] != found.temperatures[1]
    assert found.thresholds[0] > 0.5
    assert found.thresholds[1] == 0
    best = answer_probabilities(scores, types, MASK[types], found)[:100].max(axis=1)
    assert (best < found.thresholds[0]).sum() == 5


def test_without_a_question_that_can_be_answered_nothing_is_fitted() -> None:
    targets = np.array([[0.0, 0.0, 1.0, 0.0]])
    assert fit_calibration(np.ones((1, 4)), np.array([0]), targets, MASK[[0]], 2) == Calibration.none(2)


def test_the_calibration_error_by_hand() -> None:
    """Two bins: said 0.9 and 0.95, one of two right; said 0.5, half right."""
    said, right = np.array([0.9, 0.95, 0.5]), np.array([1.0, 0.0, 0.5])
    assert expected_calibration_error(said, right, bins=2) == pytest.approx(abs(0.9 + 0.95 + 0.5 - 1.5) / 3)
    assert expected_calibration_error(said, right, bins=10) == pytest.approx(abs(1.85 - 1) / 3)
    assert expected_calibration_error(np.array([1.0]), np.array([1.0])) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_calibration_error_against_bins_by_hand(pairs: list[tuple[float, float]]) -> None:
    expected = 0.0
    for number in range(15):
        own = [(p, s) for p, s in pairs if min(int(p * 15), 14) == number]
        expected += abs(sum(p - s for p, s in own)) / len(pairs)
    given, right = [p for p, _ in pairs], [s for _, s in pairs]
    assert expected_calibration_error(given, right) == pytest.approx(expected)


def test_calibration_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="1 probabilities and 2 scores"):
        expected_calibration_error([0.5], [1, 0])


@pytest.mark.parametrize(
    "values",
    [
        {"temperatures": (1.0,), "thresholds": ()},
        {"temperatures": (0.0,), "thresholds": (0.0,)},
        {"temperatures": (math.nan,), "thresholds": (0.0,)},
        {"temperatures": (1.0,), "thresholds": (1.5,)},
        {"temperatures": (1.0,), "thresholds": (0.0,), "unknown_share": -0.1},
    ],
)
def test_values_that_can_not_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"thresholds|temperatures"):
        Calibration(**values)
