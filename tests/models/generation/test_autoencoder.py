from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.generation.autoencoder import AutoencoderConfig, PictureAutoencoder, from_pixels, to_pixels

SHAPE = AutoencoderConfig(size=32, channels=4, encoder=8, decoder=(8, 8, 4), blocks=(1, 1, 1))


@pytest.fixture
def network() -> PictureAutoencoder:
    torch.manual_seed(0)
    return PictureAutoencoder(SHAPE).eval()


@pytest.fixture
def pictures() -> Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    return from_pixels(torch.from_numpy(pixels))


def test_shapes_and_bounds(network: PictureAutoencoder, pictures: Tensor) -> None:
    latents = network.bounded(100 * pictures)
    assert latents.shape == (3, 4, 4, 4)
    assert latents.abs().max() <= 3
    assert network(pictures).shape == pictures.shape
    assert network.paint(latents[:, :, :2, :3]).shape == (3, 3, 16, 24)


def test_latents_are_normalised_and_back(network: PictureAutoencoder, pictures: Tensor) -> None:
    network.mean.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
    network.std.copy_(torch.tensor([0.5, 1.0, 2.0, 0.1]))
    raw = network.bounded(pictures)
    latents = network.encode(pictures)
    assert torch.allclose(latents[:, 2], (raw[:, 2] - 0.3) / 2.0, atol=1e-6)
    assert torch.allclose(network.decode(latents), network.paint(raw), atol=1e-5)


def test_what_the_encoder_cannot_give_is_not_decoded(network: PictureAutoencoder) -> None:
    far = torch.full((1, 4, 4, 4), 50.0)
    assert torch.equal(network.decode(far), network.decode(torch.full((1, 4, 4, 4), 3.0)))


def test_pixels_there_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(1, 1, 1, 3)
    assert torch.equal(to_pixels(from_pixels(pixels)), pixels)
    assert to_pixels(torch.tensor([-2.0, 0.0, 2.0]).view(1, 3, 1, 1)).flatten().tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 20}, "multiple of 8"),
        ({"size": 0}, "multiple of 8"),
        ({"encoder": 7}, "even number"),
        ({"decoder": (8, 8)}, "three numbers"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoencoderConfig(**values)
