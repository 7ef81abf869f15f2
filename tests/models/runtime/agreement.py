"""How far the answers of two runtimes agree: the overlap of what a search by each finds."""

from __future__ import annotations

import numpy as np

from models.types import Float32Array


def recall_at_10(
    exact_queries: Float32Array,
    exact: Float32Array,
    queries: Float32Array,
    candidates: Float32Array,
    *,
    without_self: bool = False,
) -> float:
    """The mean share of the exact vectors' ten nearest that the other vectors find too.

    ``without_self``: row i of the candidates is query i itself and is left out.
    """
    found = []
    for left, right in ((exact_queries, exact), (queries, candidates)):
        scores = left @ right.T
        if without_self:
            np.fill_diagonal(scores, -np.inf)
        found.append(np.argsort(-scores, axis=1, kind="stable")[:, :10])
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*found, strict=True)]))
