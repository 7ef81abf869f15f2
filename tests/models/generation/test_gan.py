import pytest
import torch

from models.generation.gan import GanConfig, LatentGenerator

SHAPE = GanConfig(channels=4, grid=8, condition=6, noise=5, embedding=8, widths=(16, 8), critic=8)


@pytest.fixture
def generator() -> LatentGenerator:
    torch.manual_seed(0)
    network = LatentGenerator(SHAPE).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():  # what begins as 0 would hide mistakes
        if name.endswith("share"):
            parameter.fill_(1.0)
    return network


def test_a_drawing_depends_on_noise_and_condition_alone(generator: LatentGenerator) -> None:
    noise, condition = torch.randn(3, 5), torch.randn(3, 6)
    drawn = generator(noise, condition)
    assert drawn.shape == (3, 4, 8, 8)
    alone = torch.cat([generator(noise[i : i + 1], condition[i : i + 1]) for i in range(3)])
    assert torch.allclose(drawn, alone, atol=1e-5)
    assert not torch.allclose(drawn, generator(noise.flip(0), condition), atol=1e-3)
    assert not torch.allclose(drawn, generator(noise, condition.flip(0)), atol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"widths": ()}, "doubling"), ({"grid": 6, "widths": (8, 8, 8)}, "doubling"), ({"critic": 0}, "critic must be")],
)
def test_a_shape_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GanConfig(**values)  # type: ignore[arg-type]
