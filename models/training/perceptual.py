"""What a pretrained network sees in pictures: a distance between them, features to follow a training by, and features
to learn."""

from __future__ import annotations

from collections.abc import Iterator

import timm
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn import functional

from models.backbones import VISION_FILES, load_vision

_VISION = "tf_efficientnet_lite0"
#: Stages of lite0 that are compared: at a quarter, an eighth and a sixteenth of the resolution.
_STAGES = (1, 2, 4)
_ALL_STAGES = 7
_SMALL = 1e-6


class FrozenStages(nn.Module):
    """The stem and the first stages of EfficientNet-Lite0 with ImageNet's weights, frozen; its batch norms are folded
    into the convolutions before them, which halves the time on a CPU.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    def __init__(self, stages: int) -> None:
        super().__init__()
        trunk = timm.create_model(_VISION, pretrained=False, num_classes=0)
        load_vision(trunk, _VISION)
        self.stem = nn.Sequential(trunk.conv_stem, trunk.bn1)
        self.stages = nn.ModuleList(list(trunk.blocks)[:stages])
        fold_batch_norms(self)
        self.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def maps(self, pictures: Tensor) -> Iterator[Tensor]:
        """float (n, 3, S, S) in [-1, 1] -> the map of each stage."""
        x = self.stem(pictures)
        for stage in self.stages:
            x = stage(x)
            yield x


class SemanticNetwork(FrozenStages):
    """All stages of EfficientNet-Lite0: what is where in a picture, coarsely.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    #: Of the features, and pixels to one of their places along each side.
    CHANNELS, STRIDE = 320, 32
    #: Of the file that decides them.
    DIGEST = VISION_FILES[_VISION].sha256

    def __init__(self) -> None:
        super().__init__(_ALL_STAGES)

    def forward(self, pictures: Tensor) -> Tensor:
        """float (n, 3, S, S) in [-1, 1] -> float32 (n, 320, S / 32, S / 32): the last block's output."""
        *_, last = self.maps(pictures)
        return last.float()


class PerceptualNetwork(FrozenStages):
    """A distance of pictures by the first stages of EfficientNet-Lite0.

    It is that of LPIPS (Zhang et al. 2018) without learned weights: features of unit length at each place,
    squared differences summed over channels and averaged over places, stages added.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    def __init__(self) -> None:
        super().__init__(_STAGES[-1] + 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """float (n, 3, S, S) in [-1, 1] -> a map of each compared stage."""
        return [found for number, found in enumerate(self.maps(pictures)) if number in _STAGES]

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


@torch.no_grad()
def fold_batch_norms(network: nn.Module) -> None:
    """Make each batch norm that follows a convolution part of it, in place; what the network computes in evaluation
    stays the same within rounding. Activations that timm's norms bring along remain."""
    before: nn.Module | None = None
    for name, module in list(network.named_children()):
        if isinstance(module, BatchNormAct2d) and isinstance(before, nn.Conv2d):
            mean, variance = module.get_buffer("running_mean"), module.get_buffer("running_var")
            scale = module.weight / (variance + module.eps).sqrt()
            before.weight.mul_(scale[:, None, None, None])
            bias = torch.zeros_like(mean) if before.bias is None else before.bias
            before.bias = nn.Parameter(module.bias + (bias - mean) * scale)
            setattr(network, name, module.act)
        else:
            fold_batch_norms(module)
        before = module


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=1, eps=_SMALL)
