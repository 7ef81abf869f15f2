from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.evaluation.tag_metrics import (
    average_precision,
    best_threshold,
    calibration,
    f1_scores,
    mean_average_precision,
)

# Few distinct scores, so that ties are common.
SCORES = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=12).filter(
    lambda pairs: any(right for right, _ in pairs)
)


def _naive_average_precision(truth: list[bool], scores: list[float]) -> float:
    """scikit-learn's definition, threshold by threshold: sum of (R_n - R_(n-1)) P_n."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [right for right, score in zip(truth, scores, strict=True) if score >= threshold]
        now = sum(chosen) / sum(truth)
        total += (now - recall) * sum(chosen) / len(chosen)
        recall = now
    return total


@given(SCORES)
def test_average_precision_is_the_definition_with_ties(pairs: list[tuple[bool, int]]) -> None:
    truth, scores = [right for right, _ in pairs], [float(score) for _, score in pairs]
    found = average_precision(np.array(truth), np.array(scores))
    assert found == pytest.approx(_naive_average_precision(truth, scores))
    assert 0 < found <= 1 + 1e-12


@given(SCORES)
def test_average_precision_knows_no_order_of_photos(pairs: list[tuple[bool, int]]) -> None:
    turned = list(reversed(pairs))
    values = [
        average_precision(np.array([r for r, _ in p]), np.array([float(s) for _, s in p])) for p in (pairs, turned)
    ]
    assert values[0] == pytest.approx(values[1])


def test_average_precision_by_hand() -> None:
    assert average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([True, False, False]), np.zeros(3)) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="positive"):
        average_precision(np.array([False]), np.array([0.5]))


def test_the_mean_leaves_out_tags_that_no_photo_has() -> None:
    truth = np.array([[True, False], [False, False]])
    assert mean_average_precision(truth, np.array([[0.9, 0.1], [0.2, 0.3]])) == 1.0
    assert mean_average_precision(np.zeros((2, 2), dtype=bool), np.zeros((2, 2))) == 0.0


def test_f1_by_hand() -> None:
    truth = np.array([[True, False, False], [True, True, False]])
    given_tags = np.array([[True, True, False], [False, True, False]])
    scores = f1_scores(truth, given_tags)
    assert scores.micro == pytest.approx(2 * 2 / (3 + 3))
    assert scores.macro == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


@given(SCORES)
def test_no_threshold_is_better_than_the_best(pairs: list[tuple[bool, int]]) -> None:
    truth = np.array([[right] for right, _ in pairs])
    scores = np.array([[score / 4] for _, score in pairs])
    best = f1_scores(truth, scores >= best_threshold(truth, scores)).micro
    assert all(f1_scores(truth, scores >= each).micro <= best + 1e-12 for each in np.unique(scores))


def _naive_error(truth: np.ndarray, said: np.ndarray, top: int, bins: int) -> float:
    pairs = []
    for right, row in zip(truth, said, strict=True):
        order = sorted(range(len(row)), key=lambda tag: (-row[tag], tag))[:top]
        pairs += [(row[tag], right[tag]) for tag in order]
    error = 0.0
    for number in range(bins):
        inside = [(p, r) for p, r in pairs if min(int(p * bins), bins - 1) == number]
        if inside:
            confidence = sum(p for p, _ in inside) / len(inside)
            accuracy = sum(r for _, r in inside) / len(inside)
            error += len(inside) / len(pairs) * abs(confidence - accuracy)
    return error


@settings(max_examples=50)
@given(
    arrays.arrays(np.float64, (6, 7), elements=st.floats(0, 1)),
    arrays.arrays(np.bool_, (6, 7)),
    st.integers(1, 7),
    st.sampled_from([1, 10, 15]),
)
def test_calibration_is_the_definition(said: np.ndarray, truth: np.ndarray, top: int, bins: int) -> None:
    found = calibration(truth, said, top=top, bins=bins)
    assert found.error == pytest.approx(_naive_error(truth, said, top, bins))
    assert sum(each.count for each in found.bins) == 6 * top
    assert all(each.low <= each.confidence <= each.high for each in found.bins)


def test_what_is_said_as_often_as_it_is_true_is_calibrated() -> None:
    truth = np.array([[True], [False], [False], [False]])
    assert calibration(truth, np.full((4, 1), 0.25), top=5).error == 0.0
    assert calibration(truth, np.full((4, 1), 1.0), top=5).error == 0.75
