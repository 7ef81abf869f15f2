"""OGM-GE held to loops over questions and answers, and to what a step does without it."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.reasoning.network import Fusion, ReasoningNetwork
from models.reasoning.space import SpaceShape
from models.training.gradient_modulation import (
    Coefficients,
    add_noise,
    coefficients,
    contributions,
    modulate_rates,
    stream_groups,
)
from tests.models.reasoning.samples import NETWORK, small_network
from tests.models.reasoning.test_space import SHAPE, filled

_SMALL = replace(NETWORK, features=6, values=32, answers=4)


def _batch(network: ReasoningNetwork) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 4, 6, generator=generator)
    words = torch.randint(1, _SMALL.vocabulary, (5, 3), generator=generator)
    question = network.read(words, torch.tensor([3, 2, 3, 1, 3]))
    targets = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 1], [0, 1, 0, 0]])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)
    return maps, torch.tensor([0, 2, 2, 1, 0]), question, targets, mask


@pytest.mark.parametrize("space", [None, SHAPE])
@pytest.mark.parametrize("fusion", ["gated", "film"])
def test_contributions_are_probabilities_of_true_answers(fusion: Fusion, space: SpaceShape | None) -> None:
    network = small_network(replace(_SMALL, fusion=fusion, space=space)).requires_grad_(False)
    if space is not None:
        filled(network)
    maps, photos, question, targets, mask = _batch(network)
    memory = network.memory(maps)
    if memory.points is not None:
        assert not torch.allclose(memory.points[0], memory.points[1])
    of_question, of_image = contributions(network, memory, photos, question, targets, mask)
    middle = (question[0] + question[1] + question[2] + question[3] + question[4]) / 5
    for row in range(5):
        alone = {
            "question": network(memory.mean(), torch.tensor([0]), question[row : row + 1]),
            "image": network(memory, photos[row : row + 1], middle.unsqueeze(0)),
        }
        for name, found in (("question", of_question), ("image", of_image)):
            powers = [math.exp(float(score)) for score in alone[name].answers[0]]
            total = sum(power for power, there in zip(powers, mask[row], strict=True) if there)
            shares = [float(target / targets[row].sum()) for target in targets[row]]
            expected = sum(share * power / total for share, power in zip(shares, powers, strict=True) if share)
            assert float(found[row]) == pytest.approx(expected, rel=1e-4)


def test_the_stronger_stream_is_slowed() -> None:
    """Equations 7 and 8 by hand."""
    found = coefficients(torch.tensor([0.9, 0.6]), torch.tensor([0.2, 0.3]), alpha=0.5)
    assert found.ratio == pytest.approx(3)
    assert found.question == pytest.approx(1 - math.tanh(1.5))
    assert found.image == 1
    assert coefficients(torch.tensor([0.5]), torch.tensor([0.5]), alpha=0.5) == Coefficients(1, 1, 1)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2))
def test_one_stream_at_most_is_slowed(question: float, image: float, alpha: float) -> None:
    found = coefficients(torch.tensor([question]), torch.tensor([image]), alpha)
    assert max(found.question, found.image) == 1
    assert 0 <= min(found.question, found.image) <= 1


@pytest.mark.parametrize("space", [None, SHAPE])
@pytest.mark.parametrize("fusion", ["gated", "film"])
def test_each_parameter_belongs_to_one_stream(fusion: Fusion, space: SpaceShape | None) -> None:
    network = small_network(replace(_SMALL, fusion=fusion, space=space))
    groups = stream_groups(network, 0.1, 1e-3)
    owned = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(owned) == sorted(id(parameter) for parameter in network.parameters())
    assert all(group["params"] for group in groups)
    assert {group["stream"] for group in groups} == {"question", "image", "joint"}
    streams = {id(parameter): group["stream"] for group in groups for parameter in group["params"]}
    of_space = {n: streams[id(p)] for n, p in network.named_parameters() if n.startswith("space.")}
    question = {"space.question.weight": "question", "space.question.bias": "question"}
    meeting = {f"space.{layer}.{part}": "joint" for layer in ("norm", "joint") for part in ("weight", "bias")}
    assert of_space == ({} if space is None else question | meeting | {"space.scale": "image"})


def test_a_slowed_step_of_gradient_descent_is_one_with_a_scaled_gradient() -> None:
    plain = small_network(_SMALL).requires_grad_(True)
    slowed = copy.deepcopy(plain)
    found = Coefficients(question=0.25, image=1.0, ratio=3.0)
    for network in (plain, slowed):
        maps, photos, question, targets, _ = _batch(network)
        network(network.memory(maps), photos, question).answers.mul(targets).sum().backward()
    before = {name: parameter.detach().clone() for name, parameter in plain.named_parameters()}
    optimiser = torch.optim.SGD(stream_groups(slowed, 0.0, 0.1), lr=0.1)
    modulate_rates(optimiser, found)
    optimiser.step()
    question_stream = ("words", "gru", "fusion.question", "fusion.from_question")
    for (name, parameter), (_, moved) in zip(plain.named_parameters(), slowed.named_parameters(), strict=True):
        if parameter.grad is None:
            continue
        factor = 0.25 if name.startswith(question_stream) else 1.0
        torch.testing.assert_close(moved.detach(), before[name] - 0.1 * factor * parameter.grad)


def test_noise_has_the_spread_of_the_gradient_and_only_where_slowed() -> None:
    network = small_network(replace(_SMALL, hidden=64, joint=64)).requires_grad_(True)
    for parameter in network.parameters():
        parameter.grad = torch.linspace(-1, 1, parameter.numel()).view_as(parameter).clone()
    before = {
        name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        add_noise(network, Coefficients(question=0.5, image=1.0, ratio=2.0))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        noise = parameter.grad - before[name]
        if name.startswith(("gru.weight", "fusion.question.linear.weight", "fusion.from_question.weight")):
            assert float(noise.std()) == pytest.approx(float(before[name].std()), rel=0.15)
        else:
            assert float(noise.abs().max()) == 0, name
