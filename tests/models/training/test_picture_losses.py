"""What autoencoder and generators are trained with, each by itself."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.generation.flow import FlowConfig, LatentFlow
from models.training.decoder_critic import DecoderCritic, balanced_backward, critic_loss
from models.training.generator_config import ConditionMix
from models.training.generator_data import GeneratorBatch, batches
from models.training.generator_flow import flow_losses
from models.training.perceptual import PerceptualNetwork
from models.training.watch import DivergenceError, check_losses, check_not_worse, check_spread


@pytest.fixture
def batch() -> GeneratorBatch:
    torch.manual_seed(0)
    return GeneratorBatch(torch.randn(4, 4, 8, 8), torch.randn(4, 6))


@pytest.mark.weights
def test_the_perceptual_distance_sees_structure() -> None:
    torch.manual_seed(0)
    network = PerceptualNetwork()
    picture = torch.zeros(1, 3, 64, 64)
    picture[..., 16:48, 16:48] = 1
    assert float(network(picture, picture)) == 0
    shifted, noisy = picture + 0.05, picture + 0.05 * torch.randn_like(picture).sign()
    assert float(network(noisy, picture)) > float(network(shifted, picture)) > 0
    asked = picture.clone().requires_grad_(True)
    network(asked, noisy).backward()
    assert asked.grad is not None
    assert asked.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.pooled(picture).shape == (1, 112)


@pytest.mark.weights
def test_the_decoder_critic_scores_places_of_the_picture_and_learns_by_its_heads_alone() -> None:
    torch.manual_seed(0)
    critic = DecoderCritic(8)
    pictures = (torch.rand(2, 3, 64, 64) * 2 - 1).requires_grad_(True)
    scores = critic(pictures)
    assert scores.shape == (2, 3 * 4 * 4 + 2 * 2)
    scores[0].sum().backward()
    assert pictures.grad is not None
    assert pictures.grad[0].abs().sum() > 0
    assert not pictures.grad[1].any()
    trained = {name for name, parameter in critic.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(name.startswith("critic.") for name in trained)


def test_a_critic_that_is_sure_has_no_loss() -> None:
    real, drawn = torch.full((2, 3, 8, 8), 2.0), torch.full((2, 3, 8, 8), -2.0)
    assert float(critic_loss(torch.nn.Identity(), real, drawn)) == 0
    assert float(critic_loss(torch.nn.Identity(), drawn, real)) == 6


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_balanced_gradients_keep_their_share_at_the_last_layer(scale: float) -> None:
    torch.manual_seed(0)
    first, last = torch.randn(4, 3, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    main, other = torch.randn(2, 5), torch.ones(2, 5)

    def gradient(of: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad((pictures * of).sum(), last, retain_graph=True)
        return found

    pictures = torch.randn(2, 3) @ first.T @ last.T
    at_main, at_other = gradient(main), gradient(other)
    balanced_backward(pictures, last, (pictures * main).sum(), scale * (pictures * other).sum(), 0.5)
    assert last.grad is not None
    assert first.grad is not None
    assert torch.allclose(last.grad, at_main + 0.5 * at_main.norm() * at_other / at_other.norm(), atol=1e-5)


def test_a_flow_that_knows_the_answer_has_no_loss(batch: GeneratorBatch) -> None:
    """From latents that are all equal to a constant, the velocity is (constant - x) / (1 - t)."""

    class Knowing(LatentFlow):
        def forward(self, latents: Tensor, time: Tensor, condition: Tensor) -> Tensor:
            return (2.0 - latents) / (1 - time)[:, None, None, None]

    shape = FlowConfig(channels=4, grid=8, condition=6, widths=(16,), blocks=(1,), attention=(False,))
    constant = GeneratorBatch(torch.full((64, 4, 8, 8), 2.0), torch.randn(64, 6))
    assert float(flow_losses(Knowing(shape), constant, 0.1)["loss"]) < 1e-4
    network = LatentFlow(shape)
    plain = GeneratorBatch(torch.randn(64, 4, 8, 8), torch.randn(64, 6))
    variance = flow_losses(network, plain, 0.1)["loss"].item()
    assert variance == pytest.approx(2, abs=0.15)  # that of latents and noise


def test_a_flow_forgets_as_often_as_it_is_told_to(batch: GeneratorBatch) -> None:
    shape = FlowConfig(channels=4, grid=8, condition=6, widths=(16,), blocks=(1,), attention=(False,))
    seen: list[Tensor] = []

    class Watched(LatentFlow):
        def forward(self, latents: Tensor, time: Tensor, condition: Tensor) -> Tensor:
            seen.append(condition)
            return super().forward(latents, time, condition)

    network = Watched(shape)
    torch.nn.init.constant_(network.no_condition, 7.0)
    for forget in (0.0, 1.0):
        flow_losses(network, batch, forget)
    assert torch.equal(seen[0], batch.condition)
    assert (seen[1] == 7).all()


def test_batches_go_through_all_rows_before_any_again() -> None:
    drawn = list(batches(7, 3, 7, (1, 2)))
    rows = np.concatenate(drawn)
    assert all(len(each) == 3 for each in drawn)
    assert all(sorted(rows[i : i + 7]) == list(range(7)) for i in (0, 7, 14))
    assert all((a == b).all() for a, b in zip(drawn, batches(7, 3, 7, (1, 2)), strict=True))
    assert len(next(batches(2, 5, 1, (1,)))) == 5


def test_a_mix_out_of_range_is_refused() -> None:
    for values in ({"text": -1.0}, {"noise": -0.1}, {"text": 0.0, "recipe": 0.0, "photo": 0.0}):
        with pytest.raises(ValueError, match="must not be negative"):
            ConditionMix(**values)


def test_losses_that_explode_are_seen() -> None:
    baseline = check_losses({"a": 5.0, "b": 0.1}, None, 1)
    baseline = check_losses({"a": 2.0, "b": -0.5}, baseline, 2)
    check_losses({"a": 39.0, "b": 19.0}, baseline, 3)
    with pytest.raises(DivergenceError, match="a rose from 2 to 41 in epoch 3"):
        check_losses({"a": 41.0}, baseline, 3)
    for value in (math.nan, math.inf):
        with pytest.raises(DivergenceError, match="in epoch 1; try a lower"):
            check_losses({"a": value}, None, 1)


def test_an_error_that_gets_far_worse_is_seen() -> None:
    assert check_not_worse("e", None, None, 1) is None
    assert check_not_worse("e", 2.0, None, 1) == 2.0
    assert check_not_worse("e", None, 2.0, 2) == 2.0
    assert check_not_worse("e", 2.9, 2.0, 2) == 2.0
    assert check_not_worse("e", 1.0, 2.0, 3) == 1.0
    with pytest.raises(DivergenceError, match=r"e rose from 2 to 3\.1 in epoch 4"):
        check_not_worse("e", 3.1, 2.0, 4)


def test_a_collapse_is_seen_when_it_lasts() -> None:
    check_spread([0.01, 0.01], 0.1, 3)
    check_spread([0.01, 0.2, 0.01], 0.1, 3)
    with pytest.raises(DivergenceError, match="collapsed: for 3 epochs"):
        check_spread([0.5, 0.01, 0.02, 0.09], 0.1, 3)
