from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from index.algebra import DEFAULT_BALANCE, STRATEGIES, Modality, Plan, Strategy, Term, plan, weighted_sum
from index.types import CancelledOutError, Float32Array, IndexRoomError, NegativeOnlyError
from tests.index.algebra import naive
from tests.index.algebra.naive import balances, term_lists
from tests.index.samples import unit, unit_rows

DIM = 12
MEAN = unit_rows(40, seed=99, dim=DIM).mean(axis=0) + np.float32(0.1)
CANDIDATES = unit_rows(30, seed=7, dim=DIM)
MEAN_OF_UNITS = np.zeros_like(unit())
ROWS = unit_rows(30, seed=8)
VECTOR_STRATEGIES = (Strategy.WEIGHTED_SUM, Strategy.TEXT_DIFFERENCE, Strategy.PROJECTION)
strategies = st.sampled_from(Strategy)


def made(strategy: Strategy, terms: list[Term], balance: float | None = None) -> Plan:
    """The plan; what cancels out, or is so near to it that float32 decides, is not looked at."""
    try:
        result = plan(strategy, terms, balance=balance, text_mean=MEAN)
    except CancelledOutError:
        assume(False)
        raise
    assume(np.abs(result.contributions(CANDIDATES)).max() < 20)
    return result


@given(strategies, term_lists(), balances)
def test_scores_are_those_of_a_naive_reference(strategy: Strategy, terms: list[Term], balance: float | None) -> None:
    expected = [naive.score(strategy, terms, balance, MEAN, candidate) for candidate in CANDIDATES]
    scores = made(strategy, terms, balance).scores(CANDIDATES)
    assert scores.dtype == np.float32
    if strategy is Strategy.BEST_SCORE:
        # Where the best positive and negative are equal within rounding, either may decide.
        near = np.abs(np.abs(scores) - np.abs(expected)) < 1e-5
        assert near.all()
        assert (np.sign(scores) == np.sign(expected)).mean() > 0.9
    else:
        assert scores == pytest.approx(np.array(expected), abs=2e-5)


@given(strategies, term_lists(), balances)
def test_contributions_add_up_to_the_score(strategy: Strategy, terms: list[Term], balance: float | None) -> None:
    made_plan = made(strategy, terms, balance)
    parts = made_plan.contributions(CANDIDATES)
    assert parts.shape == (len(CANDIDATES), len(terms))
    assert parts.dtype == np.float32
    assert parts.sum(axis=1) == pytest.approx(made_plan.scores(CANDIDATES), abs=1e-5)


@given(strategies, term_lists(), balances, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_only_directions_and_ratios_of_weights_count(
    strategy: Strategy, terms: list[Term], balance: float | None, scale: float, stretch: float
) -> None:
    scaled = [replace(term, weight=term.weight * scale, vector=term.vector * np.float32(stretch)) for term in terms]
    one, other = made(strategy, terms, balance), made(strategy, scaled, balance)
    near = np.abs(np.abs(one.scores(CANDIDATES)) - np.abs(other.scores(CANDIDATES)))
    assert near.max() < 1e-4


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e308])
def test_weights_of_any_size_are_no_more_than_their_ratios(strategy: Strategy, size: float) -> None:
    one, other = ([Term(unit(1), weight), Term(unit(2), weight)] for weight in (1.0, size))
    expected = plan(strategy, one, text_mean=MEAN_OF_UNITS).scores(ROWS)
    assert np.array_equal(plan(strategy, other, text_mean=MEAN_OF_UNITS).scores(ROWS), expected)


@pytest.mark.parametrize("strategy", VECTOR_STRATEGIES)
def test_a_part_too_small_to_have_a_direction_is_an_error_and_no_number(strategy: Strategy) -> None:
    terms = [Term(unit(1), 1.0, modality=Modality.IMAGE), Term(unit(2), 5e-324)]
    with pytest.raises(CancelledOutError):
        plan(strategy, terms, balance=0.5, text_mean=MEAN_OF_UNITS)


@given(strategies, term_lists(), balances, st.randoms(use_true_random=False))
def test_the_order_of_the_terms_does_not_count(
    strategy: Strategy, terms: list[Term], balance: float | None, random: object
) -> None:
    places = list(range(len(terms)))
    random.shuffle(places)  # type: ignore[attr-defined]
    one, other = made(strategy, terms, balance), made(strategy, [terms[place] for place in places], balance)
    assert one.scores(CANDIDATES) == pytest.approx(other.scores(CANDIDATES), abs=1e-5)
    assert one.contributions(CANDIDATES)[:, places] == pytest.approx(other.contributions(CANDIDATES), abs=1e-5)


