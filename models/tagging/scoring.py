"""What taggers share: checked input, the logistic function, and a ranking of what they say."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from models.tagging.types import Tagger, TagScore
from models.types import Float32Array


def checked_vectors(vectors: Float32Array, dim: int) -> Float32Array:
    """``vectors`` as they are. Raises ValueError unless they are finite and of shape (n, dim)."""
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"a tagger takes vectors of shape (n, {dim}), not {vectors.shape}")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector to tag holds NaN or infinity")
    return vectors


def sigmoid(logits: Float32Array) -> Float32Array:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)


def rank_tags(
    tagger: Tagger,
    vector: Float32Array,
    *,
    k: int,
    min_probability: float = 0.0,
    groups: Collection[str] | None = None,
) -> list[TagScore]:
    """The ``k`` most probable tags of one photo, best first, ties in the order of the vocabulary.

    Args:
        vector: unit-norm (dim,).
        min_probability: less probable tags are left out.
        groups: only tags of these; None: of all.
    """
    probabilities = tagger.score(vector[None, :])[0]
    order = np.argsort(-probabilities, kind="stable")
    wanted = (int(i) for i in order if groups is None or tagger.groups[int(i)] in groups)
    ranked = [TagScore(tagger.names[i], tagger.groups[i], float(probabilities[i])) for i in wanted]
    return [score for score in ranked if score.probability >= min_probability][:k]
