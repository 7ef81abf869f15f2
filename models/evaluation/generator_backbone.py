"""What drawn pictures are measured by: features of a backbone that their generator never met.

EfficientNet-Lite2, pretrained on ImageNet. Training, conditioning and re-ranking look through lite0 and the joint
encoder, which stands on lite0: a generator can please those without being any better. Nothing here is Inception, so
no distance over these features is an FID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps

from models.backbones import MINILM_WEIGHTS, VISION_FILES
from models.checkpoint import load_checkpoint
from models.joint.loading import parse_device
from models.joint.towers import IMAGE_WIDTH, LineEncoder, Vision, build_clip, lite_preprocess, normalise_pixels
from models.photos import open_photo, photo_digest
from models.preprocess import to_pixels
from models.registry import DEFAULT_ENCODER, WEIGHTS_FOLDER
from models.training.features import FeatureStore
from models.types import Float32Array, UInt8Array

OnMeasured: TypeAlias = Callable[[str, int, int], None]
#: The vision tower that pictures are measured by.
MEASURED_BY: Vision = "tf_efficientnet_lite2"
_INPUT = 224
_THREADS, _READ, _PHOTOS_PER_PART = 2, 32, 512
_BATCH_ON_CPU, _BATCH = 8, 64


class PictureBackbone(Protocol):
    """Frozen networks that look at pictures and read titles."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str:
        """Hex sha256 of all that features depend on."""
        ...

    @property
    def width(self) -> int:
        """Of the features of a picture."""
        ...

    def features(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, S, S, 3) of any side S -> float32 (n, width), not normalised."""
        ...

    def sentences(self, texts: Sequence[str]) -> Float32Array:
        """Texts -> unit-norm float32 (n, its own width)."""
        ...


class LiteBackbone:
    """:class:`PictureBackbone` over EfficientNet-Lite2, averaged over places, and all-MiniLM-L6-v2.

    Raises:
        EncoderUnavailableError: a backbone's package is missing or changed, or there is no such device.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = parse_device(device)
        self._clip = build_clip(MEASURED_BY, _INPUT).to(self._device)
        self._lines = LineEncoder(self._clip)
        self._spec = lite_preprocess("squash", _INPUT)

    @property
    def name(self) -> str:
        return MEASURED_BY

    @property
    def digest(self) -> str:
        parts = (VISION_FILES[MEASURED_BY].sha256, MINILM_WEIGHTS.sha256, str(self._spec))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def width(self) -> int:
        return IMAGE_WIDTH

    @torch.inference_mode()
    def features(self, pixels: UInt8Array) -> Float32Array:
        """See :meth:`PictureBackbone.features`; pictures are resized to the network's input."""
        step = _BATCH_ON_CPU if self._device.type == "cpu" else _BATCH
        parts = []
        for start in range(0, len(pixels), step):
            seen = np.stack([to_pixels(Image.fromarray(each), self._spec) for each in pixels[start : start + step]])
            rows = self._clip.encode_image(normalise_pixels(seen, self._spec, self._device))
            parts.append(rows.float().cpu().numpy())
        return np.concatenate(parts)

    def sentences(self, texts: Sequence[str]) -> Float32Array:
        return self._lines(texts)


def encoder_stands_on(spec: str, backbone: PictureBackbone) -> bool:
    """Whether a joint encoder of the project's own (see :func:`models.registry.load_encoder`) has this vision tower:
    what it conditions or re-ranks would then be measured by itself.

    Raises:
        EncoderUnavailableError: the encoder's weights are missing or changed.
    """
    kind, _, rest = spec.partition(":")
    if spec != DEFAULT_ENCODER and kind != "lite":
        return False
    folder = WEIGHTS_FOLDER / DEFAULT_ENCODER if spec == DEFAULT_ENCODER else Path(rest)
    return load_checkpoint(folder)[0].config.vision == backbone.name


def square_photo(path: Path, side: int) -> UInt8Array:
    """The middle of a photo as uint8 (side, side, 3): a real photo at the resolution of the drawn ones.

    Raises:
        DataError: it can't be read or decoded; the message names it.
    """
    fitted = ImageOps.fit(open_photo(path), (side, side), Image.Resampling.BICUBIC)
    return np.asarray(fitted, dtype=np.uint8)


def picture_features(
    backbone: PictureBackbone, pixels: UInt8Array, what: str, on_progress: OnMeasured | None = None
) -> Float32Array:
    """float32 (n, width) of pictures, uint8 (n, S, S, 3), rounded as those of photos are when they are kept.

    Args:
        on_progress: called with (``what``, done, total).
    """
    report = on_progress or (lambda *_: None)
    parts = []
    for start in range(0, len(pixels), _BATCH):
        parts.append(backbone.features(pixels[start : start + _BATCH]))
        report(what, min(start + _BATCH, len(pixels)), len(pixels))
    return np.concatenate(parts).astype(np.float16).astype(np.float32)


def photo_features(
    backbone: PictureBackbone, photos: Sequence[Path], side: int, cache: Path, on_progress: OnMeasured | None = None
) -> tuple[Float32Array, list[bytes]]:
    """Features of real photos at a resolution, from the cache where they are there.

    Args:
        side: of the square that each is cropped and scaled to before the backbone looks at it.
        cache: a folder that holds one for each backbone and side.
        on_progress: called with ("photos", done, total).

    Returns:
        float32 (n, width), rounded to float16, and the sha256 of each photo's bytes. Equal files are looked at once.

    Raises:
        DataError: a photo can't be read or decoded; the message names it.
    """
    report = on_progress or (lambda *_: None)
    store = FeatureStore(cache / f"{backbone.digest[:16]}-square-{side}", backbone.width)
    keys = [bytes.fromhex(photo_digest(path)) for path in photos]
    missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(missing), _PHOTOS_PER_PART):
            part = missing[start : start + _PHOTOS_PER_PART]
            rows = []
            for first in range(0, len(part), _READ):
                paths = [path for _, path in part[first : first + _READ]]
                rows.append(backbone.features(np.stack(list(pool.map(lambda path: square_photo(path, side), paths)))))
                report("photos", start + first + len(paths), len(missing))
            store.add([key for key, _ in part], np.concatenate(rows).astype(np.float16))
    return store.rows(keys).astype(np.float32), keys
