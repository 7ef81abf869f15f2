"""Joint vectors of photos, computed once per encoder and kept on disk.

A vector is a function of the encoder's fingerprint and the photo's bytes, so the cache never needs clearing and an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from models.data import DataError
from models.preprocess import to_pixels
from models.training.features import FeatureStore
from models.types import Float32Array, JointEncoder, UInt8Array

OnVectors: TypeAlias = Callable[[str, int, int], None]
_PHOTOS_PER_PART, _BATCH = 512, 32


def photo_vectors(
    encoder: JointEncoder, photos: Sequence[Path], cache: Path, on_progress: OnVectors | None = None
) -> tuple[Float32Array, list[bytes]]:
    """The vectors of photos, from the cache where they are there.

    Args:
        cache: a folder that holds one for each encoder.
        on_progress: called with (what, done, total).

    Returns:
        Unit-norm float32 (n, dim), a row a photo (equal files are encoded once), and the sha256 of each photo's bytes.

    Raises:
        DataError: a photo can't be read or decoded; the message names it.
    """
    report = on_progress or (lambda *_: None)
    store = FeatureStore(cache / encoder.info.fingerprint[:16], encoder.info.dim)
    keys = [_digest(path) for path in photos]
    missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
    for start in range(0, len(missing), _PHOTOS_PER_PART):
        part = missing[start : start + _PHOTOS_PER_PART]
        rows = encode_photos(encoder, [path for _, path in part])
        store.add([key for key, _ in part], rows.astype(np.float16))
        report("photos", start + len(part), len(missing))
    found = store.rows(keys).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32), keys


def encode_photos(encoder: JointEncoder, photos: Sequence[Path], on_progress: OnVectors | None = None) -> Float32Array:
    """Unit-norm float32 (n, dim), a row a photo. Raises DataError where one can't be read."""
    report = on_progress or (lambda *_: None)
    rows: list[Float32Array] = []
    for pixels in _batches(encoder, photos):
        rows.append(encoder.encode_pixels(pixels))
        report("photos", sum(map(len, rows)), len(photos))
    return np.concatenate(rows)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise DataError(f"{path} can't be read as a picture: {error}") from error


def _batches(encoder: JointEncoder, paths: Sequence[Path]) -> Iterator[UInt8Array]:
    """The next batch is decoded in threads while the encoder works on this one."""

    def read(path: Path) -> UInt8Array:
        try:
            with Image.open(path) as image:
                return to_pixels(ImageOps.exif_transpose(image).convert("RGB"), encoder.info.preprocess)
        except OSError as error:
            raise DataError(f"{path} can't be read as a picture: {error}") from error

    with ThreadPoolExecutor(2) as pool:
        upcoming = [pool.submit(read, path) for path in paths[:_BATCH]]
        for start in range(0, len(paths), _BATCH):
            current = upcoming
            upcoming = [pool.submit(read, path) for path in paths[start + _BATCH : start + 2 * _BATCH]]
            yield np.stack([future.result() for future in current])
