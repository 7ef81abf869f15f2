"""What a tagger has to beat: the tags' rates alone, and the tags of the nearest photos by frozen features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.tag_metrics import mean_average_precision
from models.joint.towers import Vision, build_clip, lite_preprocess
from models.photos import photo_digest
from models.training.features import FeatureCache
from models.types import Float32Array

NEIGHBOURS = (5, 10, 20, 40, 80, 160, 320)
_TOWER: Vision = "tf_efficientnet_lite0"
_SIDE = 224
_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """``probabilities`` float32 (photos, tags): the share of the ``k`` nearest training photos that have each tag;
    ``train_probabilities`` the same of each training photo by the others."""

    k: int
    probabilities: Float32Array
    train_probabilities: Float32Array


def knn_frozen_features(
    train: Sequence[Path],
    targets: NDArray[np.bool_],
    photos: Sequence[Path],
    cache: Path,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Neighbours:
    """kNN by cosine over the pretrained vision tower's features of whole photos (EfficientNet-Lite0, 1,280 wide).

    ``k`` is the one of :data:`NEIGHBOURS` with the best mean average precision over the training photos, each
    scored by the others (copies of it left out).

    Args:
        train: training photos, with their ``targets`` bool (n, tags).
        photos: those to score.
        cache: folder of cached features, see :class:`models.training.features.FeatureCache`.

    Raises:
        DataError: a photo can't be read.
    """
    clip = build_clip(_TOWER, _SIDE)
    features = FeatureCache(cache, clip, lite_preprocess("squash", _SIDE), on_progress, vision=_TOWER)
    known = _unit(features.image_features(train, "whole"))
    asked = _unit(features.image_features(photos, "whole"))
    files = np.unique([photo_digest(path) for path in train], return_inverse=True)[1]
    by_others = _votes(known, known, targets, excluded=files[:, None] == files[None, :])
    best = max(by_others, key=lambda k: mean_average_precision(targets, by_others[k]))
    return Neighbours(best, _votes(asked, known, targets)[best], by_others[best])


def _votes(
    asked: Float32Array, known: Float32Array, targets: NDArray[np.bool_], excluded: NDArray[np.bool_] | None = None
) -> dict[int, Float32Array]:
    """By k: the share of the k nearest that have each tag. ``excluded`` bool (asked, known) can't be neighbours."""
    sizes = [k for k in NEIGHBOURS if k <= len(known) - 1] or [1]
    votes = {k: np.empty((len(asked), targets.shape[1]), dtype=np.float32) for k in sizes}
    for start in range(0, len(asked), _ROWS):
        rows = slice(start, start + _ROWS)
        similarity = asked[rows] @ known.T
        if excluded is not None:
            similarity[excluded[rows]] = -np.inf
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : sizes[-1]]
        running = np.cumsum(targets[nearest], axis=1, dtype=np.int32)
        for k in sizes:
            votes[k][rows] = running[:, k - 1] / k
    return votes


def _unit(features: NDArray[np.float16]) -> Float32Array:
    rows = features.astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
