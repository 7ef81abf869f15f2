"""Is it food? What decides the style of a caption where the caller leaves it open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class StyleGate:
    """A logistic regression on the mean of a photo's feature map: the chance that its caption should name a dish.

    Attributes:
        weight: float32 (width,).
        bias: of the log-odds.
    """

    weight: Float32Array
    bias: float

    def is_dish(self, maps: Float32Array) -> NDArray[np.bool_]:
        """float32 (n, locations, width) -> bool (n,): a dish is as likely as not, or likelier."""
        return self.probabilities(maps) >= 0.5

    def probabilities(self, maps: Float32Array) -> Float32Array:
        """float32 (n, locations, width) -> float32 (n,): P(dish)."""
        log_odds = mean_features(maps) @ self.weight + self.bias
        # tanh, unlike exp, overflows nowhere.
        return np.asarray(0.5 + 0.5 * np.tanh(log_odds / 2), dtype=np.float32)


def mean_features(maps: Float32Array) -> Float32Array:
    """Maps float32 (n, locations, width) -> float32 (n, width), what a gate reads of them."""
    means: Float32Array = maps.mean(axis=1, dtype=np.float32)
    return means
