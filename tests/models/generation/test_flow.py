import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.generation.flow import FlowConfig, FlowSampling, LatentFlow, integrate

SHAPE = FlowConfig(channels=4, grid=8, condition=6, widths=(16, 32), blocks=(1, 2), attention=(False, True))


@pytest.fixture
def network() -> LatentFlow:
    torch.manual_seed(0)
    network = LatentFlow(SHAPE).eval().requires_grad_(False)
    for parameter in network.parameters():  # what begins as 0 would hide mistakes
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def test_a_velocity_depends_on_time_condition_and_latents_alone(network: LatentFlow) -> None:
    latents, time, condition = torch.randn(3, 4, 8, 8), torch.tensor([0.1, 0.5, 0.9]), torch.randn(3, 6)
    velocity = network(latents, time, condition)
    assert velocity.shape == latents.shape
    both, features = network.with_features(latents, time, condition)
    assert torch.equal(both, velocity)
    assert features.shape == (3, 32, 4, 4)
    alone = torch.cat([network(latents[i : i + 1], time[i : i + 1], condition[i : i + 1]) for i in range(3)])
    assert torch.allclose(velocity, alone, atol=1e-5)
    assert not torch.allclose(velocity, network(latents, time.flip(0), condition), atol=1e-3)
    assert not torch.allclose(velocity, network(latents, time, condition.flip(0)), atol=1e-3)


def test_guidance_of_one_is_none_and_negatives_are_moved_away_from(network: LatentFlow) -> None:
    noise, condition = torch.randn(2, 4, 8, 8), torch.randn(2, 6)
    plain = FlowSampling(steps=3, guidance=1.0)
    without = integrate(lambda x, time: network(x, time, condition), noise, plain)
    assert torch.allclose(network.draw(noise, condition, None, plain), without, atol=1e-5)
    # With a negative that equals the condition, guidance has nothing to move along.
    guided = FlowSampling(steps=3, guidance=4.0)
    assert torch.allclose(network.draw(noise, condition, condition, guided), without, atol=1e-4)
    assert not torch.allclose(network.draw(noise, condition, None, guided), without, atol=1e-3)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 1.5)])
def test_solvers_approach_the_solution_at_their_order(solver: str, order: float) -> None:
    """dx/dt = x cos t has the solution x0 exp(sin t)."""

    def velocity(x: Tensor, time: Tensor) -> Tensor:
        return x * torch.cos(time)[:, None]

    start, right = torch.ones(1, 1, dtype=torch.float64), math.exp(math.sin(1))
    errors = [
        abs(float(integrate(velocity, start, FlowSampling(steps, 1.0, solver))) - right)  # type: ignore[arg-type]
        for steps in (20, 40)
    ]
    assert errors[1] < errors[0] / 2 ** (order * 0.9)
    assert errors[1] < 0.03


def test_straight_paths_are_followed_exactly() -> None:
    goal, noise = torch.randn(2, 3), torch.randn(2, 3)
    for sampling in (FlowSampling(1, 1.0), FlowSampling(7, 1.0), FlowSampling(5, 1.0, "heun")):
        found = integrate(lambda x, time: (goal - x) / (1 - time)[:, None], noise, sampling)
        assert torch.allclose(found, goal, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"widths": (16,)}, "equally many"), ({"widths": (20, 32, 32)}, "multiples of 16"), ({"grid": 6}, "halved")],
)
def test_a_shape_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowConfig(**values)  # type: ignore[arg-type]


def test_sampling_out_of_range_is_refused() -> None:
    unfit: list[dict[str, Any]] = [{"steps": 0}, {"guidance": -1.0}, {"solver": "rk4"}]
    for values in unfit:
        with pytest.raises(ValueError, match="steps must be at least 1"):
            FlowSampling(**values)
