"""From terms to an order of the candidates, by a named strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

from index.algebra.best import plan_best_score
from index.algebra.linear import plan_text_difference, plan_weighted_sum
from index.algebra.projection import plan_projection
from index.algebra.strategies import DEFAULT_BALANCE, Strategy
from index.algebra.terms import Term
from index.types import Float32Array


class Plan(Protocol):
    """A query made ready. Candidates are ordered by descending score, ties by ascending pk."""

    @property
    def strategy(self) -> Strategy: ...

    @property
    def vector(self) -> Float32Array | None:
        """The unit vector (dim,) whose inner product with a candidate is its score; None: score them all."""
        ...

    def scores(self, vectors: Float32Array) -> Float32Array:
        """float32 (n,) for unit vectors (n, dim); a row's score does not depend on the other rows. Raises ValueError on
        another shape."""
        ...

    def contributions(self, vectors: Float32Array) -> Float32Array:
        """What each term gives to each score, float32 (n, terms); rows add up to :meth:`scores` within rounding."""
        ...


Planner: TypeAlias = Callable[[Sequence[Term], "float | None", "Float32Array | None"], Plan]
"""Takes terms, balance (None: the terms' weights as they are) and ``text_mean``."""

STRATEGIES: Mapping[Strategy, Planner] = MappingProxyType(
    {
        Strategy.WEIGHTED_SUM: plan_weighted_sum,
        Strategy.TEXT_DIFFERENCE: plan_text_difference,
        Strategy.BEST_SCORE: plan_best_score,
        Strategy.PROJECTION: plan_projection,
    }
)


def plan(
    strategy: Strategy,
    terms: Sequence[Term],
    *,
    balance: float | None = None,
    text_mean: Float32Array | None = None,
) -> Plan:
    """Make ``terms`` ready to order candidates.

    Args:
        balance: the share of the text part, strictly between 0 and 1, where terms of both modalities occur; without
            effect where they don't. None: :data:`index.algebra.DEFAULT_BALANCE` of the strategy.
        text_mean: (dim,) the mean of the unit vectors of many texts; needed by ``text_difference`` and
            ``projection`` where a text occurs, ignored by the others.

    Only the directions of the terms' vectors and the ratios of their weights count. With ``unit(v) = v / |v|``, I and T
    the sums of ``weight * direction`` over the image and the text terms, the query is

    - ``weighted_sum``: ``unit(I + T)``; with a balance b ``unit((1 - b) * unit(I) + b * unit(T))``.
    - ``text_difference``: the same, and ``text_mean`` taken from each text's direction before weighting
      (without rescaling it); ``unit(I)`` or ``unit(T)`` where only one modality occurs.
    - ``projection``: the text difference of the positive terms, out of which the negative ones are projected; see
      :func:`index.algebra.projection.plan_projection`.
    - ``best_score``: no vector; see :class:`index.algebra.BestScorePlan`.

    Raises:
        ValueError: no terms; a weight that is zero or not finite; a vector that is zero, not finite or of another
            width; a balance outside (0, 1); a ``text_mean`` that is missing, not finite, too long or of another width.
        NegativeOnlyError: a strategy that makes a vector, and every weight is negative.
        CancelledOutError: a sum (I or T where it is scaled to unit length, or the whole) has a norm below 1e-3 of the
            sum of its ``|weight|``.
    """
    if balance is not None and not 0 < balance < 1:
        raise ValueError(f"balance must lie strictly between 0 (photos only) and 1 (texts only), not {balance}")
    share = DEFAULT_BALANCE[strategy] if balance is None else balance
    return STRATEGIES[strategy](terms, share, text_mean)
