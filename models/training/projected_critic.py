"""A discriminator that looks through a frozen classifier (Projected GAN, Sauer et al. 2021).

Pictures become maps of EfficientNet-Lite0 at four resolutions. Fixed random convolutions mix channels and resolutions
(section 3.2), so that no map can be fooled without the others. Small trained heads score the places of each mixed map,
by themselves and by their product with what was told (Miyato & Koyama 2018). A further head learns from real pairs
which picture belongs to which condition, for the generator to be taught by (Zhang et al. 2021, XMC-GAN).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from models.training.perceptual import FrozenStages

_SLOPE = 0.2
_EMBEDDING, _HIDDEN = 128, 512
_MIXING_SEED = 2021
#: Stages of lite0 at a quarter, an eighth, ... of the resolution, their channels, and how much these differ in photos.
_STAGES, _CHANNELS, _DEVIATIONS = (1, 2, 4, 6), (24, 40, 112, 320), (10.0, 9.0, 7.5, 3.7)
#: How often each mixed map is halved before it is scored, down to the places of the third.
_HALVINGS = (2, 1, 0, 0)
_DEEP = 2  # the last so many maps say what is shown


class ProjectionNetwork(FrozenStages):
    """The maps that the discriminator sees.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """

    def __init__(self) -> None:
        super().__init__(_STAGES[-1] + 1)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """float (n, 3, S, S) in [-1, 1] -> maps of deviation about 1: (n, 24, S / 4, S / 4), ..., (n, 320, S / 32,
        S / 32)."""
        found = [each for number, each in enumerate(self.maps(pictures)) if number in _STAGES]
        return [each / deviation for each, deviation in zip(found, _DEVIATIONS, strict=True)]


def mixed_widths(width: int) -> tuple[int, ...]:
    """Channels of the mixed maps: ``width`` at the two finest resolutions, twice and four times as many below."""
    return width, width, 2 * width, 4 * width


class FeatureMixing(nn.Module):
    """Random, fixed mixing of channels, and of each resolution with all coarser ones.

    Args:
        width: see :func:`mixed_widths`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = mixed_widths(width)
        pairs = list(zip(_CHANNELS, widths, strict=True))
        self.channels = nn.ModuleList(nn.Conv2d(given, mixed, 1, bias=False) for given, mixed in pairs)
        self.scales = nn.ModuleList(
            nn.Conv2d(coarse, fine, 3, padding=1, bias=False) for fine, coarse in pairwise(widths)
        )
        chance = torch.Generator().manual_seed(_MIXING_SEED)
        for parameter in self.parameters():
            fan_in = parameter[0].numel()
            nn.init.normal_(parameter, 0, 1 / math.sqrt(fan_in), generator=chance)
        self.requires_grad_(False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """What :class:`ProjectionNetwork` gives -> as many mixed maps of the same resolutions."""
        mixed: list[Tensor] = []
        for number in reversed(range(len(maps))):
            found = self.channels[number](maps[number])
            if mixed:
                coarser = functional.interpolate(self.scales[number](mixed[0]), size=found.shape[2:], mode="nearest")
                found = (found + coarser) / math.sqrt(2)
            mixed.insert(0, found)
        return mixed


class ProjectedCritic(nn.Module):
    """How real mixed maps look, by themselves or together with what was told.

    Args:
        width: see :func:`mixed_widths`.
        condition: width of the vectors that are told; None: nothing is.
    """

    def __init__(self, width: int, condition: int | None = None) -> None:
        super().__init__()
        self.told = None if condition is None else nn.Linear(condition, _EMBEDDING)
        pairs = list(zip(mixed_widths(width), _HALVINGS, strict=True))
        self.layers = nn.ModuleList(_layers(given, 4 * width, halvings) for given, halvings in pairs)
        self.heads = nn.ModuleList(_ScoringHead(4 * width, told=self.told is not None) for _ in pairs)

    def forward(self, mixed: Sequence[Tensor], condition: Tensor | None = None) -> list[Tensor]:
        """Mixed maps and (n, condition) -> for each map the scores (n, places); higher is more like a real pair."""
        return self.scores(self.features(mixed), condition)

    def features(self, mixed: Sequence[Tensor]) -> list[Tensor]:
        """Mixed maps -> what of them is scored, which doesn't depend on the condition."""
        return [layers(each) for layers, each in zip(self.layers, mixed, strict=True)]

    def scores(self, features: Sequence[Tensor], condition: Tensor | None = None) -> list[Tensor]:
        """Features and (n, condition) -> scores, as :meth:`forward` gives.

        Raises:
            ValueError: a condition is missing, or there is one that can't be told.
        """
        if (condition is None) != (self.told is None):
            raise ValueError("a condition is told to a critic that was made for one, and to no other")
        told = None if self.told is None else self.told(condition)
        return [head(each, told) for head, each in zip(self.heads, features, strict=True)]


def _layers(channels: int, width: int, halvings: int) -> nn.Sequential:
    """Convolutions that halve a map so many times, or one that doesn't, up to ``width`` channels."""
    layers: list[nn.Module] = []
    for left in reversed(range(halvings)):
        wider = width >> left
        layers += [spectral_norm(nn.Conv2d(channels, wider, 4, stride=2, padding=1)), nn.LeakyReLU(_SLOPE)]
        channels = wider
    return nn.Sequential(*(layers or [spectral_norm(nn.Conv2d(channels, width, 3, padding=1)), nn.LeakyReLU(_SLOPE)]))


class _ScoringHead(nn.Module):
    def __init__(self, width: int, *, told: bool) -> None:
        super().__init__()
        self.own = spectral_norm(nn.Conv2d(width, 1, 1))
        self.told = nn.Linear(_EMBEDDING, width) if told else None

    def forward(self, features: Tensor, told: Tensor | None) -> Tensor:
        out: Tensor = self.own(features).squeeze(1)
        if self.told is not None:
            out = out + (features * self.told(told)[:, :, None, None]).sum(1) / math.sqrt(features.shape[1])
        return out.flatten(1)


class MatchingHead(nn.Module):
    """Which picture belongs to which condition, by the coarse maps."""

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(sum(_CHANNELS[-_DEEP:]), _HIDDEN), nn.LeakyReLU(_SLOPE), nn.Linear(_HIDDEN, condition)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """What :class:`ProjectionNetwork` gives -> (n, condition), to be compared by cosine."""
        pooled = torch.cat([each.mean((2, 3)) for each in maps[-_DEEP:]], 1)
        out: Tensor = self.layers(pooled)
        return out
