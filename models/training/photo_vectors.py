"""Joint vectors of photos, computed once per encoder and kept on disk.

A vector is a function of the encoder's fingerprint and the photo's bytes, so the cache never needs clearing and an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.photos import OnPhotos, encode_photos, photo_digest
from models.training.features import FeatureStore
from models.types import Float32Array, JointEncoder

_PHOTOS_PER_PART = 512


def photo_vectors(
    encoder: JointEncoder, photos: Sequence[Path], cache: Path, on_progress: OnPhotos | None = None
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
    keys = [bytes.fromhex(photo_digest(path)) for path in photos]
    missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
    for start in range(0, len(missing), _PHOTOS_PER_PART):
        part = missing[start : start + _PHOTOS_PER_PART]
        rows = encode_photos(encoder, [path for _, path in part])
        store.add([key for key, _ in part], rows.astype(np.float16))
        report("photos", start + len(part), len(missing))
    found = store.rows(keys).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32), keys
