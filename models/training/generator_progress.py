"""How the training of a generator is going: a contact sheet of fixed prompts and seeds, and some cheap numbers.

None of the numbers is an evaluation: they look through lite0 and the joint encoder, which the training itself knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.frechet import frechet_distance
from models.generation.autoencoder import PictureAutoencoder, from_pixels, to_pixels
from models.generation.flow import FlowSampling
from models.generation.noise import seeded_noise
from models.training.perceptual import PerceptualNetwork
from models.training.picture_data import save_sheet
from models.types import JointEncoder, UInt8Array

#: Noise (n, ...) and conditions (n, dim) -> latents.
Draw: TypeAlias = Callable[[Tensor, Tensor, FlowSampling], Tensor]
FloatArray: TypeAlias = NDArray[np.floating]
_BATCH, _ROUND = 64, 100
SHEET_FILE = "sheet-{epoch:04d}.png"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Conditions (prompts, dim) of the contact sheet, centred, and how many seeds each has."""

    conditions: Tensor
    seeds: int


class GeneratorProgress:
    """Draws and measures.

    Args:
        encoder: the joint encoder of the conditions.
        autoencoder: decodes.
        real: uint8 (n, S, S, 3), photos to compare with.
        titles: unit-norm float32 (m, dim), the titles that are drawn; ``conditions`` are the same, centred.
        photo_mean, text_mean: (dim,), the offsets of photos and texts.
    """

    def __init__(
        self,
        encoder: JointEncoder,
        autoencoder: PictureAutoencoder,
        real: UInt8Array,
        conditions: Tensor,
        photo_mean: Tensor,
        sheet: Sheet,
    ) -> None:
        self._encoder, self._autoencoder, self._sheet = encoder, autoencoder, sheet
        self._judge = PerceptualNetwork().to(autoencoder.mean.device)
        self._conditions, self._photo_mean = conditions, photo_mean.cpu().numpy()
        self._real = self._features(real)
        self._real_spread = _spread(self._real)

    def measure(self, draw: Draw, noise_shape: Sequence[int], sampling: FlowSampling) -> dict[str, float]:
        """Of one picture for each title: ``frechet_lite0`` to the photos; ``spread``, how much pictures differ among
        each other, relative to photos; ``encoder_rank1``, how often the joint encoder finds the title of a picture
        among a hundred."""
        pictures = self._draw(draw, noise_shape, self._conditions, range(len(self._conditions)), sampling)
        features = self._features(pictures)
        return {
            "frechet_lite0": frechet_distance(features, self._real),
            "spread": _spread(features) / max(self._real_spread, 1e-9),
            "encoder_rank1": self._rank1(pictures),
        }

    def save_sheet(self, folder: Path, epoch: int, draw: Draw, shape: Sequence[int], sampling: FlowSampling) -> float:
        """Draw the contact sheet, a row for each prompt.

        Returns:
            How much the pictures of one prompt differ among each other, relative to photos.
        """
        seeds = self._sheet.seeds
        conditions = self._sheet.conditions.repeat_interleave(seeds, 0)
        numbers = list(range(seeds)) * len(self._sheet.conditions)
        pictures = self._draw(draw, shape, conditions, numbers, sampling)
        save_sheet(folder / SHEET_FILE.format(epoch=epoch), pictures, seeds)
        rows = self._features(pictures).reshape(-1, seeds, self._real.shape[1])
        return float(np.mean([_spread(row) for row in rows])) / max(self._real_spread, 1e-9) if seeds > 1 else 0.0

    @torch.no_grad()
    def _draw(
        self, draw: Draw, shape: Sequence[int], conditions: Tensor, seeds: Sequence[int], sampling: FlowSampling
    ) -> UInt8Array:
        pictures = []
        for start in range(0, len(conditions), _BATCH):
            part = conditions[start : start + _BATCH]
            noise = torch.from_numpy(np.stack([seeded_noise(seed, shape) for seed in seeds[start : start + _BATCH]]))
            latents = draw(noise.to(part.device), part, sampling)
            pictures.append(to_pixels(self._autoencoder.decode(latents.float())).cpu().numpy())
        return np.concatenate(pictures)

    @torch.no_grad()
    def _features(self, pixels: UInt8Array) -> FloatArray:
        device = self._autoencoder.mean.device
        parts = [
            self._judge.pooled(from_pixels(torch.from_numpy(np.ascontiguousarray(pixels[i : i + _BATCH])).to(device)))
            for i in range(0, len(pixels), _BATCH)
        ]
        return torch.cat(parts).cpu().numpy()

    def _rank1(self, pictures: UInt8Array) -> float:
        vectors = np.concatenate(
            [
                self._encoder.encode_images([Image.fromarray(each) for each in pictures[start : start + _BATCH]])
                for start in range(0, len(pictures), _BATCH)
            ]
        )
        scores = (vectors - self._photo_mean) @ self._conditions.cpu().numpy().T
        right = [
            scores[i, start : start + _ROUND].argmax() == i - start
            for start in range(0, len(pictures), _ROUND)
            for i in range(start, min(start + _ROUND, len(pictures)))
        ]
        return float(np.mean(right))


def _spread(features: FloatArray) -> float:
    """The root mean squared distance of the rows from their mean."""
    return float(np.sqrt(np.square(features - features.mean(0)).sum(1).mean()))
