from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.ranking import RankingMetrics, best, bootstrap_difference, mean_metrics, measures


def average_precision(ranked: list[int], right: set[int], k: int) -> float:
    total = 0.0
    for place in range(1, min(k, len(ranked)) + 1):
        if ranked[place - 1] in right:
            total += sum(row in right for row in ranked[:place]) / place
    return total / min(k, len(right))


@given(st.permutations(range(70)), st.sets(st.integers(0, 80), min_size=1, max_size=60))
def test_measures_are_those_of_a_naive_reference(ranked: list[int], right: set[int]) -> None:
    values = measures(np.array(ranked), np.array(sorted(right)))
    expected = [average_precision(ranked, right, k) for k in (5, 10, 50)]
    expected += [float(any(row in right for row in ranked[:k])) for k in (1, 10)]
    assert values == pytest.approx(tuple(expected))


def test_an_example_worked_out_by_hand() -> None:
    """Right at places 1 and 3 of three right answers: (1 + 2/3) / 3."""
    values = measures(np.array([4, 9, 2, 8, 7, 6]), np.array([2, 4, 5]))
    assert values == pytest.approx(((1 + 2 / 3) / 3,) * 3 + (1, 1))


def test_more_right_answers_than_places_can_still_be_perfect() -> None:
    assert measures(np.arange(60), np.arange(60)) == (1, 1, 1, 1, 1)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=80), st.sets(st.integers(0, 79), max_size=20))
def test_the_best_are_in_order_with_ties_by_row(scores: list[int], excluded: set[int]) -> None:
    found = best(np.array(scores, dtype=np.float32), np.array(sorted(excluded), dtype=np.int64))
    expected = sorted((row for row in range(len(scores)) if row not in excluded), key=lambda row: (-scores[row], row))
    assert found.tolist() == expected[:50]


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        best(np.array([0, np.nan], dtype=np.float32), np.array([], dtype=np.int64))


def test_means_are_percent() -> None:
    values = np.array([[1, 1, 1, 1, 1], [0, 0.5, 0, 0, 1]])
    assert mean_metrics(values) == RankingMetrics(50, 75, 50, 50, 100)


def test_the_bootstrap_finds_a_difference_and_knows_its_width() -> None:
    rng = np.random.default_rng(1)
    others = rng.random(400)
    groups = list(range(400))
    sure = bootstrap_difference(others + 0.25, others, groups)
    assert (sure.mean, sure.low, sure.high) == pytest.approx((0.25, 0.25, 0.25))
    noisy = bootstrap_difference(others + rng.normal(0, 1, 400), others, groups)
    assert noisy.low < noisy.mean < noisy.high
    # The normal approximation: 1.96 standard errors to each side, 1 / sqrt(400) each.
    assert noisy.high - noisy.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    assert bootstrap_difference(others, others[::-1], groups) == bootstrap_difference(others, others[::-1], groups)


def test_queries_of_one_photo_are_drawn_together() -> None:
    """Four hundred queries of sixteen photos are sixteen observations."""
    per_photo = np.random.default_rng(2).normal(0, 1, 16)
    values = np.repeat(per_photo, 25)
    together = bootstrap_difference(values, np.zeros(400), np.repeat(np.arange(16), 25).tolist())
    apart = bootstrap_difference(values, np.zeros(400), list(range(400)))
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_the_bootstrap_needs_pairs() -> None:
    with pytest.raises(ValueError, match="paired"):
        bootstrap_difference(np.zeros(2), np.zeros(3), [0, 1])
    with pytest.raises(ValueError, match="paired"):
        bootstrap_difference(np.zeros(0), np.zeros(0), [])
