"""Photos of a data folder: decoded as the service decodes uploads, and encoded batch by batch."""

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
from models.types import Float32Array, ImagePreprocess, JointEncoder, UInt8Array

OnPhotos: TypeAlias = Callable[[str, int, int], None]
_BATCH, _THREADS = 64, 2


def open_photo(path: Path) -> Image.Image:
    """The decoded RGB picture, upright, what is transparent laid on white.

    Raises:
        DataError: it can't be read or decoded; the message names it.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            rgba = upright.convert("RGBA")
            canvas = Image.new("RGB", rgba.size, "white")
            canvas.paste(rgba, mask=rgba.getchannel("A"))
            return canvas
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's decoders differ
        raise DataError(f"{path} can't be read as a picture: {error}") from error


def photo_digest(path: Path) -> str:
    """Hex sha256 of a photo's bytes. Raises DataError where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} can't be read as a picture: {error}") from error


def encode_photos(encoder: JointEncoder, photos: Sequence[Path], on_progress: OnPhotos | None = None) -> Float32Array:
    """Unit-norm float32 (n, dim), a row a photo, of at least one.

    Args:
        on_progress: called with ("photos", done, total).

    Raises:
        DataError: a photo can't be read; the message names it.
    """
    report = on_progress or (lambda *_: None)
    rows: list[Float32Array] = []
    for pixels in _batches(photos, encoder.info.preprocess):
        rows.append(encoder.encode_pixels(pixels))
        report("photos", sum(map(len, rows)), len(photos))
    return np.concatenate(rows)


def _batches(photos: Sequence[Path], spec: ImagePreprocess) -> Iterator[UInt8Array]:
    """The next batch is decoded in threads while the encoder works on this one."""

    def read(path: Path) -> UInt8Array:
        return to_pixels(open_photo(path), spec)

    with ThreadPoolExecutor(_THREADS) as pool:
        upcoming = [pool.submit(read, path) for path in photos[:_BATCH]]
        for start in range(0, len(photos), _BATCH):
            current = upcoming
            upcoming = [pool.submit(read, path) for path in photos[start + _BATCH : start + 2 * _BATCH]]
            yield np.stack([future.result() for future in current])
