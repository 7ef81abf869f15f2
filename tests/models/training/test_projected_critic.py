import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional

from models.backbones import load_vision
from models.generation.gan import GanConfig
from models.generation.generator_weights import build_network
from models.training.generator_config import GanOptions
from models.training.generator_gan import critic_losses, quarters, sameness
from models.training.perceptual import FrozenStages, fold_batch_norms
from models.training.projected_critic import (
    FeatureMixing,
    MatchingHead,
    ProjectedCritic,
    ProjectionNetwork,
    mixed_widths,
)

CHANNELS, SIDES = (24, 40, 112, 320), (16, 8, 4, 2)


@pytest.fixture
def maps() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(4, channels, side, side) for channels, side in zip(CHANNELS, SIDES, strict=True)]


def test_batch_norms_become_part_of_the_convolutions_before_them() -> None:
    torch.manual_seed(0)
    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    for name, buffer in trunk.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = trunk(pictures)
        fold_batch_norms(trunk)
        after = trunk(pictures)
    assert not [name for name, _ in trunk.named_buffers() if "running" in name]
    assert torch.allclose(before, after, atol=1e-4 * before.abs().max().item())


@pytest.mark.weights
def test_the_frozen_stages_are_those_of_the_classifier() -> None:
    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    load_vision(trunk, "tf_efficientnet_lite0")
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = trunk.blocks(trunk.bn1(trunk.conv_stem(pictures)))
        *_, last = FrozenStages(7).maps(pictures)
    assert torch.allclose(last, expected, atol=1e-3)


@pytest.mark.weights
def test_the_discriminator_sees_four_resolutions_and_passes_gradients_to_the_pictures_alone() -> None:
    torch.manual_seed(0)
    network = ProjectionNetwork()
    pictures = (torch.rand(2, 3, 64, 64) * 2 - 1).requires_grad_(True)
    found = network(pictures)
    assert [tuple(each.shape) for each in found] == [(2, c, s, s) for c, s in zip(CHANNELS, SIDES, strict=True)]
    assert all(0.2 < float(each.detach().std()) < 5 for each in found)
    sum(each.square().sum() for each in found).backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_mixing_is_fixed_and_carries_coarse_maps_into_fine_ones_only(maps: list[Tensor]) -> None:
    torch.manual_seed(1)
    mixing = FeatureMixing(8)
    torch.manual_seed(2)
    same = FeatureMixing(8)
    assert all(torch.equal(a, b) for a, b in zip(mixing.parameters(), same.parameters(), strict=True))
    assert not any(parameter.requires_grad for parameter in mixing.parameters())
    mixed = mixing(maps)
    assert [each.shape[1] for each in mixed] == list(mixed_widths(8)) == [8, 8, 16, 32]
    assert [each.shape[2] for each in mixed] == list(SIDES)
    assert all(0.7 < float(each.std()) < 1.4 for each in mixed)
    for number in range(4):
        other = [torch.zeros_like(each) if i == number else each for i, each in enumerate(maps)]
        changed = [not torch.equal(a, b) for a, b in zip(mixed, mixing(other), strict=True)]
        assert changed == [i <= number for i in range(4)]


def test_every_map_is_scored_at_its_places_and_by_the_condition(maps: list[Tensor]) -> None:
    torch.manual_seed(0)
    critic, condition = ProjectedCritic(8, 6).eval(), torch.randn(4, 6)
    mixed = FeatureMixing(8)(maps)
    scores = critic(mixed, condition)
    assert [tuple(each.shape) for each in scores] == [(4, 16), (4, 16), (4, 16), (4, 4)]
    features = critic.features(mixed)
    for one, other in zip(scores, critic.scores(features, condition.roll(1, 0)), strict=True):
        assert not torch.allclose(one, other, atol=1e-4)
    alone = critic([each[1:2] for each in mixed], condition[1:2])
    assert all(torch.allclose(one[1:2], other, atol=1e-5) for one, other in zip(scores, alone, strict=True))


def test_losses_of_the_critic_are_those_of_the_three_pairs(maps: list[Tensor]) -> None:
    torch.manual_seed(0)
    critic, condition = ProjectedCritic(8, 6).eval(), torch.randn(4, 6)
    real, drawn = FeatureMixing(8)(maps), [torch.randn(4, w, s, s) for w, s in zip((8, 8, 16, 32), SIDES, strict=True)]
    losses = critic_losses(critic, real, drawn, condition)

    def naive(sign: int, mixed: list[Tensor], told: Tensor) -> float:
        each = [torch.relu(1 + sign * critic(mixed, told)[number]).mean().item() for number in range(4)]
        return sum(each) / 4

    expected = {
        "real": naive(-1, real, condition),
        "drawn": naive(1, drawn, condition),
        "mismatched": naive(1, real, condition[[3, 0, 1, 2]]),
    }
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, abs=1e-5)


def test_the_matching_head_learns_which_belong_together(maps: list[Tensor]) -> None:
    torch.manual_seed(0)
    head, condition = MatchingHead(6), functional.normalize(torch.randn(4, 6))
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        found = functional.normalize(head(maps))
        loss = functional.cross_entropy(10 * found @ condition.T, torch.arange(4))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert (functional.normalize(head(maps)) @ condition.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_quarters_are_windows_of_the_latents() -> None:
    torch.manual_seed(0)
    latents = torch.arange(256.0).view(1, 1, 16, 16).repeat(50, 2, 1, 1)
    seen = quarters(latents)
    assert seen.shape == (50, 2, 8, 8)
    corners = set()
    for window in seen:
        top, left = divmod(int(window[0, 0, 0]), 16)
        assert torch.equal(window, latents[0, :, top : top + 8, left : left + 8])
        corners.add((top, left))
    assert len(corners) > 20
    assert {min(c) for c in zip(*corners, strict=True)} == {0}
    assert {max(c) for c in zip(*corners, strict=True)} <= {7, 8}


def test_drawings_of_one_condition_must_differ_by_a_share_of_what_photos_do() -> None:
    torch.manual_seed(0)
    real, one = torch.randn(64, 4, 8, 8), torch.randn(16, 4, 8, 8)
    assert sameness(one, one, real).item() == 1
    assert sameness(one, 3 * one, real).item() == pytest.approx(1, abs=1e-5)
    other = torch.randn(16, 4, 8, 8)
    assert sameness(one, other, real).item() < 0.01
    halves = torch.cat([one[:8], other[8:]])
    assert sameness(one, halves, real).item() == pytest.approx(0.5, abs=0.01)
    near = one.clone().requires_grad_(True)
    loss = sameness(one, near + 0.35 * torch.randn(16, 4, 8, 8), real)
    assert 0.4 < loss.item() < 0.8
    loss.backward()  # type: ignore[no-untyped-call]
    assert near.grad is not None
    assert near.grad.abs().sum() > 0


def test_options_out_of_range_are_refused() -> None:
    for values in ({"critic_rate": -1.0}, {"matching": -0.1}, {"variety": -1.0}, {"parts": 1.1}, {"parts": -0.1}):
        with pytest.raises(ValueError, match="must"):
            GanOptions(**values)  # type: ignore[arg-type]


def test_the_discriminator_is_no_part_of_what_draws() -> None:
    small, large = (build_network(GanConfig(widths=(16,), grid=4, critic=each)) for each in (8, 64))
    assert [p.shape for p in small.parameters()] == [p.shape for p in large.parameters()]