@given(strategies, term_lists(), balances, st.integers(0, 2**32 - 1))
def test_a_score_depends_on_its_candidate_alone(
    strategy: Strategy, terms: list[Term], balance: float | None, seed: int
) -> None:
    made_plan = made(strategy, terms, balance)
    whole = made_plan.scores(CANDIDATES)
    order = np.random.default_rng(seed).permutation(len(CANDIDATES))
    assert np.array_equal(made_plan.scores(CANDIDATES[order]), whole[order])
    assert np.array_equal(made_plan.scores(CANDIDATES[3:4]), whole[3:4])
    assert made_plan.scores(CANDIDATES[:0]).shape == (0,)


@given(st.sampled_from(VECTOR_STRATEGIES), term_lists(), balances)
def test_a_vector_is_the_query(strategy: Strategy, terms: list[Term], balance: float | None) -> None:
    made_plan = made(strategy, terms, balance)
    assert made_plan.strategy is strategy
    assert made_plan.vector is not None
    assert made_plan.vector.dtype == np.float32
    assert np.linalg.norm(made_plan.vector) == pytest.approx(1, abs=1e-6)
    assert made_plan.scores(CANDIDATES) == pytest.approx(CANDIDATES @ made_plan.vector, abs=1e-6)


@given(term_lists(), st.integers(0, 2**32 - 1))
def test_scores_of_a_weighted_sum_are_linear_in_the_terms(terms: list[Term], seed: int) -> None:
    """Up to the length of the sum: the score times it is the sum of the terms' own weighted cosines."""
    made_plan = made(Strategy.WEIGHTED_SUM, terms)
    total = np.sum([np.float64(term.weight) * term.vector.astype(np.float64) for term in terms], axis=0)
    alone = sum(term.weight * weighted_sum([Term(term.vector)]).astype(np.float64) @ CANDIDATES.T for term in terms)
    assert made_plan.scores(CANDIDATES) * np.linalg.norm(total) == pytest.approx(alone, abs=1e-4)


def test_the_plan_of_a_weighted_sum_is_the_plain_one() -> None:
    terms = [Term(unit(1), 2.0), Term(unit(2), -0.5, modality=Modality.IMAGE)]
    vector = plan(Strategy.WEIGHTED_SUM, terms).vector
    assert vector is not None
    assert np.array_equal(vector, weighted_sum(terms))


def parts(balance: float | None, strategy: Strategy = Strategy.WEIGHTED_SUM) -> Float32Array:
    """The query of two photos and a text with very different weights, in a plane of two axes each."""
    image, text = np.eye(2, 4, dtype=np.float32)
    terms = [Term(image, 9.0, modality=Modality.IMAGE), Term(image, 1.0, modality=Modality.IMAGE), Term(text, 0.01)]
    vector = plan(strategy, terms, balance=balance, text_mean=np.zeros(4, dtype=np.float32)).vector
    assert vector is not None
    return vector


@pytest.mark.parametrize("strategy", VECTOR_STRATEGIES)
@pytest.mark.parametrize("balance", [0.1, 0.5, 0.8])
def test_the_balance_is_the_share_of_the_text(strategy: Strategy, balance: float) -> None:
    image, text = parts(balance, strategy)[:2]
    assert text / (image + text) == pytest.approx(balance, abs=1e-6)


def test_without_a_balance_the_weights_of_a_weighted_sum_decide() -> None:
    assert DEFAULT_BALANCE[Strategy.WEIGHTED_SUM] is None
    image, text = parts(None)[:2]
    assert text / image == pytest.approx(0.001, rel=1e-4)


@pytest.mark.parametrize("strategy", [strategy for strategy, balance in DEFAULT_BALANCE.items() if balance])
def test_without_a_balance_the_other_strategies_have_their_default(strategy: Strategy) -> None:
    terms = [Term(unit(1), 2.0, modality=Modality.IMAGE), Term(unit(2), 1.0), Term(unit(3), -1.0)]
    without, named, another = (
        plan(strategy, terms, balance=balance, text_mean=MEAN_OF_UNITS).scores(ROWS)
        for balance in (None, DEFAULT_BALANCE[strategy], 0.3)
    )
    assert np.array_equal(without, named)
    assert not np.array_equal(without, another)


@given(term_lists(), st.floats(0.01, 0.99), strategies, st.sampled_from(Modality))
def test_a_balance_without_both_modalities_has_no_effect(
    terms: list[Term], balance: float, strategy: Strategy, modality: Modality
) -> None:
    alike = [replace(term, modality=modality) for term in terms]
    one, other = made(strategy, alike, balance), made(strategy, alike)
    assert np.array_equal(one.scores(CANDIDATES), other.scores(CANDIDATES))


