"""Noise that is a function of a seed alone, whatever else is drawn at the same time and on which device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.types import Float32Array


def seeded_noise(seed: int, shape: Sequence[int]) -> Float32Array:
    """Standard normal float32 of this shape, by numpy's Philox generator (Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(key=seed)).standard_normal(tuple(shape), dtype=np.float32)
