"""Joint vectors of photos, computed once per encoder and kept on disk.

A vector is a function of the encoder's fingerprint, the view and the photo's bytes, so the cache never needs clearing
and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from models.data import DataError
from models.preprocess import to_pixels
from models.training.features import FeatureStore
from models.types import Float32Array, JointEncoder, UInt8Array

VectorView = Literal["whole", "flip"]
OnVectors: TypeAlias = Callable[[str, int, int], None]
_PHOTOS_PER_PART, _BATCH = 1024, 32


class PhotoVectors:
    """Joint vectors of photos by one encoder.

    Args:
        folder: where they are kept, in a folder for each fingerprint and view.
        encoder: any joint encoder.
        on_progress: called with (what, done, total).
    """

    def __init__(self, folder: Path, encoder: JointEncoder, on_progress: OnVectors | None = None) -> None:
        self._folder = folder
        self._encoder = encoder
        self._report = on_progress or (lambda *_: None)
        self._sha: dict[Path, bytes] = {}

    def vectors(self, photos: Sequence[Path], view: VectorView = "whole") -> Float32Array:
        """Unit-norm float32 (n, dim), one row a photo; equal files are encoded once.

        Raises:
            DataError: a photo can't be read or decoded; the message names it.
        """
        info = self._encoder.info
        store = FeatureStore(self._folder / f"{info.fingerprint[:16]}-{view}", info.dim)
        keys = [self._key(path) for path in photos]
        missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
        for start in range(0, len(missing), _PHOTOS_PER_PART):
            part = missing[start : start + _PHOTOS_PER_PART]
            rows = self._encode([path for _, path in part], view)
            store.add([key for key, _ in part], rows.astype(np.float16))
            self._report(f"photos ({view})", start + len(part), len(missing))
        found = store.rows(keys).astype(np.float32)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    def _key(self, path: Path) -> bytes:
        if path not in self._sha:
            try:
                self._sha[path] = hashlib.sha256(path.read_bytes()).digest()
            except OSError as error:
                raise DataError(f"{path} can't be read as a picture: {error}") from error
        return self._sha[path]

    def _encode(self, paths: Sequence[Path], view: VectorView) -> Float32Array:
        return np.concatenate([self._encoder.encode_pixels(pixels) for pixels in self._batches(paths, view)])

    def _batches(self, paths: Sequence[Path], view: VectorView) -> Iterator[UInt8Array]:
        """The next batch is decoded in threads while the encoder works on this one."""

        def read(path: Path) -> UInt8Array:
            try:
                with Image.open(path) as image:
                    upright = ImageOps.exif_transpose(image).convert("RGB")
            except OSError as error:
                raise DataError(f"{path} can't be read as a picture: {error}") from error
            return to_pixels(ImageOps.mirror(upright) if view == "flip" else upright, self._encoder.info.preprocess)

        with ThreadPoolExecutor(2) as pool:
            starts = range(0, len(paths), _BATCH)
            upcoming = [pool.submit(read, path) for path in paths[:_BATCH]]
            for start in starts:
                current = upcoming
                upcoming = [pool.submit(read, path) for path in paths[start + _BATCH : start + 2 * _BATCH]]
                yield np.stack([future.result() for future in current])
