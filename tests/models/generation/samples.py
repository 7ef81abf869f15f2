"""A tiny generator on disk: it draws at once, and nothing that one would know."""

from __future__ import annotations

from pathlib import Path

import torch

from models.generation.autoencoder import AutoencoderConfig, PictureAutoencoder
from models.generation.flow import FlowConfig, FlowSampling, LatentFlow
from models.generation.generator_weights import GeneratorManifest, save_generator_weights
from models.generation.weights import AutoencoderManifest, load_autoencoder_weights, save_autoencoder
from models.types import EncoderInfo

SIZE = 32


def save_tiny(folder: Path, encoder: EncoderInfo, *, size: int = SIZE) -> None:
    """A flow with random weights, told vectors of ``encoder``, that draws ``size`` pixels; ``folder`` is made."""
    torch.manual_seed(0)
    shape = AutoencoderConfig(size=size, channels=4, encoder=8, decoder=(8, 8, 4), blocks=(1, 0, 0))
    config = FlowConfig(
        channels=4, grid=shape.grid, condition=encoder.dim, widths=(16, 16), blocks=(1, 1), attention=(False, True)
    )
    coder, network = PictureAutoencoder(shape), LatentFlow(config)
    for parameter in [*coder.parameters(), *network.parameters()]:
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    coded = folder / "autoencoder"
    save_autoencoder(coded, coder.state_dict(), AutoencoderManifest(model="a", config=shape, licence="none"))
    manifest = GeneratorManifest(
        model="tastespace-pictures",
        backend="flow",
        network=config,
        autoencoder=shape,
        encoder=encoder.fingerprint,
        encoder_name=encoder.name,
        licence="none",
        sampling=FlowSampling(steps=3),
    )
    means = torch.randn(3, encoder.dim)
    save_generator_weights(folder, network.state_dict(), means, load_autoencoder_weights(coded), {}, manifest)
