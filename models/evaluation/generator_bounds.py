"""What a generator's distances lie between: what it would draw if its network had learned nothing, and what its
autoencoder alone makes of photos, which no network that draws in its latents can be expected to surpass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from models.generation.autoencoder import PictureAutoencoder, from_pixels, to_pixels
from models.generation.conditions import ConditionCentring
from models.generation.generator import LatentPictureGenerator
from models.generation.generator_weights import SHIPPED_PICTURES, build_network, load_generator_weights
from models.generation.loading import DEFAULT_GENERATOR
from models.generation.types import Generator
from models.generation.weights import build_autoencoder, fill
from models.joint.loading import parse_device
from models.types import UInt8Array

#: Pictures, uint8 (n, S, S, 3), to latents and back.
ThereAndBack: TypeAlias = Callable[[UInt8Array], UInt8Array]
_BATCH = 32


@dataclass(frozen=True, slots=True)
class GeneratorBounds:
    """``untrained`` is the generator as its training would begin, ``decoded`` its autoencoder; None: it can't be had,
    as for generators that are not the project's own."""

    untrained: Generator | None = None
    decoded: ThereAndBack | None = None


def generator_bounds(spec: str, device: str = "cpu", seed: int = 0) -> GeneratorBounds:
    """The bounds of the generator that ``spec`` names.

    The untrained generator draws in the latents of the trained autoencoder: random latents, decoded, are nearer to
    photos than what a random decoder would make of them, so that the ceiling is the lower, and stricter, of the two.

    Args:
        spec: see :func:`models.generation.loading.load_generator`.
        seed: of the untrained network.

    Raises:
        GeneratorUnavailableError: the weights are missing, changed or don't fit each other.
        EncoderUnavailableError: there is no such device.
    """
    kind, _, rest = spec.partition(":")
    if spec != DEFAULT_GENERATOR and kind != "latent":
        return GeneratorBounds()
    folder = SHIPPED_PICTURES if spec == DEFAULT_GENERATOR else Path(rest)
    weights = load_generator_weights(folder)
    manifest, where = weights.manifest, parse_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(manifest.network)
    centring = ConditionCentring(manifest.network.condition)
    fill(centring, {"means": weights.means}, folder)
    autoencoder = build_autoencoder(manifest.autoencoder, weights.autoencoder, folder).to(where)
    untrained = LatentPictureGenerator(
        network.to(where).to(memory_format=torch.channels_last),
        autoencoder,
        centring.to(where),
        manifest.sampling,
        name=f"{spec}, untrained",
        fingerprint="",
        encoder=manifest.encoder,
        licence=manifest.licence,
    )
    return GeneratorBounds(untrained, _there_and_back(autoencoder))


def _there_and_back(autoencoder: PictureAutoencoder) -> ThereAndBack:
    @torch.inference_mode()
    def decoded(pixels: UInt8Array) -> UInt8Array:
        device, parts = autoencoder.mean.device, []
        for start in range(0, len(pixels), _BATCH):
            seen = torch.from_numpy(pixels[start : start + _BATCH]).to(device)
            parts.append(to_pixels(autoencoder(from_pixels(seen))).cpu().numpy())
        return np.concatenate(parts)

    return decoded
