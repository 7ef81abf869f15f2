from __future__ import annotations

import numpy as np
import pytest

from index.algebra import Modality, Strategy, Term, plan
from tests.index.samples import unit, unit_rows

RICE, PASTA, MEAT = np.eye(3, 4, dtype=np.float32)


def test_what_is_near_to_something_wanted_comes_first_then_what_is_far_from_the_unwanted() -> None:
    made = plan(Strategy.BEST_SCORE, [Term(RICE), Term(PASTA), Term(MEAT, -1)])
    assert made.vector is None
    candidates = np.array([[0.8, 0, 0.6, 0], [0.6, 0, 0.8, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    assert made.scores(candidates) == pytest.approx([0.9, -0.9, 1.0, -1.0, -0.5])
    assert made.contributions(candidates) == pytest.approx(
        np.array([[0.9, 0, 0], [0, 0, -0.9], [0, 1.0, 0], [0, 0, -1.0], [0, 0, -0.5]])
    )


def test_a_query_that_only_subtracts_ranks_by_what_is_least_alike() -> None:
    made = plan(Strategy.BEST_SCORE, [Term(RICE, -1), Term(PASTA, -1)])
    candidates = np.array([[1, 0, 0, 0], [-1, 0, 0, 0], [-0.6, -0.8, 0, 0]], dtype=np.float32)
    scores = made.scores(candidates)
    assert scores == pytest.approx([-1.0, -0.5, -0.2])
    opposite = made.scores(np.array([[-0.70710678, -0.70710678, 0, 0]], dtype=np.float32))
    assert opposite > scores.max()
    nothing_alike = plan(Strategy.BEST_SCORE, [Term(RICE, -1)]).scores(-RICE[None])
    assert nothing_alike.tobytes() == np.zeros(1, dtype=np.float32).tobytes(), "0 and not -0"


def test_weights_stretch_the_cosines() -> None:
    made = plan(Strategy.BEST_SCORE, [Term(RICE, 2), Term(PASTA, 1)])
    assert made.scores(np.array([[0.6, 0.8, 0, 0], [0, 1, 0, 0]], np.float32)) == pytest.approx([0.8, 0.75])
    assert made.contributions(np.array([[0.6, 0.8, 0, 0]], np.float32)) == pytest.approx(np.array([[0.8, 0]]))


def test_the_balance_lets_a_text_decide_beside_a_photo() -> None:
    photo = Term(RICE, 1, modality=Modality.IMAGE)
    candidate = np.array([[0.8, 0.6, 0, 0]], dtype=np.float32)
    terms = [photo, Term(PASTA, -1)]
    assert plan(Strategy.BEST_SCORE, terms, balance=0.5).scores(candidate) == pytest.approx([0.9]), "as it is"
    assert plan(Strategy.BEST_SCORE, terms, balance=0.8).scores(candidate) == pytest.approx([-0.8])


def test_a_text_decides_beside_a_photo_where_no_balance_is_named() -> None:
    terms = [Term(RICE, 1, modality=Modality.IMAGE), Term(PASTA, -1)]
    candidate = np.array([[0.8, 0.6, 0, 0]], dtype=np.float32)
    assert plan(Strategy.BEST_SCORE, terms).scores(candidate) == pytest.approx([-0.8])
    texts_alone = [Term(RICE), Term(PASTA, -1)]
    assert plan(Strategy.BEST_SCORE, texts_alone).scores(candidate) == pytest.approx([0.9])


def test_equal_candidates_have_equal_scores_and_terms_that_cancel_are_no_error() -> None:
    made = plan(Strategy.BEST_SCORE, [Term(unit(1)), Term(unit(1), -1)])
    rows = np.repeat(unit_rows(5, seed=3), 7, axis=0)
    scores = made.scores(rows)
    assert len(set(scores.tolist())) == 5
    assert (scores < 0).all(), "a tie goes to the unwanted"


def test_scores_stay_in_range_although_stored_vectors_are_rounded() -> None:
    made = plan(Strategy.BEST_SCORE, [Term(unit(1)), Term(unit(2), -1)])
    rows = np.stack([unit(1), -unit(1), unit(2)]) * np.float32(1.002)
    assert np.abs(made.scores(rows)).max() <= 1
