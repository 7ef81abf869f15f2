"""The ceiling of a generator's distances: what it would draw if its network had learned nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from models.generation.conditions import ConditionCentring
from models.generation.generator import LatentPictureGenerator
from models.generation.generator_weights import SHIPPED_PICTURES, build_network, load_generator_weights
from models.generation.loading import DEFAULT_GENERATOR
from models.generation.types import Generator
from models.generation.weights import build_autoencoder, fill
from models.joint.loading import parse_device


def untrained_generator(spec: str, device: str = "cpu", seed: int = 0) -> Generator | None:
    """A generator of the shape of the one that ``spec`` names, its network as training with this seed would begin.

    The autoencoder in whose latents it draws is the trained one: random latents, decoded, are nearer to photos than
    what a random decoder would make of them, so that the ceiling is the lower, and stricter, of the two.

    Args:
        spec: see :func:`models.generation.loading.load_generator`.

    Returns:
        None for generators that are not the project's own: their networks can't be had untrained.

    Raises:
        GeneratorUnavailableError: the weights are missing, changed or don't fit each other.
        EncoderUnavailableError: there is no such device.
    """
    kind, _, rest = spec.partition(":")
    if spec != DEFAULT_GENERATOR and kind != "latent":
        return None
    folder = SHIPPED_PICTURES if spec == DEFAULT_GENERATOR else Path(rest)
    weights = load_generator_weights(folder)
    manifest, where = weights.manifest, parse_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(manifest.network)
    centring = ConditionCentring(manifest.network.condition)
    fill(centring, {"means": weights.means}, folder)
    return LatentPictureGenerator(
        network.to(where).to(memory_format=torch.channels_last),
        build_autoencoder(manifest.autoencoder, weights.autoencoder, folder).to(where),
        centring.to(where),
        manifest.sampling,
        name=f"{spec}, untrained",
        fingerprint="",
        encoder=manifest.encoder,
        licence=manifest.licence,
    )
