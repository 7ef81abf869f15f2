"""The strategy that takes what is unwanted out of what is wanted, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.algebra.linear import LinearPlan, centred
from index.algebra.strategies import Strategy
from index.algebra.terms import Term, length, require_positive, texts
from index.types import Float32Array


def plan_projection(terms: Sequence[Term], balance: float | None, text_mean: Float32Array | None) -> LinearPlan:
    """The text difference of the positive terms, out of which the negative ones are projected.

    With texts centred by ``text_mean`` and ``q`` the query that ``text_difference`` makes of the positive terms, the
    query is ``q - sum of s * max(0, <q, n>) * n`` over the negative terms of direction ``n`` and strength
    ``s = |weight| / largest positive weight``. Of one at strength 1 the query then holds nothing. To subtract the
    whole of it, as a sum does, looks for its opposite instead, and a photo without rice is not the least rice-like
    one. A negative term's contribution is ``-s * <q, n> * <n, candidate>``
    over the norm of the result, so it is 0 where the rest of the query shows nothing of it.
    """
    rows, weights = centred(terms, text_mean)
    require_positive(terms)
    wanted, unwanted = np.flatnonzero(weights > 0), np.flatnonzero(weights < 0).tolist()
    is_text = texts(terms)
    coefficients = np.where(weights > 0, weights, 0.0)
    if balance is not None and is_text[wanted].any() and not is_text[wanted].all():
        for part, of_part in ((wanted[~is_text[wanted]], 1 - balance), (wanted[is_text[wanted]], balance)):
            total = weights[part] @ rows[part]
            named = [terms[place] for place in part.tolist()]
            coefficients[part] *= of_part / length(total, float(weights[part].sum()), named, "positive terms")
    query = coefficients @ rows
    before = length(query, float(coefficients.sum()), [terms[place] for place in wanted.tolist()], "positive terms")
    for place in unwanted:
        own = length(rows[place], 1.0, [terms[place]])
        direction = rows[place] / own
        strength = -weights[place] / weights[wanted].max()
        coefficients[place] = -strength * max(0.0, float(query @ direction)) / own
    total = coefficients @ rows
    norm = length(total, before, terms)
    return LinearPlan(Strategy.PROJECTION, (total / norm).astype(np.float32), rows, coefficients / norm)
