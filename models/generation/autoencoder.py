"""A small autoencoder: pictures of 128 pixels as 16 x 16 latents, in which generators draw.

Convolutions without norms and with plain rectifiers, as in distilled autoencoders of diffusion models (TAESD): on a
CPU a norm or a smooth activation costs as much as a convolution of these widths.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Pixels to a latent, along each side.
STRIDE = 8
_BOUND = 3.0
_UNSHUFFLE = 4


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Shape of the autoencoder.

    Attributes:
        size: side of the pictures in pixels, a multiple of 8.
        channels: of the latents.
        encoder: channels at an eighth of the resolution; at a quarter it is half of that.
        decoder: channels at an eighth, a quarter and half of the resolution.
        blocks: residual blocks of the decoder at each of them.

    Raises:
        ValueError: a value is out of its range.
    """

    size: int = 128
    channels: int = 8
    encoder: int = 64
    decoder: tuple[int, int, int] = (128, 64, 32)
    blocks: tuple[int, int, int] = (2, 1, 1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoder", tuple(self.decoder))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if self.size < STRIDE or self.size % STRIDE:
            raise ValueError(f"size must be a positive multiple of {STRIDE}, not {self.size}")
        if {len(self.decoder), len(self.blocks)} != {3}:
            raise ValueError("decoder and blocks must have three numbers each")
        if self.encoder < 2 or self.encoder % 2:
            raise ValueError(f"encoder must be an even number of channels, not {self.encoder}")

    @property
    def grid(self) -> int:
        """Rows and columns of the latents."""
        return self.size // STRIDE


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(functional.relu(self.first(functional.relu(x))))
        return out


class PictureAutoencoder(nn.Module):
    """Pictures <-> latents whose channels have mean 0 and variance 1 over the training photos.

    The statistics are buffers (``mean``, ``std``), measured when training ends.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        half = config.encoder // 2
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(_UNSHUFFLE),
            nn.Conv2d(3 * _UNSHUFFLE**2, half, 3, padding=1),
            ResidualBlock(half),
            nn.ReLU(),
            nn.Conv2d(half, config.encoder, 3, stride=2, padding=1),
            ResidualBlock(config.encoder),
            nn.ReLU(),
            nn.Conv2d(config.encoder, config.channels, 3, padding=1),
        )
        self.decoder = _decoder(config)
        _begin(self)
        self.register_buffer("mean", torch.zeros(config.channels))
        self.register_buffer("std", torch.ones(config.channels))

    @property
    def last_weight(self) -> Tensor:
        """Of the convolution that makes the pixels."""
        weights = [layer.weight for layer in self.decoder if isinstance(layer, nn.Conv2d)]
        return weights[-1]

    def bounded(self, pictures: Tensor) -> Tensor:
        """float (n, 3, S, S) in [-1, 1] -> latents within (-3, 3), (n, channels, S / 8, S / 8), not normalised."""
        return _BOUND * torch.tanh(self.encoder(pictures) / _BOUND)

    def paint(self, latents: Tensor) -> Tensor:
        """What :meth:`bounded` gave -> pictures, about [-1, 1]. Any grid is taken."""
        out: Tensor = self.decoder(latents)
        return out

    def encode(self, pictures: Tensor) -> Tensor:
        """float (n, 3, S, S) in [-1, 1] -> normalised latents (n, channels, S / 8, S / 8)."""
        return (self.bounded(pictures).float() - self.mean[:, None, None]) / self.std[:, None, None]

    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents -> float pictures (n, 3, S, S), about [-1, 1].

        Latents are held to the range that the encoder can give: outside of it the decoder has learned nothing.
        """
        bounded = (latents * self.std[:, None, None] + self.mean[:, None, None]).clamp(-_BOUND, _BOUND)
        return self.paint(bounded.to(memory_format=torch.channels_last))

    def forward(self, pictures: Tensor) -> Tensor:
        """There and back."""
        return self.decode(self.encode(pictures))


def _begin(network: nn.Module) -> None:
    """Weights that keep the variance of what goes through them (He et al. 2015), since no norm does; residual blocks
    begin as the identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.second.weight)


def from_pixels(pixels: Tensor) -> Tensor:
    """uint8 (n, S, S, 3) -> float (n, 3, S, S) in [-1, 1], channels last in memory."""
    return (pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(pictures: Tensor) -> Tensor:
    """float (n, 3, S, S) -> uint8 (n, S, S, 3), rounded and held to the range."""
    return ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _decoder(config: AutoencoderConfig) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(config.channels, config.decoder[0], 3, padding=1)]
    following = (*config.decoder[1:], None)
    for width, wider, blocks in zip(config.decoder, following, config.blocks, strict=True):
        layers += [ResidualBlock(width) for _ in range(blocks)]
        layers.append(nn.ReLU())
        if wider is None:
            layers += [nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2)]
        else:
            layers += [nn.Conv2d(width, wider, 3, padding=1), nn.Upsample(scale_factor=2, mode="nearest")]
    return nn.Sequential(*layers)
