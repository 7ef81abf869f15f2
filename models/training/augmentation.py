"""Differentiable augmentation of what a discriminator sees (DiffAugment, Zhao et al. 2020): colours, shift, cover, and
mirroring. It is milder in colours than the paper's, since what is told of a dish tells much of its colours."""

from __future__ import annotations

import torch
from torch import Tensor

_SHIFT, _COVER = 1 / 8, 3 / 8
_BRIGHTNESS, _CONTRAST, _SATURATION = 0.2, 0.25, 0.5


def augmented(pictures: Tensor) -> Tensor:
    """Pictures (n, 3, h, w) in [-1, 1], each with other colours and moved; differentiable. Chance is torch's."""
    return moved(recoloured(pictures))


def recoloured(pictures: Tensor) -> Tensor:
    """Brightness, saturation and contrast of each changed by chance."""
    brightness, saturation, contrast = (
        (2 * torch.rand(len(pictures), 1, 1, 1, device=pictures.device) - 1) * most
        for most in (_BRIGHTNESS, _SATURATION, _CONTRAST)
    )
    grey = pictures.mean(1, keepdim=True)
    coloured = grey + (pictures - grey) * (1 + saturation)
    mean = coloured.mean((1, 2, 3), keepdim=True)
    out: Tensor = mean + (coloured - mean) * (1 + contrast) + brightness
    return out


def moved(pictures: Tensor) -> Tensor:
    """(n, c, h, w), each shifted by up to an eighth, half of them mirrored, half of them covered in a square of three
    eighths; what is not seen is 0."""
    n, _, rows, columns = pictures.shape
    device = pictures.device
    mirrored = torch.rand(n, device=device) < 0.5
    x = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
    limit = round(rows * _SHIFT)
    down, right = torch.randint(-limit, limit + 1, (2, n, 1), device=device)
    y_from = torch.arange(rows, device=device)[None] + down
    x_from = torch.arange(columns, device=device)[None] + right
    inside = ((y_from >= 0) & (y_from < rows))[:, :, None] & ((x_from >= 0) & (x_from < columns))[:, None]
    places = y_from.clamp(0, rows - 1)[:, :, None] * columns + x_from.clamp(0, columns - 1)[:, None]
    gathered = x.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
    seen: Tensor = gathered * (inside & ~_covered(n, rows, columns, device))[:, None]
    return seen.contiguous(memory_format=torch.channels_last)


def _covered(n: int, rows: int, columns: int, device: torch.device) -> Tensor:
    side = round(rows * _COVER)
    top, left = (torch.randint(1 - side, size, (n, 1), device=device) for size in (rows, columns))
    y, x = torch.arange(rows, device=device)[None], torch.arange(columns, device=device)[None]
    covered = ((y >= top) & (y < top + side))[:, :, None] & ((x >= left) & (x < left + side))[:, None]
    return covered & (torch.rand(n, device=device) < 0.5)[:, None, None]
