"""The frozen vision tower, looked at before pooling: a grid of features in place of one vector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, get_args

import timm
import torch
from torch import Tensor, nn

from models.backbones import VISION_FILES, load_vision
from models.joint.towers import (
    PHOTOS_PER_BATCH,
    PHOTOS_PER_BATCH_ON_CPU,
    Vision,
    lite_preprocess,
    normalise_pixels,
)
from models.types import Float32Array, ImagePreprocess, ResizeMode, UInt8Array
from models.weight_folder import WeightFolder

MapStage: TypeAlias = Literal["head", "stages"]
MAP_STAGES: tuple[MapStage, ...] = get_args(MapStage)
_STRIDE = 32


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """Which feature map a captioner looks at.

    Attributes:
        vision: the tower.
        stage: ``stages``: what the last residual stage gives (320 channels in lite0, 352 in lite2); ``head``: what
            the last convolution makes of it (1280), which pooling would average.
        image_size: side of the square of pixels; the grid has a location for each 32 pixels, rounded up.
        resize_mode: how a photo becomes that square.
    """

    vision: Vision = "tf_efficientnet_lite0"
    stage: MapStage = "head"
    image_size: int = 224
    resize_mode: ResizeMode = "squash"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """As a manifest has it. Raises ValueError or TypeError where there is no such map."""
        vision = cls(**record)
        if vision.vision not in VISION_FILES or vision.stage not in MAP_STAGES:
            raise ValueError(f"no map is called {vision.vision!r}, {vision.stage!r}")
        return vision

    @property
    def backbones(self) -> dict[str, str]:
        """The sha256 of what the map stands on, by the tower's name."""
        return {self.vision: VISION_FILES[self.vision].sha256}

    @property
    def preprocess(self) -> ImagePreprocess:
        """How a photo becomes pixels."""
        return lite_preprocess(self.resize_mode, self.image_size)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the map: timm pads as TensorFlow does, so that sides are rounded up."""
        side = -(-self.image_size // _STRIDE)
        return side, side


class MapTower(nn.Module):
    """A pretrained EfficientNet-Lite without pooling, in evaluation mode and frozen.

    It has two parts, so that training can keep the narrow map of the last stage on disk, a quarter of the wide one,
    and make the wide one when it is needed.

    Args:
        config: the tower and its map.
        tuned: tensors that replace pretrained ones, by their names in timm's network.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
        ValueError: a tuned tensor has no place in the tower.
    """

    def __init__(self, config: VisionConfig, tuned: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.config = config
        trunk = timm.create_model(config.vision, pretrained=False, num_classes=0)
        load_vision(trunk, config.vision)
        try:
            unexpected = trunk.load_state_dict(dict(tuned or {}), strict=False).unexpected_keys
        except RuntimeError as error:
            raise ValueError(f"the tuned tensors don't fit {config.vision}: {error}") from error
        if unexpected:
            raise ValueError(f"{config.vision} has no tensors named {', '.join(sorted(unexpected))}")
        self.trunk = trunk.to(memory_format=torch.channels_last)
        self.stage_width: int = trunk.conv_head.in_channels
        self.width: int = self.stage_width if config.stage == "stages" else trunk.conv_head.out_channels
        self.eval().requires_grad_(False)

    def stages(self, pixels: Tensor) -> Tensor:
        """Normalised float (n, 3, size, size) -> (n, locations, stage width), locations row by row."""
        x = self.trunk.bn1(self.trunk.conv_stem(pixels))
        return _rows(self.trunk.blocks(x))

    def finish(self, stages: Tensor) -> Tensor:
        """What :meth:`stages` gave -> the map that is asked for, (n, locations, width)."""
        if self.config.stage == "stages":
            return stages
        # A location is a picture of one pixel to a convolution of 1 x 1, however the grid is laid out.
        columns = stages.transpose(1, 2).unsqueeze(-1)
        return _rows(self.trunk.bn2(self.trunk.conv_head(columns)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised float (n, 3, size, size) -> (n, locations, width)."""
        return self.finish(self.stages(pixels))

    @torch.inference_mode()
    def maps(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3), n > 0 -> float32 (n, locations, width), in batches that fit the device."""
        device = self.trunk.conv_stem.weight.device
        most = PHOTOS_PER_BATCH_ON_CPU if device.type == "cpu" else PHOTOS_PER_BATCH
        parts = [
            self(normalise_pixels(pixels[start : start + most], self.config.preprocess, device)).float().cpu()
            for start in range(0, len(pixels), most)
        ]
        maps: Float32Array = torch.cat(parts).numpy()
        return maps


def rounded_digest(tensors: Mapping[str, Tensor]) -> str:
    """:func:`tensors_digest` of the tensors as they are read again from float16."""
    return tensors_digest({name: tensor.detach().cpu().half().float() for name, tensor in tensors.items()})


def check_tower(folder: WeightFolder, tower: Mapping[str, Tensor], expected: str) -> None:
    """Refuse a folder whose tuned tensors are not those that its manifest names by their digest."""
    found = tensors_digest(tower)
    if found != expected:
        raise folder.error(
            f"the {folder.noun} in {folder.path} needs the tuned vision tower {expected or '(none)'}, "
            f"its weights hold {found or '(none)'}; {folder.remedy}"
        )


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """A digest of tuned tensors (12 hex digits); empty where there are none."""
    if not tensors:
        return ""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _rows(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)
