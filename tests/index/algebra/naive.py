"""The strategies once more, term by term and candidate by candidate, in plain Python floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from index.algebra import DEFAULT_BALANCE, Modality, Strategy, Term
from index.types import Float32Array
from tests.index.samples import unit_rows

Vector = list[float]

weights = st.floats(-10, 10).filter(lambda weight: abs(weight) > 1e-2)
balances = st.none() | st.floats(0.01, 0.99)
modalities = st.sampled_from(Modality)


@st.composite
def term_lists(draw: st.DrawFn, dim: int = 12) -> list[Term]:
    """1 to 7 terms, at least one of them positive."""
    kinds = draw(st.lists(st.tuples(weights, modalities), min_size=1, max_size=7))
    rows = unit_rows(len(kinds), draw(st.integers(0, 2**32 - 1)), dim)
    terms = [Term(row, weight, f"t{n}", kind) for n, (row, (weight, kind)) in enumerate(zip(rows, kinds, strict=True))]
    if all(term.weight < 0 for term in terms):
        terms[0] = Term(terms[0].vector, -terms[0].weight, "t0", terms[0].modality)
    return terms


def score(
    strategy: Strategy, terms: Sequence[Term], balance: float | None, mean: Float32Array, candidate: Float32Array
) -> float:
    wanted = [float(value) for value in candidate]
    if strategy is Strategy.BEST_SCORE:
        return _best_score(terms, balance, wanted)
    offset = [float(value) for value in mean]
    if strategy is Strategy.PROJECTION:
        return _dot(_projection(terms, balance, offset), wanted)
    return _dot(_query(strategy, terms, balance, offset), wanted)


def _query(strategy: Strategy, terms: Sequence[Term], balance: float | None, mean: Vector) -> Vector:
    parts: dict[Modality, Vector] = {}
    for term in terms:
        direction = _direction(term, mean if strategy is Strategy.TEXT_DIFFERENCE else [0.0] * len(mean))
        before = parts.get(term.modality, [0.0] * len(direction))
        parts[term.modality] = [old + term.weight * new for old, new in zip(before, direction, strict=True)]
    if strategy is Strategy.TEXT_DIFFERENCE and balance is None:
        balance = DEFAULT_BALANCE[strategy]
    if len(parts) == 1:
        return _unit(next(iter(parts.values())))
    image, text = parts[Modality.IMAGE], parts[Modality.TEXT]
    if balance is not None:
        image = [(1 - balance) * value for value in _unit(image)]
        text = [balance * value for value in _unit(text)]
    return _unit([one + other for one, other in zip(image, text, strict=True)])


def _projection(terms: Sequence[Term], balance: float | None, mean: Vector) -> Vector:
    balance = DEFAULT_BALANCE[Strategy.PROJECTION] if balance is None else balance
    wanted = [term for term in terms if term.weight > 0]
    query = _query(Strategy.TEXT_DIFFERENCE, wanted, balance, mean)
    left = list(query)
    for term in terms:
        if term.weight < 0:
            direction = _unit(_direction(term, mean))
            strength = -term.weight / max(other.weight for other in wanted)
            taken = strength * max(0.0, _dot(query, direction))
            left = [value - taken * along for value, along in zip(left, direction, strict=True)]
    return _unit(left)


def _direction(term: Term, mean: Vector) -> Vector:
    direction = _unit([float(value) for value in term.vector])
    offset = mean if term.modality is Modality.TEXT else [0.0] * len(mean)
    return [value - less for value, less in zip(direction, offset, strict=True)]


def _best_score(terms: Sequence[Term], balance: float | None, candidate: Vector) -> float:
    shares = dict.fromkeys(Modality, 1.0)
    balance = DEFAULT_BALANCE[Strategy.BEST_SCORE] if balance is None else balance
    if balance is not None and len({term.modality for term in terms}) == 2:
        shares = {Modality.IMAGE: 1 - balance, Modality.TEXT: balance}
    largest = max(abs(term.weight) * shares[term.modality] for term in terms)
    best = worst = -math.inf
    for term in terms:
        size = abs(term.weight) * shares[term.modality] / largest
        cosine = size * _dot(_unit([float(value) for value in term.vector]), candidate)
        cosine = max(-1.0, min(1.0, cosine))
        if term.weight > 0:
            best = max(best, cosine)
        else:
            worst = max(worst, cosine)
    return (1 + best) / 2 if best > worst else -(1 + worst) / 2


def _unit(vector: Vector) -> Vector:
    norm = math.sqrt(_dot(vector, vector))
    return [value / norm for value in vector]


def _dot(one: Vector, other: Vector) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
