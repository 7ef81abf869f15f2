from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.algebra import Modality, Strategy, Term, plan
from index.types import CancelledOutError, Float32Array, NegativeOnlyError
from tests.index.samples import unit_rows

DIM = 8
weights = st.floats(-10, 10).filter(lambda weight: abs(weight) > 1e-3)
X, Y, Z = np.eye(3, dtype=np.float32)
ORIGIN = np.zeros(3, dtype=np.float32)


def photo(vector: Float32Array, weight: float = 1.0) -> Term:
    return Term(vector, weight, "photo", Modality.IMAGE)


def projected(terms: list[Term], text_mean: Float32Array = ORIGIN, balance: float | None = None) -> Float32Array:
    vector = plan(Strategy.PROJECTION, terms, text_mean=text_mean, balance=balance).vector
    assert vector is not None
    return vector


@given(
    st.lists(st.tuples(weights, st.booleans()), min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.floats(0.1, 10)
)
def test_contributions_add_up_and_only_ratios_of_weights_count(
    given_terms: list[tuple[float, bool]], seed: int, scale: float
) -> None:
    assume(any(weight > 0 for weight, _ in given_terms))
    rows = unit_rows(len(given_terms) + 6, seed, DIM)
    mean = rows[-1] / 4

    def terms(scale: float) -> list[Term]:
        return [
            Term(row, weight * scale, modality=Modality.TEXT if is_text else Modality.IMAGE)
            for row, (weight, is_text) in zip(rows, given_terms, strict=False)
        ]

    try:
        made = plan(Strategy.PROJECTION, terms(1.0), text_mean=mean)
        vector, scaled = projected(terms(1.0), mean), projected(terms(scale), mean)
    except CancelledOutError:
        assume(False)
    hits = rows[-6:-1]
    parts = made.contributions(hits)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.abs(parts.sum(axis=1) - made.scores(hits)).max() <= 1e-5 * (1 + np.abs(parts).sum())
    # Where little is left of the query, the rounding of the weights is a larger part of it.
    left = 1 / max(1.0, float(np.abs(parts).max()))
    assert np.allclose(vector, scaled, atol=1e-4 / left)


def test_without_negative_terms_it_is_the_text_difference() -> None:
    terms = [photo(X), Term(Y), Term(Z, 2.0)]
    mean: Float32Array = (Z / 3).astype(np.float32)
    for balance in (0.3, 0.8):
        same = plan(Strategy.TEXT_DIFFERENCE, terms, balance=balance, text_mean=mean).vector
        assert projected(terms, mean, balance) == pytest.approx(same, abs=1e-6)


def test_at_equal_weight_the_query_is_indifferent_to_what_was_taken_out() -> None:
    both = (X + Y) / np.sqrt(np.float32(2))
    assert projected([photo(both), Term(Y, -1.0)]) == pytest.approx(X, abs=1e-6)


def test_what_the_photo_does_not_show_is_not_taken_from_it() -> None:
    for absent in (Y, -X):
        made = plan(Strategy.PROJECTION, [photo(X), Term(absent, -3.0)], text_mean=ORIGIN)
        assert made.vector == pytest.approx(X, abs=1e-6)
        assert made.contributions(np.stack([X, Y, Z]))[:, 1] == pytest.approx(0)


def test_half_the_weight_takes_half() -> None:
    both = (X + Y) / np.sqrt(np.float32(2))
    vector = projected([photo(both), Term(Y, -0.5)])
    assert vector[1] / vector[0] == pytest.approx(0.5, abs=1e-6)


def test_what_is_said_twice_counts_twice() -> None:
    both = (X + Y) / np.sqrt(np.float32(2))
    twice = projected([photo(both), Term(Y, -0.5), Term(Y, -0.5)])
    assert twice == pytest.approx(projected([photo(both), Term(Y, -1.0)]), abs=1e-6)


def test_a_query_of_which_nothing_is_left_and_one_that_only_subtracts_are_errors() -> None:
    with pytest.raises(CancelledOutError):
        projected([Term(X), Term(X, -1.0)])
    with pytest.raises(CancelledOutError, match="positive terms"):
        projected([photo(X), photo(-X), Term(Y)])
    with pytest.raises(NegativeOnlyError):
        projected([Term(X, -1.0)])


def test_texts_need_their_mean() -> None:
    with pytest.raises(ValueError, match="text_mean"):
        plan(Strategy.PROJECTION, [photo(X), Term(Y)])
    assert plan(Strategy.PROJECTION, [photo(X)]).vector == pytest.approx(X)
