"""Vectors of photos to find nearest photos by: those of a joint encoder, or features of a frozen vision tower.

Models are loaded when the first photo is asked for: data without training photos never needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation.caption_neighbours import NeighbourSource
from models.photos import OnPhotos, encode_photos
from models.types import Float32Array, JointEncoder

if TYPE_CHECKING:
    from models.training.features import FeatureCache

_SIDE = 224


def encoder_source(name: str, load: Callable[[], JointEncoder], on_progress: OnPhotos | None = None) -> NeighbourSource:
    """Joint vectors of the encoder ``name``; photos are encoded each time."""
    loaded = cache(load)
    return NeighbourSource(f"vectors of {name}", lambda photos: encode_photos(loaded(), photos, on_progress))


def frozen_source(folder: Path, on_progress: OnPhotos | None = None) -> NeighbourSource:
    """Pretrained features of whole photos (EfficientNet-Lite0, 1,280 wide), kept in ``folder``."""

    @cache
    def features() -> FeatureCache:
        from models.joint.towers import build_clip, lite_preprocess
        from models.training.features import FeatureCache

        clip = build_clip("tf_efficientnet_lite0", _SIDE)
        spec = lite_preprocess("squash", _SIDE)
        return FeatureCache(folder, clip, spec, on_progress, vision="tf_efficientnet_lite0")

    def encode(photos: Sequence[Path]) -> Float32Array:
        rows = features().image_features(photos, "whole").astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    return NeighbourSource("frozen features of EfficientNet-Lite0", encode)
