"""Vectors on their way in and out of storage: checked, and kept as little-endian float16."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from index.types import Float32Array

# float16 rounds a component by at most 2**-11 of itself, so the norm of a stored unit vector is off by at most 5e-4.
UNIT_TOLERANCE = 2e-3
STORED_DTYPE = np.dtype("<f2")


def check_unit_rows(vectors: ArrayLike, dim: int, name: str = "vectors") -> Float32Array:
    """``vectors`` as contiguous float32 (n, dim). Raises ValueError on another shape, NaN, infinity or norm != 1."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ValueError(f"{name} must have the shape (n, {dim}), not {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must be finite, but hold NaN or infinity")
    norms = np.linalg.norm(rows, axis=1)
    if (np.abs(norms - 1.0) > UNIT_TOLERANCE).any():
        worst = norms[np.argmax(np.abs(norms - 1.0))]
        raise ValueError(f"{name} must have unit norm, but one has the norm {worst:.4g}")
    return rows


def to_blobs(vectors: Float32Array) -> list[bytes]:
    """Each row as ``2 * dim`` bytes of little-endian float16."""
    return [row.tobytes() for row in vectors.astype(STORED_DTYPE)]


def from_blobs(blobs: Sequence[bytes], dim: int) -> Float32Array:
    """The inverse of :func:`to_blobs`: float32 (n, dim). Raises ValueError on a blob of another width."""
    if any(len(blob) != STORED_DTYPE.itemsize * dim for blob in blobs):
        raise ValueError(f"a stored vector is not {dim} wide; `tastespace doctor --deep` names it")
    return np.frombuffer(b"".join(blobs), dtype=STORED_DTYPE).reshape(-1, dim).astype(np.float32)
