"""Retrieval on the validation split during training, from cached features (the published numbers come from
:mod:`models.evaluation.retrieval`, which runs the whole encoder)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from models.data import RecipeExample
from models.joint.lines import LineKind
from models.joint.lite import JointHeads
from models.metrics import ranks, retrieval_metrics
from models.training.dataset import LineTable
from models.training.features import FeatureCache
from models.training.photos import whole_photos
from models.types import ImagePreprocess, UInt8Array

_BATCH = 50
_LIMIT = 1000  # recalls of larger galleries are not comparable, and take long


class Validation:
    """Photo <-> whole recipe over at most the first 1,000 examples."""

    def __init__(self, examples: Sequence[RecipeExample], cache: FeatureCache, *, images: bool = True) -> None:
        """``images``: whether photos are measured by their cached features, or by those that are given each time."""
        chosen = examples[:_LIMIT]
        self._photos = [example.image for example in chosen if example.image]
        self._images = (
            torch.from_numpy(cache.image_features(self._photos, "whole").astype(np.float32)) if images else None
        )
        table = LineTable.build(chosen, cache)
        kinds = (LineKind.TITLE, LineKind.INGREDIENT, LineKind.INSTRUCTION)
        self._lines, self._kinds = table.gather([table.rows(i, kinds) for i in range(len(table))])

    def pixels(self, spec: ImagePreprocess) -> Iterator[UInt8Array]:
        """The photos in batches, uint8 (n, size, size, 3)."""
        for start in range(0, len(self._photos), _BATCH):
            yield whole_photos(self._photos[start : start + _BATCH], spec)

    @torch.inference_mode()
    def measure(self, heads: JointHeads, images: Tensor | None = None) -> dict[str, float]:
        """medR and recalls (percent) of both directions; ``score`` is the sum of recalls, by which one chooses.

        ``images``: features of the photos, float (n, 1280); needed where they are not cached.
        """
        device = heads.log_scale.device
        features = self._images if images is None else images
        if features is None:
            raise ValueError("photos without cached features must be given to be measured")
        image = heads.embed_images(features.to(device)).cpu().numpy()
        recipe = np.concatenate(
            [
                heads.embed_recipes(lines.to(device), kinds.to(device)).cpu().numpy()
                for lines, kinds in zip(torch.split(self._lines, 250), torch.split(self._kinds, 250), strict=True)
            ]
        )
        out = {"score": 0.0}
        for name, left, right in (("i2r", image, recipe), ("r2i", recipe, image)):
            result = retrieval_metrics(ranks(left, right))
            out |= {f"{name}_medr": result.medr, f"{name}_r1": result.r1, f"{name}_r5": result.r5}
            out[f"{name}_r10"] = result.r10
            out["score"] += result.r1 + result.r5 + result.r10
        out["score"] = round(out["score"], 6)
        return out
