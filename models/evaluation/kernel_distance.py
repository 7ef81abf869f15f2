"""The kernel distance between two samples of features, without bias from their sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def kernel_distance(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy of two samples, (n, width) and (m, width), by the
    kernel ``(x . y / width + 1)^3`` over all their rows (Bińkowski et al. 2018, section 4).

    Unlike the Fréchet distance it may be compared between samples of any size; between samples of one distribution it
    is 0 in the mean, so that single values may be negative. A few pictures over and over again fool it.

    Raises:
        ValueError: a sample has fewer than two rows, or the widths differ.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or min(len(left), len(right)) < 2:
        raise ValueError(f"the samples must be (n, width) of at least two rows each, not {left.shape}, {right.shape}")
    a, b = left.astype(np.float64), right.astype(np.float64)
    return float(_among(a) + _among(b) - 2 * _kernel(a, b).mean())


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def _among(rows: NDArray[np.float64]) -> float:
    """The mean over pairs of different rows."""
    kernel = _kernel(rows, rows)
    return float((kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1)))
