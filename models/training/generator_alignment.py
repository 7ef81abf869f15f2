"""Alignment of a flow's inner features with those of a pretrained network.

A flow spends much of its training on learning what is where in a photo. Representation alignment (REPA, Yu et al. 2025,
section 3) tells it: what the network makes of noisy latents at its lowest resolution must predict, through a small
head, what a frozen classifier sees at the same places of the photo without noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generation.autoencoder import STRIDE, from_pixels
from models.generation.flow import FlowConfig
from models.generation.types import GeneratorUnavailableError
from models.training.generator_views import Float16Array, reporting, view_arrays
from models.training.perceptual import SemanticNetwork
from models.training.picture_data import OnPictures, PictureTable
from models.types import UInt8Array

_SMALL, _PART = 1e-6, 512


class AlignmentHead(nn.Module):
    """From inner features of ``width`` channels to predictions of ``channels``, each place by itself."""

    def __init__(self, width: int, channels: int = SemanticNetwork.CHANNELS) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, channels))

    def forward(self, features: Tensor) -> Tensor:
        """(n, width, h, w) -> (n, channels, h, w)."""
        found: Tensor = self.layers(features.movedim(1, -1))
        return found.movedim(-1, 1)


def alignment_loss(found: Tensor, targets: Tensor) -> Tensor:
    """1 less the cosine of predictions and targets, both (n, channels, h, w), averaged over places and pictures."""
    return 1 - functional.cosine_similarity(found.float(), targets.float(), dim=1).mean()


def check_alignable(config: FlowConfig) -> None:
    """Raises GeneratorUnavailableError where the network's lowest resolution is not that of the targets."""
    stride = STRIDE * 2 ** (len(config.widths) - 1)
    if stride != SemanticNetwork.STRIDE:
        raise GeneratorUnavailableError(
            f"a flow of {len(config.widths)} widths can't be aligned: at its lowest resolution a place is {stride} "
            f"pixels wide, in what it would learn {SemanticNetwork.STRIDE}; use three widths or leave align at 0"
        )


def alignment_targets(
    folder: Path, table: PictureTable, views: int, device: torch.device, on_progress: OnPictures | None = None
) -> Float16Array:
    """float16 (views, n, 320, S / 32, S / 32), mapped into memory: what to predict for each view whose latents
    :func:`models.training.generator_data.picture_latents` gives. Standardised (see :func:`standardise`); kept in
    ``folder`` by what they are made of.

    Raises:
        EncoderUnavailableError: the backbone's package is missing or changed.
    """
    network = SemanticNetwork().to(device)

    @torch.no_grad()
    def see(pixels: UInt8Array) -> Float16Array:
        pictures = from_pixels(torch.from_numpy(np.ascontiguousarray(pixels)).to(device))
        seen: Float16Array = network(pictures).cpu().numpy().astype(np.float16)
        return seen

    name = hashlib.sha256(f"{network.DIGEST}/{table.digest}/{views}".encode()).hexdigest()[:16]
    side = table.size // network.STRIDE
    shape = (network.CHANNELS, side, side)
    report = reporting("features to align with", on_progress)
    return view_arrays(folder / f"alignment-{name}.npy", table, views, shape, see, report, standardise)


def standardise(features: Float16Array) -> None:
    """Change (views, n, channels, h, w) in place: each channel has mean 0 and deviation 1 over everything, since else a
    few strong channels would make all cosines alike; then each place's vector has length 1."""
    count, sums, squares = 0, np.zeros(features.shape[2]), np.zeros(features.shape[2])
    for part in _parts(features):
        values = part.astype(np.float64)
        count += values[:, 0].size
        sums += values.sum((0, 2, 3))
        squares += np.square(values).sum((0, 2, 3))
    mean = sums / count
    deviation = np.sqrt((squares / count - mean**2).clip(0)).clip(_SMALL)
    for part in _parts(features):
        values = (part - mean[:, None, None]) / deviation[:, None, None]
        part[:] = values / np.linalg.norm(values, axis=1, keepdims=True).clip(_SMALL)


def _parts(features: Float16Array) -> Iterator[Float16Array]:
    """Slices of it that are small enough to be computed with."""
    for view in features:
        for start in range(0, len(view), _PART):
            yield view[start : start + _PART]
