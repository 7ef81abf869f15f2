"""What a training starts from: nothing, or the weights of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from open_clip.model import CustomTextCLIP
from torch import Tensor

from models.captioning.vision import MapStage, MapTower, VisionConfig, tensors_digest
from models.checkpoint import load_checkpoint
from models.joint.lite import JointHeads, LiteConfig
from models.joint.towers import build_clip
from models.types import EncoderUnavailableError

TRUNK = "clip.visual.trunk."
_HEADS = "heads."


@dataclass(frozen=True, slots=True)
class Start:
    """The shape, and trained tensors by their names within heads and vision trunk.

    ``training`` is what the earlier manifest says about its own training.
    """

    shape: LiteConfig
    heads: Mapping[str, Tensor] = field(default_factory=dict)
    trunk: Mapping[str, Tensor] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, init: Path | None, shape: LiteConfig) -> Self:
        """From a folder of weights, whose shape then counts, or from ``shape`` alone.

        Raises:
            EncoderUnavailableError: the folder's files are missing or changed.
        """
        if init is None:
            return cls(shape)
        manifest, tensors = load_checkpoint(init)
        heads, trunk = (
            {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            for prefix in (_HEADS, TRUNK)
        )
        return cls(manifest.config, heads, trunk, manifest.training)

    def build_clip(self) -> CustomTextCLIP:
        """The towers, pretrained, with the tuned tensors on top.

        Raises:
            EncoderUnavailableError: a backbone's package is missing or changed, or a tensor does not fit it.
        """
        clip = build_clip(self.shape.vision, self.shape.image_size)
        try:
            unknown = clip.visual.trunk.load_state_dict(dict(self.trunk), strict=False).unexpected_keys
        except RuntimeError as error:  # another shape
            raise EncoderUnavailableError(
                f"the weights to start from don't fit {self.shape.vision}: {error}"
            ) from error
        if unknown:
            raise EncoderUnavailableError(f"the weights to start from have {unknown}, which {self.shape.vision} lacks")
        return clip

    def map_tower(self, stage: MapStage, image_size: int | None, device: torch.device) -> MapTower:
        """The vision tower before pooling, with the tuned tensors on top, for photos of its own size if none is given.

        Raises:
            EncoderUnavailableError: the backbone's package is missing or changed.
            ValueError: a tensor does not fit it.
        """
        shape = self.shape
        config = VisionConfig(shape.vision, stage, image_size or shape.image_size, shape.resize_mode)
        return MapTower(config, self.trunk).to(device)

    def build_heads(self, dropout: float) -> JointHeads:
        """Heads with the trained tensors, or with random ones of torch's generator.

        Raises:
            EncoderUnavailableError: the tensors don't fit the shape.
        """
        heads = JointHeads(self.shape, dropout=dropout)
        if self.heads:
            try:
                heads.load_state_dict(dict(self.heads))
            except RuntimeError as error:
                raise EncoderUnavailableError(f"the heads to start from don't fit their shape: {error}") from error
        return heads

    @property
    def tuned(self) -> str:
        """A digest of the tuned tensors; empty where the vision tower is the pretrained one."""
        return tensors_digest(self.trunk)


def exported(heads: Mapping[str, Tensor], trunk: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their names in :class:`models.joint.lite.LiteModel`."""
    return {f"{_HEADS}{k}": v for k, v in heads.items()} | {f"{TRUNK}{k}": v for k, v in trunk.items()}
