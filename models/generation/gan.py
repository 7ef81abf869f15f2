"""Pictures by a generative adversarial network: latents in one pass from noise and what it is told.

The generator has noise and condition in every affine block (DF-GAN, Tao et al. 2022, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2


@dataclass(frozen=True, slots=True)
class GanConfig:
    """Shape of the generator, and the width of the discriminator that it is trained against.

    Attributes:
        channels, grid: of the latents.
        condition: width of the vectors that it is told.
        noise: numbers of noise for a picture.
        embedding: width of what the condition becomes.
        widths: channels at the smallest resolution, at twice that, ..., at the grid.
        critic: channels of the mixed maps of the discriminator (see :mod:`models.training.projected_critic`).

    Raises:
        ValueError: the values don't fit each other.
    """

    channels: int = 8
    grid: int = 16
    condition: int = 512
    noise: int = 64
    embedding: int = 128
    widths: tuple[int, ...] = (256, 160, 96)
    critic: int = 48

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.critic < 1:
            raise ValueError(f"critic must be a positive number of channels, not {self.critic}")
        if not self.widths or self.grid % 2 ** (len(self.widths) - 1):
            raise ValueError(f"a grid of {self.grid} can't be reached by doubling {len(self.widths) - 1} times")

    @property
    def first_grid(self) -> int:
        """Rows and columns that the generator begins with."""
        return self.grid >> (len(self.widths) - 1)


class LatentGenerator(nn.Module):
    """Noise and condition -> latents."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        self.config = config
        widths, style = config.widths, config.noise + config.embedding
        self.told = nn.Linear(config.condition, config.embedding)
        self.first = nn.Linear(config.noise, widths[0] * config.first_grid**2)
        self.blocks = nn.ModuleList(
            GeneratorBlock(narrow, wide, style) for narrow, wide in pairwise((widths[0], *widths))
        )
        self.out = nn.Conv2d(widths[-1], config.channels, 3, padding=1)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Of the noise of one picture."""
        return (self.config.noise,)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """(n, noise), (n, condition) -> latents (n, channels, grid, grid)."""
        side = self.config.first_grid
        style = torch.cat([noise, self.told(condition)], 1)
        x = self.first(noise).view(len(noise), -1, side, side).contiguous(memory_format=torch.channels_last)
        for number, block in enumerate(self.blocks):
            if number:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, style)
        out: Tensor = self.out(functional.leaky_relu(x, _SLOPE))
        return out


class GeneratorBlock(nn.Module):
    """Two convolutions beside the identity, before each two affine transformations that the style decides."""

    def __init__(self, channels: int, width: int, style: int) -> None:
        super().__init__()
        self.affines = nn.ModuleList(StyleAffine(each, style) for each in (channels, channels, width, width))
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.skip = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, channels, h, w), (n, style) -> (n, width, h, w)."""
        inner = x
        for number, convolution in enumerate((self.first, self.second)):
            for affine in self.affines[2 * number : 2 * number + 2]:
                inner = functional.leaky_relu(affine(inner, style), _SLOPE)
            inner = convolution(inner)
        out: Tensor = self.skip(x) + self.share * inner
        return out


class StyleAffine(nn.Module):
    """A scale and a shift for each channel, both perceptrons over the style; the identity when training begins."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        last = nn.Linear(style // 2, 2 * channels)
        nn.init.normal_(last.weight, std=0.02)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(style, style // 2), nn.ReLU(), last)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, channels, h, w), (n, style) -> the same shape."""
        scale, shift = self.layers(style)[:, :, None, None].chunk(2, 1)
        out: Tensor = x * (1 + scale) + shift
        return out
