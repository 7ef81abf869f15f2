from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.algebra import CANCELLED_BELOW, Term, contributions, weighted_sum
from index.types import CancelledOutError
from tests.index.samples import unit, unit_rows

weights = st.floats(-10, 10).filter(lambda weight: abs(weight) > 1e-3)


@given(st.lists(weights, min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_contributions_add_up_to_the_score(given_weights: list[float], seed: int, dim: int) -> None:
    rows = unit_rows(len(given_weights) + 5, seed, dim)
    terms = [Term(row, weight) for row, weight in zip(rows, given_weights, strict=False)]
    hits = rows[-5:]
    try:
        query = weighted_sum(terms)
    except CancelledOutError:
        assume(False)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-6)
    parts = contributions(terms, hits)
    assert parts.shape == (5, len(terms))
    # float32 rounds each part by 6e-8 of itself, and a part grows as the sum nears cancelling out
    tolerance = 1e-6 * (1 + np.abs(parts).sum(axis=1))
    assert (np.abs(parts.sum(axis=1) - hits @ query) <= tolerance).all()


@given(st.lists(weights, min_size=1, max_size=5), st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_only_directions_and_ratios_of_weights_count(given_weights: list[float], seed: int, scale: float) -> None:
    rows = unit_rows(len(given_weights), seed, 16)
    terms = [Term(row, weight) for row, weight in zip(rows, given_weights, strict=True)]
    stretched = [Term(row * np.float32(scale), weight * scale) for row, weight in zip(rows, given_weights, strict=True)]
    try:
        query = weighted_sum(terms)
    except CancelledOutError:
        assume(False)
    assert np.allclose(query, weighted_sum(stretched), atol=1e-3)


def test_one_term_is_its_own_direction_and_a_negative_one_the_opposite() -> None:
    assert np.allclose(weighted_sum([Term(unit() * 3, 0.5)]), unit(), atol=1e-6)
    assert np.allclose(weighted_sum([Term(unit(), -2)]), -unit(), atol=1e-6)


def test_terms_that_cancel_out_are_an_error_that_names_them() -> None:
    with pytest.raises(CancelledOutError, match="'pasta'"):
        weighted_sum([Term(unit(), 1, "pasta"), Term(unit(), -1, "noodles")])


def test_the_bound_of_cancelling_out_is_relative_to_the_weights() -> None:
    one, other = np.eye(2, dtype=np.float32)
    for scale in (1e-6, 1.0, 1e6):
        just_enough = [Term(one, scale), Term(-one, scale), Term(other, 2.1 * CANCELLED_BELOW * scale)]
        assert weighted_sum(just_enough) == pytest.approx(other, abs=1e-6)
        too_little = [Term(one, scale), Term(-one, scale), Term(other, 1.9 * CANCELLED_BELOW * scale)]
        with pytest.raises(CancelledOutError):
            weighted_sum(too_little)


@pytest.mark.parametrize("weight", [0.0, float("nan"), float("inf")])
def test_a_bad_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"weight of term 2 \('rice'\)"):
        weighted_sum([Term(unit()), Term(unit(1), weight, "rice")])


@pytest.mark.parametrize(
    "vector", [np.zeros(8), np.full(8, np.nan), np.full(8, np.inf), np.ones((2, 4)), np.ones(0), np.ones(9)]
)
def test_a_bad_vector_is_refused(vector: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match=r"vector|width"):
        weighted_sum([Term(unit()), Term(vector.astype(np.float32))])


def test_no_terms_and_hits_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one term"):
        weighted_sum([])
    with pytest.raises(ValueError, match="shape"):
        contributions([Term(unit())], unit_rows(2, dim=9))
