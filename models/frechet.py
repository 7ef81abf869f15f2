"""The Fréchet distance between two samples of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet_distance(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Squared Wasserstein-2 distance of the normal distributions of two samples, (n, width) and (m, width) (Heusel et
    al. 2017). It is biased upwards by small samples, so compare values of equal n and m only.

    Raises:
        ValueError: a sample has fewer than two rows, or the widths differ.
    """
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1] or min(len(left), len(right)) < 2:
        raise ValueError(f"the samples must be (n, width) of at least two rows each, not {left.shape}, {right.shape}")
    a, b = left.astype(np.float64), right.astype(np.float64)
    covariance_a, covariance_b = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The trace of the square root of a product of covariances, by way of a symmetric matrix of equal eigenvalues.
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariance_b @ root).clip(0)).sum()
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    return float(max(0.0, apart + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross))
