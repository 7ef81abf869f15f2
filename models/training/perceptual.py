"""How alike two pictures look to a pretrained network: a loss, and features to follow a training by."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbones import load_vision

_VISION = "tf_efficientnet_lite0"
#: Stages of lite0 that are compared: at a quarter, an eighth and a sixteenth of the resolution.
_STAGES = (1, 2, 4)
_SMALL = 1e-6


class PerceptualNetwork(nn.Module):
    """The first stages of EfficientNet-Lite0 with ImageNet's weights, frozen.

    The distance is that of LPIPS (Zhang et al. 2018) without learned weights: features of unit length at each place,
    squared differences summed over channels and averaged over places, stages added.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    def __init__(self) -> None:
        super().__init__()
        trunk = timm.create_model(_VISION, pretrained=False, num_classes=0)
        load_vision(trunk, _VISION)
        self.stem = nn.Sequential(trunk.conv_stem, trunk.bn1)
        self.stages = nn.ModuleList(list(trunk.blocks)[: _STAGES[-1] + 1])
        self.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """float (n, 3, S, S) in [-1, 1] -> a map of each compared stage."""
        x, found = self.stem(pictures), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in _STAGES:
                found.append(x)
        return found

    def pooled(self, pictures: Tensor) -> Tensor:
        """float (n, 3, S, S) in [-1, 1] -> float32 (n, 112): the last compared stage, averaged over places."""
        return self.features(pictures)[-1].float().mean((2, 3))

    def forward(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """The mean distance of pictures to targets, both (n, 3, S, S) in [-1, 1]; gradients flow to ``pictures``."""
        with torch.no_grad():
            wanted = self.features(targets)
        total = pictures.new_zeros((), dtype=torch.float32)
        for found, goal in zip(self.features(pictures), wanted, strict=True):
            total = total + (_unit(found) - _unit(goal)).square().sum(1).mean()
        return total


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=1, eps=_SMALL)
