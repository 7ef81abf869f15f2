"""The gate that tells dishes from other photos, from those that a captioner learns its two styles of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.captioning.style import StyleGate, mean_features
from models.captioning.vision import MapTower
from models.training.caption_validation import finished
from models.training.feature_maps import MapTable
from models.training.logistic import fit_logistic
from models.types import Float32Array

MOST_PHOTOS = 3000
_MAPS_PER_BATCH = 64
# Of squared weights of standardised features: either style's photos are told apart well by far, and a smaller one
# would only make the odds of those that are neither more extreme.
_PENALTY = 1e-3
_LEAST_SPREAD = 1e-3


def map_means(tower: MapTower, maps: MapTable, rows: Sequence[int] | NDArray[np.int64]) -> Float32Array:
    """The means of these cached maps as the decoder sees them: float32 (n, width)."""

    def parts() -> Iterator[Float32Array]:
        for start in range(0, len(rows), _MAPS_PER_BATCH):
            stages = torch.from_numpy(maps.gather(rows[start : start + _MAPS_PER_BATCH]))
            yield mean_features(finished(tower, stages).cpu().numpy())

    return np.concatenate(list(parts()))


def spread_rows(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most ``count`` of the rows, at even distances."""
    if len(rows) <= count:
        return rows
    chosen: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    return chosen


def fit_style_gate(dishes: Float32Array, others: Float32Array, penalty: float = _PENALTY) -> StyleGate:
    """A logistic regression of what is a dish on the means of maps.

    Args:
        dishes, others: float32 (n, width) and (m, width), at least one of each; with as many of the one as of the
            other, neither style is favoured.
        penalty: of the squared weights of standardised features.

    Raises:
        ValueError: there is no photo of one kind.
    """
    if not len(dishes) or not len(others):
        raise ValueError("a gate needs photos of dishes and others")
    means = np.concatenate([dishes, others])
    truth = np.arange(len(means))[:, None] < len(dishes)
    middle, spread = means.mean(axis=0), np.maximum(means.std(axis=0), _LEAST_SPREAD)
    fitted = fit_logistic(np.asarray((means - middle) / spread, dtype=np.float32), truth, penalty)
    weight = np.asarray(fitted.weight[:, 0] / spread, dtype=np.float32)
    return StyleGate(weight, float(fitted.bias[0] - middle @ weight))


def gate_accuracy(gate: StyleGate, means: Float32Array, *, dish: bool) -> float:
    """The share of photos, by their means float32 (n, width), that the gate takes for what they are."""
    return float((gate.is_dish(means[:, None]) == dish).mean())
