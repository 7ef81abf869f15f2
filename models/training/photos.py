"""Batches of augmented photos, decoded while the step before runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.photos import open_photo
from models.preprocess import to_pixels
from models.training.views import augmented_pixels
from models.types import ImagePreprocess, UInt8Array

_THREADS = 2


def augmented_batches(
    photos: Sequence[Path], batches: Sequence[NDArray[np.int64]], spec: ImagePreprocess, seed: Sequence[int]
) -> Iterator[UInt8Array]:
    """For each batch of rows, uint8 (n, size, size, 3): a fresh view of each photo, a function of ``seed`` and row.

    Raises:
        DataError: a photo can't be read or decoded; the message names it.
    """

    def read(row: int) -> UInt8Array:
        rng = np.random.default_rng([*seed, row])
        return augmented_pixels(open_photo(photos[row]), rng, spec)

    with ThreadPoolExecutor(_THREADS) as pool:
        ahead: list[list[Future[UInt8Array]]] = []
        for rows in [*batches, None]:
            if rows is not None:
                ahead.append([pool.submit(read, int(row)) for row in rows])
            if len(ahead) > 1 or (rows is None and ahead):
                yield np.stack([future.result() for future in ahead.pop(0)])


def whole_photos(photos: Sequence[Path], spec: ImagePreprocess) -> UInt8Array:
    """uint8 (n, size, size, 3) as the encoder sees them at inference. Raises DataError as above."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return np.stack(list(pool.map(lambda path: to_pixels(open_photo(path), spec), photos)))
