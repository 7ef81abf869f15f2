"""The network held to its equations, written out one question and one location at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.reasoning.fusion import FilmFusion, GatedFusion, GatedTanh
from models.reasoning.network import Fusion, Inputs, NetworkConfig, ReasoningNetwork
from tests.models.reasoning.samples import NETWORK, small_network

_SHAPES: list[tuple[Fusion, Inputs]] = [("gated", "both"), ("film", "both"), ("gated", "question"), ("gated", "image")]
SMALL = replace(NETWORK, features=6, grid=(2, 3), values=32)


def _asked(n: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps of 3 photos, n questions with their lengths, and the photo of each."""
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(3, 6, 6, generator=generator)
    lengths = torch.tensor([3, 1, 5, 2])[:n]
    words = torch.randint(1, SMALL.vocabulary, (n, 5), generator=generator)
    words[torch.arange(5) >= lengths.unsqueeze(1)] = 0
    return maps, words, lengths, torch.tensor([2, 0, 2, 1])[:n]


@pytest.mark.parametrize(("fusion", "inputs"), _SHAPES)
def test_a_question_does_not_depend_on_its_neighbours(fusion: Fusion, inputs: Inputs) -> None:
    network = small_network(replace(SMALL, fusion=fusion, inputs=inputs))
    maps, words, lengths, photos = _asked()
    scores = network(network.memory(maps), photos, network.read(words, lengths))
    assert scores.answers.shape == (4, SMALL.answers)
    assert scores.types.shape == (4, SMALL.types)
    assert scores.attention.shape == (4, 6)
    torch.testing.assert_close(scores.attention.sum(dim=1), torch.ones(4))
    for row in range(4):
        memory = network.memory(maps[photos[row]].unsqueeze(0))
        question = network.read(words[row : row + 1, : lengths[row]], lengths[row : row + 1])
        alone = network(memory, torch.zeros(1, dtype=torch.int64), question)
        for name in ("answers", "types", "attention"):
            torch.testing.assert_close(getattr(alone, name)[0], getattr(scores, name)[row], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("fusion", "inputs"), _SHAPES)
def test_each_stream_counts_where_it_goes_in(fusion: Fusion, inputs: Inputs) -> None:
    network = small_network(replace(SMALL, fusion=fusion, inputs=inputs))
    maps, words, lengths, photos = _asked()
    question = network.read(words, lengths)
    answers = network(network.memory(maps), photos, question).answers
    other_photo = network(network.memory(maps + 1 * torch.randn_like(maps)), photos, question).answers
    other_question = network(network.memory(maps), photos, question.flip(0)).answers
    assert torch.equal(answers, other_photo) == (inputs == "question")
    assert torch.equal(answers, other_question) == (inputs == "image")


def test_gated_fusion_is_what_the_paper_says() -> None:
    torch.manual_seed(0)
    fusion = GatedFusion(features=5, values=4, question=3, attention=6, joint=7).eval()
    maps, question, photos = torch.randn(2, 3, 5), torch.randn(2, 3), torch.tensor([1, 0])
    joint, attention = fusion(fusion.memory(maps), photos, question)

    def gated(linear: torch.nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
        half = linear.out_features // 2
        signal = torch.tanh(linear.weight[:half] @ inputs + linear.bias[:half])
        return signal * torch.sigmoid(linear.weight[half:] @ inputs + linear.bias[half:])

    both = torch.nn.Linear(4 + 3, 2 * 6)
    both.weight.data = torch.cat([fusion.keys.weight, fusion.from_question.weight], dim=1)
    both.bias.data = fusion.keys.bias.data
    for row in range(2):
        values = [fusion.project(maps[photos[row], place]) for place in range(3)]
        scores = [fusion.score(gated(both, torch.cat([value, question[row]]))) for value in values]
        weights = torch.stack(scores).squeeze(1).softmax(dim=0)
        seen = sum((weight * value for weight, value in zip(weights, values, strict=True)), torch.zeros(4))
        expected = gated(fusion.question.linear, question[row]) * gated(fusion.image.linear, seen)
        torch.testing.assert_close(attention[row], weights)
        torch.testing.assert_close(joint[row], expected)


def test_a_film_that_says_nothing_leaves_convolutions() -> None:
    """With modulation at zero, gamma is 1 and beta is 0, and the question counts for nothing."""
    network = small_network(replace(SMALL, fusion="film"))
    assert isinstance(network.fusion, FilmFusion)
    torch.nn.init.zeros_(network.fusion.modulation.weight)
    torch.nn.init.zeros_(network.fusion.modulation.bias)
    maps, words, lengths, photos = _asked()
    question = network.read(words, lengths)
    memory = network.memory(maps)
    torch.testing.assert_close(
        network(memory, photos, question).answers, network(memory, photos, question.flip(0)).answers
    )


def test_padding_is_not_read() -> None:
    network = small_network(SMALL)
    _, words, lengths, _ = _asked()
    wider = torch.nn.functional.pad(words, (0, 3))
    torch.testing.assert_close(network.read(wider, lengths), network.read(words, lengths))


def test_a_gate_is_a_tangent_times_a_sigmoid() -> None:
    layer = GatedTanh(1, 1)
    layer.linear.weight.data = torch.tensor([[1.0], [2.0]])
    layer.linear.bias.data = torch.tensor([0.5, -1.0])
    x = torch.tensor([[0.3]])
    torch.testing.assert_close(layer(x), torch.tanh(x + 0.5) * torch.sigmoid(2 * x - 1))


@pytest.mark.parametrize("changes", [{"fusion": "concat"}, {"inputs": "none"}])
def test_unknown_shapes_are_refused(changes: dict[str, str]) -> None:
    config = NetworkConfig(**{name: getattr(SMALL, name) for name in SMALL.__slots__} | changes)
    with pytest.raises(
        ValueError, match=r"there is no fusion .*one of gated, film, inputs one of both, question, image"
    ):
        ReasoningNetwork(config)
