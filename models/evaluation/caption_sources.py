"""Vectors of photos to find nearest photos by: those of a joint encoder, or features of a frozen vision tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models.evaluation.caption_neighbours import NeighbourSource
from models.photos import encode_photos
from models.types import Float32Array, JointEncoder

_SIDE = 224


def encoder_source(
    encoder: JointEncoder, on_progress: Callable[[str, int, int], None] | None = None
) -> NeighbourSource:
    """Joint vectors; photos are encoded each time."""
    return NeighbourSource(
        f"vectors of {encoder.info.name}", lambda photos: encode_photos(encoder, photos, on_progress)
    )


def frozen_source(cache: Path, on_progress: Callable[[str, int, int], None] | None = None) -> NeighbourSource:
    """Pretrained features of whole photos (EfficientNet-Lite0, 1,280 wide), kept in the folder ``cache``."""
    from models.joint.towers import build_clip, lite_preprocess
    from models.training.features import FeatureCache

    clip = build_clip("tf_efficientnet_lite0", _SIDE)
    features = FeatureCache(cache, clip, lite_preprocess("squash", _SIDE), on_progress, vision="tf_efficientnet_lite0")

    def encode(photos: Sequence[Path]) -> Float32Array:
        rows = features.image_features(photos, "whole").astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    return NeighbourSource("frozen features of EfficientNet-Lite0", encode)
