"""Features of the frozen towers, computed once and kept on disk.

A feature is a function of the backbone's file, the view with its preprocessing, and the photo's bytes (or the text):
those make its key, so a cache never needs clearing. A cache folder holds one folder per backbone and view, in it
parts of a few thousand rows (``.npz``: ``keys`` uint8 (n, 32), ``features`` float16 (n, width)), each written whole
or not at all: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CustomTextCLIP

from models.backbones import MINILM_WEIGHTS, VISION_FILES
from models.files import write_file
from models.joint.towers import IMAGE_WIDTH, MAX_TOKENS, TEXT_WIDTH, LineEncoder, Vision, normalise_pixels
from models.photos import open_photo, photo_digest
from models.training.precision import half_precision
from models.training.views import view_pixels
from models.types import ImagePreprocess, UInt8Array

Float16Array: TypeAlias = NDArray[np.float16]
_T = TypeVar("_T")
Progress: TypeAlias = Callable[[str, int, int], None]
_PHOTOS_PER_PART, _TEXTS_PER_PART, _BATCH = 2048, 8192, 32


class FeatureStore:
    """The parts of one folder: sha256 keys -> float16 rows of one width."""

    def __init__(self, folder: Path, width: int) -> None:
        self._folder = folder
        self._width = width
        self._parts: list[Float16Array] = []
        self._row: dict[bytes, tuple[int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("part-*.npz")):
            with np.load(path) as part:
                self._index(part["keys"], part["features"])

    def __contains__(self, key: bytes) -> bool:
        return key in self._row

    def _index(self, keys: UInt8Array, features: Float16Array) -> None:
        self._row.update({key.tobytes(): (len(self._parts), i) for i, key in enumerate(keys)})
        self._parts.append(features)

    def add(self, keys: Sequence[bytes], features: Float16Array) -> None:
        """Append rows as a new part, durable before the call returns."""
        packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)
        # Named by what it holds: another process that fills the same cache must not replace it by its own.
        path = self._folder / f"part-{len(self._parts):05d}-{hashlib.sha256(packed.tobytes()).hexdigest()[:12]}.npz"
        content = io.BytesIO()
        np.savez(content, keys=packed, features=features)
        write_file(path, content.getvalue())
        self._index(packed, features)

    def rows(self, keys: Sequence[bytes]) -> Float16Array:
        """float16 (n, width) in the order of ``keys``. Raises KeyError where one is missing."""
        out = np.empty((len(keys), self._width), dtype=np.float16)
        for i, key in enumerate(keys):
            part, row = self._row[key]
            out[i] = self._parts[part][row]
        return out


class FeatureCache:
    """Cached features of photos (by view) and of texts.

    Args:
        folder: where features are kept.
        clip: the frozen towers, see :func:`models.joint.towers.build_clip`.
        spec: their preprocessing.
        on_progress: called with (what, done, total) as work goes on.
        vision: the name of the vision tower; its file is part of a feature's key.
        tuned: digest of what was trained in the vision tower, part of the key as well.
    """

    def __init__(
        self,
        folder: Path,
        clip: CustomTextCLIP,
        spec: ImagePreprocess,
        on_progress: Progress | None = None,
        *,
        vision: Vision = "tf_efficientnet_lite0",
        tuned: str = "",
    ) -> None:
        self._folder = folder
        self._clip = clip
        self._spec = spec
        self._vision = VISION_FILES[vision].sha256[:12] + (f"-{tuned}" if tuned else "")
        self._lines = LineEncoder(clip)
        self._report = on_progress or (lambda *_: None)
        self._sha: dict[Path, str] = {}

    def image_features(self, photos: Sequence[Path], view: str) -> Float16Array:
        """float16 (n, 1280) of each photo seen in ``view``; equal files are computed once.

        Raises:
            DataError: a photo can't be read or decoded; the message names it.
        """
        shas = [self._content(path) for path in photos]
        preprocessing = hashlib.sha256(repr(sorted(asdict(self._spec).items())).encode()).hexdigest()[:12]
        store = FeatureStore(self._folder / f"{self._vision}-{preprocessing}-{view}", IMAGE_WIDTH)
        keys = [bytes.fromhex(sha) for sha in shas]
        missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
        for done, part in _parts(missing, _PHOTOS_PER_PART):
            store.add([key for key, _ in part], self._encode_photos([path for _, path in part], view))
            self._report(f"photos ({view})", done, len(missing))
        return store.rows(keys)

    def text_features(self, texts: Sequence[str]) -> Float16Array:
        """float16 (n, 384), the unit-norm sentence embedding of each text."""
        store = FeatureStore(self._folder / f"{MINILM_WEIGHTS.sha256[:12]}-{MAX_TOKENS}", TEXT_WIDTH)
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in store}.items())
        for done, part in _parts(missing, _TEXTS_PER_PART):
            store.add([key for key, _ in part], self._lines([text for _, text in part]).astype(np.float16))
            self._report("texts", done, len(missing))
        return store.rows(keys)

    def _content(self, path: Path) -> str:
        if path not in self._sha:
            self._sha[path] = photo_digest(path)
        return self._sha[path]

    def _encode_photos(self, paths: Sequence[Path], view: str) -> Float16Array:
        device = next(self._clip.parameters()).device
        out = np.empty((len(paths), IMAGE_WIDTH), dtype=np.float16)

        def read(path: Path) -> UInt8Array:
            return view_pixels(open_photo(path), view, self._spec, self._content(path))

        with ThreadPoolExecutor(4) as pool, torch.inference_mode():
            for start in range(0, len(paths), _BATCH):
                pixels = np.stack(list(pool.map(read, paths[start : start + _BATCH])))
                # Rounded features feed training only, evaluation runs the whole model in float32.
                with half_precision(device):
                    features = self._clip.encode_image(normalise_pixels(pixels, self._spec, device))
                out[start : start + len(pixels)] = features.float().cpu().numpy().astype(np.float16)
        return out


def _parts(items: list[_T], size: int) -> Iterator[tuple[int, list[_T]]]:
    for start in range(0, len(items), size):
        part = items[start : start + size]
        yield start + len(part), part