def test_a_difference_of_texts_is_free_of_their_mean() -> None:
    """What all texts have in common (here the last axis) is neither added nor subtracted."""
    common, rice, pasta, photo = np.eye(4, dtype=np.float32)
    one, other = (2 * common + rice) / math.sqrt(5), (2 * common + pasta) / math.sqrt(5)
    mean = ((one + other) / 2).astype(np.float32)
    swap = [Term(photo, 1, modality=Modality.IMAGE), Term(other, -1), Term(one, 1)]
    vector = plan(Strategy.TEXT_DIFFERENCE, swap, balance=0.5, text_mean=mean).vector
    assert vector == pytest.approx((photo + (rice - pasta) / math.sqrt(2)) / math.sqrt(2), abs=1e-6)
    added = plan(Strategy.TEXT_DIFFERENCE, [swap[0], swap[2]], balance=0.5, text_mean=mean).vector
    assert added == pytest.approx((photo + (rice - pasta) / math.sqrt(2)) / math.sqrt(2), abs=1e-6)
    alone = plan(Strategy.TEXT_DIFFERENCE, [swap[2]], text_mean=mean).vector
    assert alone == pytest.approx((rice - pasta) / math.sqrt(2), abs=1e-6)


def test_a_photo_alone_needs_no_mean_of_texts() -> None:
    terms = [Term(unit(1), 2, modality=Modality.IMAGE)]
    assert plan(Strategy.TEXT_DIFFERENCE, terms).vector == pytest.approx(unit(1), abs=1e-6)


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Strategy.WEIGHTED_SUM, Strategy.TEXT_DIFFERENCE])
def test_nothing_but_negatives_is_refused_where_a_vector_is_made(strategy: Strategy) -> None:
    terms = [Term(unit(1), -1), Term(unit(2), -2, modality=Modality.IMAGE)]
    with pytest.raises(NegativeOnlyError, match="best_score"):
        plan(strategy, terms, text_mean=np.zeros_like(unit()))
    assert issubclass(NegativeOnlyError, IndexRoomError)
    assert issubclass(NegativeOnlyError, ValueError)


@pytest.mark.parametrize("strategy", [Strategy.WEIGHTED_SUM, Strategy.TEXT_DIFFERENCE])
def test_what_cancels_out_is_an_error_that_names_its_part(strategy: Strategy) -> None:
    image = Modality.IMAGE
    mean = np.zeros_like(unit())
    for terms, which in (
        ([Term(unit(1), 1, "a"), Term(unit(1), -1, "b")], "terms of the query ('a', 'b')"),
        ([Term(unit(1), 1, "p", image), Term(unit(2), 1, "a"), Term(unit(2), -1, "b")], "text terms of the query ('a'"),
        ([Term(unit(1), 1, "a"), Term(unit(2), 1, "p", image), Term(unit(2), -1, "q", image)], "image terms of the"),
        ([Term(unit(1), 5, "p", image), Term(unit(1), -3, "a")], "terms of the query ('p', 'a')"),
    ):
        with pytest.raises(CancelledOutError) as caught:
            plan(strategy, terms, balance=0.5, text_mean=mean)
        assert f"the {which}" in str(caught.value)


def test_a_text_that_is_the_mean_itself_has_no_direction() -> None:
    with pytest.raises(CancelledOutError, match="'food'"):
        plan(Strategy.TEXT_DIFFERENCE, [Term(unit(1), 1, "food")], text_mean=unit(1))


@pytest.mark.parametrize("strategy", Strategy)
def test_bad_values_are_refused(strategy: Strategy) -> None:
    mean = np.zeros_like(unit())
    for balance in (0.0, 1.0, -0.1, 1.5, math.nan, math.inf):
        with pytest.raises(ValueError, match="balance"):
            plan(strategy, [Term(unit())], balance=balance, text_mean=mean)
    with pytest.raises(ValueError, match="at least one term"):
        plan(strategy, [], text_mean=mean)
    with pytest.raises(ValueError, match="weight of term 1"):
        plan(strategy, [Term(unit(), 0.0)], text_mean=mean)
    with pytest.raises(ValueError, match="width"):
        plan(strategy, [Term(unit()), Term(unit(dim=5))], text_mean=mean)
    with pytest.raises(ValueError, match="shape"):
        plan(strategy, [Term(unit())], text_mean=mean).scores(unit_rows(2, dim=5))
    with pytest.raises(ValueError, match="shape"):
        plan(strategy, [Term(unit())], text_mean=mean).contributions(unit())


@pytest.mark.parametrize("mean", [None, np.zeros(5), np.full_like(unit(), np.nan), unit() * 2, unit()[None]])
def test_a_mean_that_is_none_is_refused(mean: Float32Array | None) -> None:
    with pytest.raises(ValueError, match="text_mean"):
        plan(Strategy.TEXT_DIFFERENCE, [Term(unit(1))], text_mean=mean)


def test_every_strategy_has_its_planner_and_default() -> None:
    assert set(STRATEGIES) == set(DEFAULT_BALANCE) == set(Strategy)
