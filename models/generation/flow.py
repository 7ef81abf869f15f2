"""Pictures by a flow: latents that a network moves, step by step, from noise to a picture of what it is told.

Conditional flow matching on straight paths (Lipman et al. 2023; Liu et al. 2023) with classifier-free guidance (Ho &
Salimans 2022). The network is a small U-Net over 16 x 16 latents whose norms are scaled and shifted by time and
condition (Dhariwal & Nichol 2021); most of its weights are at 4 x 4, where they cost little.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

Solver: TypeAlias = Literal["euler", "heun"]
_TIME_FEATURES, _TIME_SCALE = 64, 100.0
_CHANNELS_PER_GROUP = 16


@dataclass(frozen=True, slots=True)
class FlowConfig:
    """Shape of the network.

    Attributes:
        channels, grid: of the latents.
        condition: width of the vectors that it is told.
        widths: channels at the grid, at half and at a quarter of it, ..., each a multiple of 16.
        blocks: residual blocks at each of them, on the way down and on the way up.
        attention: whether there is self-attention behind the blocks of each.
        embedding: width of what time and condition become.

    Raises:
        ValueError: the values don't fit each other.
    """

    channels: int = 8
    grid: int = 16
    condition: int = 512
    widths: tuple[int, ...] = (48, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 2)
    attention: tuple[bool, ...] = (False, True, True)
    embedding: int = 256

    def __post_init__(self) -> None:
        for name in ("widths", "blocks", "attention"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.widths) == len(self.blocks) == len(self.attention) > 0:
            raise ValueError("widths, blocks and attention must have equally many entries")
        if any(width % _CHANNELS_PER_GROUP for width in self.widths):
            raise ValueError(f"widths must be multiples of {_CHANNELS_PER_GROUP}, not {self.widths}")
        if self.grid % 2 ** (len(self.widths) - 1):
            raise ValueError(f"a grid of {self.grid} can't be halved {len(self.widths) - 1} times")


@dataclass(frozen=True, slots=True)
class FlowSampling:
    """How latents are drawn.

    Attributes:
        steps: of the solver, which sees the network once (``euler``) or twice (``heun``) in each.
        guidance: how far what the network says with the condition is carried on past what it says without (or with
            the negative one); 1: not at all.

    Raises:
        ValueError: a value is out of its range.
    """

    steps: int = 20
    guidance: float = 2.5
    solver: Solver = "euler"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.guidance < 0 or self.solver not in ("euler", "heun"):
            raise ValueError("steps must be at least 1, guidance at least 0, and solver euler or heun")


class LatentFlow(nn.Module):
    """The velocity of latents at a time between 0 (noise) and 1 (pictures)."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.no_condition = nn.Parameter(torch.zeros(config.condition))
        self.time = nn.Linear(_TIME_FEATURES, config.embedding)
        self.told = nn.Sequential(
            nn.Linear(config.condition, config.embedding), nn.SiLU(), nn.Linear(config.embedding, config.embedding)
        )
        self.mix = nn.Linear(config.embedding, config.embedding)
        widths, levels = config.widths, range(len(config.widths))
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_level(config, level, widths[level]) for level in levels)
        self.shrink = nn.ModuleList(
            nn.Conv2d(width, wider, 3, stride=2, padding=1) for width, wider in pairwise(widths)
        )
        self.grow = nn.ModuleList(nn.Conv2d(wider, width, 1) for width, wider in pairwise(widths))
        self.up = nn.ModuleList(_level(config, level, 2 * widths[level]) for level in levels[:-1])
        self.norm = nn.GroupNorm(widths[0] // _CHANNELS_PER_GROUP, widths[0])
        self.out = nn.Conv2d(widths[0], config.channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Of the noise of one picture."""
        return self.config.channels, self.config.grid, self.config.grid

    def forward(self, latents: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Velocity, (n, channels, grid, grid).

        Args:
            latents: (n, channels, grid, grid).
            time: (n,), from 0 to 1.
            condition: (n, condition), of norm sqrt(condition); :attr:`no_condition` where nothing is told.
        """
        return self.with_features(latents, time, condition)[0]

    def with_features(self, latents: Tensor, time: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """What :meth:`forward` gives, and what the network makes of its input at its lowest resolution, before it goes
        up again: (n, last width, h, w)."""
        embedding = functional.silu(self.time(_time_features(time)) + self.told(condition))
        embedding = functional.silu(self.mix(embedding))
        x, kept = self.stem(latents.contiguous(memory_format=torch.channels_last)), []
        for number, level in enumerate(self.down):
            x = level(x, embedding)
            if number < len(self.shrink):
                kept.append(x)
                x = self.shrink[number](x)
        features = x
        for number in reversed(range(len(self.up))):
            x = functional.interpolate(self.grow[number](x), scale_factor=2.0, mode="nearest")
            x = self.up[number](torch.cat([x, kept[number]], 1), embedding)
        return self.out(functional.silu(self.norm(x))), features

    def draw(self, noise: Tensor, condition: Tensor, negative: Tensor | None, sampling: FlowSampling) -> Tensor:
        """Latents (n, channels, grid, grid) from noise of that shape.

        Args:
            condition: (n, condition).
            negative: (n, condition), what to move away from; None: what is drawn without a condition.
        """
        if sampling.guidance == 1 and negative is None:
            return integrate(lambda x, time: self(x, time, condition), noise, sampling)
        other = self.no_condition.expand_as(condition) if negative is None else negative
        both = torch.cat([condition, other])

        def velocity(x: Tensor, time: Tensor) -> Tensor:
            with_it, without = self(torch.cat([x, x]), torch.cat([time, time]), both).chunk(2)
            moved: Tensor = without + sampling.guidance * (with_it - without)
            return moved

        return integrate(velocity, noise, sampling)


def integrate(velocity: Callable[[Tensor, Tensor], Tensor], noise: Tensor, sampling: FlowSampling) -> Tensor:
    """Follow the velocity from time 0 to 1 in equal steps."""
    x, width = noise, 1 / sampling.steps
    for step in range(sampling.steps):
        time = noise.new_full((len(noise),), step * width)
        first = velocity(x, time)
        ahead = x + width * first
        last = step == sampling.steps - 1
        # The last step of Heun's method would look at time 1, which training hardly sees.
        x = ahead if sampling.solver == "euler" or last else x + width / 2 * (first + velocity(ahead, time + width))
    return x


class FlowBlock(nn.Module):
    """A residual block of two convolutions; the embedding scales and shifts what the second norm gives."""

    def __init__(self, channels: int, width: int, embedding: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(channels // _CHANNELS_PER_GROUP, channels)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.second_norm = nn.GroupNorm(width // _CHANNELS_PER_GROUP, width, affine=False)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * width)
        self.skip = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(n, channels, h, w), (n, embedding) -> (n, width, h, w)."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)
        inner = self.first(functional.silu(self.first_norm(x)))
        inner = self.second(functional.silu(self.second_norm(inner) * (1 + scale) + shift))
        out: Tensor = self.skip(x) + inner
        return out


class GridAttention(nn.Module):
    """Self-attention over the places of a map, beside the identity."""

    def __init__(self, width: int, head: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm = nn.GroupNorm(width // _CHANNELS_PER_GROUP, width)
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        nn.init.zeros_(self.outward.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) -> the same shape."""
        n, width, rows, columns = x.shape
        places = self.norm(x).flatten(2).transpose(1, 2)
        query, key, value = self.inward(places).view(n, rows * columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        out: Tensor = x + self.outward(seen).transpose(1, 2).reshape(n, width, rows, columns)
        return out


class _Level(nn.Module):
    def __init__(self, blocks: list[FlowBlock], attention: GridAttention | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = attention

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, embedding)
        return x if self.attention is None else self.attention(x)


def _level(config: FlowConfig, level: int, channels: int) -> _Level:
    """The blocks at one resolution; the first one takes ``channels``."""
    width = config.widths[level]
    inputs = [channels, *[width] * (config.blocks[level] - 1)]
    blocks = [FlowBlock(each, width, config.embedding) for each in inputs]
    return _Level(blocks, GridAttention(width) if config.attention[level] else None)


def _time_features(time: Tensor) -> Tensor:
    """(n,) -> (n, 64): sines and cosines of a geometric row of frequencies."""
    half = _TIME_FEATURES // 2
    frequencies = torch.exp(-math.log(_TIME_SCALE) * torch.arange(half, device=time.device) / half) * _TIME_SCALE
    angles = time.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)
