"""The joint space in a network, held to sums written out one question and one number at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.captioning.vision import MapTower, VisionConfig
from models.joint.heads import ProjectionHead
from models.joint.lite import LiteConfig
from models.preprocess import to_pixels
from models.reasoning.attend import load_attention_reasoner
from models.reasoning.network import Fusion, Inputs, ReasoningNetwork
from models.reasoning.space import Int8Linear, JointSpace, PhotoHead, SpaceShape
from models.reasoning.types import AnswerOptions, ReasonerUnavailableError
from models.reasoning.weights import load_reasoner_weights, reasoner_fingerprint, save_reasoner_weights
from models.registry import WEIGHTS_FOLDER, load_encoder
from models.training.start import Start
from models.weight_folder import WEIGHTS_FILE
from tests.models.reasoning.samples import NETWORK, VOCABULARY, small_manifest, small_network
from tests.pictures import plate

SHAPE = SpaceShape(dim=5, hidden=7)
SMALL = replace(NETWORK, features=6, grid=(2, 3), values=32, space=SHAPE)


def filled(network: ReasoningNetwork) -> JointSpace:
    """Give a network's space everything that training would."""
    space = network.space
    assert space is not None
    generator = torch.Generator().manual_seed(2)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        head = ProjectionHead(network.config.features, SHAPE.dim, hidden=SHAPE.hidden)
    texts = functional.normalize(torch.randn(network.config.answers, SHAPE.dim, generator=generator), dim=-1)
    space.fill(head, texts)
    space.move(torch.randn(SHAPE.dim, generator=generator) / 10)
    space.scale.data = torch.randn(network.config.answers, generator=generator)
    return space


def _asked() -> tuple[Tensor, Tensor, Tensor]:
    """Maps of 3 photos, the states of 4 questions, and the photo of each."""
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(3, 6, 6, generator=generator),
        torch.randn(4, SMALL.hidden, generator=generator),
        torch.tensor([2, 0, 2, 1]),
    )


@pytest.mark.parametrize(("fusion", "inputs"), [("gated", "both"), ("film", "both"), ("gated", "image")])
def test_scores_are_what_the_sums_say(fusion: Fusion, inputs: Inputs) -> None:
    network = small_network(replace(SMALL, fusion=fusion, inputs=inputs)).requires_grad_(False)
    space = filled(network)
    maps, question, photos = _asked()
    found = network(network.memory(maps), photos, question)
    plain = network.fusion.memory(maps)
    for row, photo in enumerate(photos):
        unit = space.head(maps[photo].unsqueeze(0))[0]
        away = unit - space.centre
        point = [float(number / away.norm()) * SHAPE.dim**0.5 for number in away]
        assert sum(number**2 for number in point) == pytest.approx(SHAPE.dim, rel=1e-5)
        looked = torch.tensor(point)
        if inputs == "both":
            assert space.question is not None
            assert space.norm is not None
            asked = space.question.weight @ question[row] + space.question.bias
            product = torch.stack([a * z for a, z in zip(asked, looked, strict=True)])
            looked = (product - product.mean()) / (product.var(correction=0) + space.norm.eps).sqrt()
        joint, attention = network.fusion(plain, photos[row : row + 1], question[row : row + 1])
        normed = (joint[0] - joint[0].mean()) / (joint[0].var(correction=0) + 1e-5).sqrt()
        scores = network.answer(normed + space.joint.weight @ looked + space.joint.bias)
        for answer in range(SMALL.answers):
            text = space.texts[answer]
            cosine = sum(float(a * b) for a, b in zip(away, text, strict=True)) / float(away.norm() * text.norm())
            expected = float(scores[answer]) + float(space.scale[answer]) * cosine
            assert float(found.answers[row, answer]) == pytest.approx(expected, rel=1e-3, abs=1e-4)
        torch.testing.assert_close(found.attention[row], attention[0])


def test_an_untouched_scale_adds_nothing() -> None:
    space = small_network(SMALL).space
    assert space is not None
    assert torch.equal(space.scores(torch.randn(2, SHAPE.dim)), torch.zeros(2, SMALL.answers))


def test_a_photo_alone_is_not_looked_at_by_the_question() -> None:
    network = small_network(replace(SMALL, inputs="image"))
    filled(network)
    maps, question, photos = _asked()
    memory = network.memory(maps)
    assert torch.equal(network(memory, photos, question).answers, network(memory, photos, question.flip(0)).answers)
    with pytest.raises(ValueError, match="see no photo"):
        ReasoningNetwork(replace(SMALL, inputs="question"))


def test_the_mean_photo_says_nothing_by_its_point() -> None:
    """Not even what a few photos happen to have in common: the norm after the product would make it as loud as a
    photo's own."""
    network = small_network(SMALL)
    space = filled(network)
    maps, question, _ = _asked()
    middle = network.memory(maps).mean().points
    assert middle is not None
    assert torch.equal(space.scores(middle), torch.zeros(1, SMALL.answers))
    joint = torch.randn(4, SMALL.joint)
    assert space.norm is not None
    expected = functional.layer_norm(joint, joint.shape[-1:]) + space.joint(space.norm.bias)
    torch.testing.assert_close(space.meet(joint, middle.expand(4, -1), torch.randn_like(question)), expected)


def test_a_space_without_a_gradient_of_its_own_stays() -> None:
    """Head, centre and texts are no parameters."""
    names = {name for name, _ in small_network(SMALL).named_parameters() if name.startswith("space.")}
    layers = {f"space.{layer}.{part}" for layer in ("question", "norm", "joint") for part in ("weight", "bias")}
    assert names == layers | {"space.scale"}


def test_a_network_without_a_space_begins_as_it_did() -> None:
    """What the space draws at random comes last."""
    with_space, without = small_network(SMALL).state_dict(), small_network(replace(SMALL, space=None)).state_dict()
    assert all(torch.equal(with_space[name], tensor) for name, tensor in without.items())


def test_eight_bits_are_near() -> None:
    torch.manual_seed(0)
    exact, near = torch.nn.Linear(6, 4), Int8Linear(6, 4)
    exact.weight.data[2] = 0
    near.fill(exact.weight, exact.bias)
    step = exact.weight.abs().amax(dim=1, keepdim=True) / 127
    assert torch.all((near.weight * near.scale - exact.weight).abs() <= 0.51 * step + 1e-7)
    x = torch.randn(3, 6)
    torch.testing.assert_close(near(x), exact(x), atol=2e-2, rtol=0)


def test_a_head_is_the_encoders_over_the_mean_of_the_places() -> None:
    torch.manual_seed(0)
    trained, head = ProjectionHead(6, 5, hidden=7).eval(), PhotoHead(6, SHAPE)
    for norm in (trained.norm, trained.residual[0]):
        assert isinstance(norm, torch.nn.LayerNorm)
        torch.nn.init.normal_(norm.weight, 1, 0.3)
        torch.nn.init.normal_(norm.bias, 0, 0.3)
    head.fill(trained)
    maps = torch.randn(2, 4, 6)
    expected = functional.normalize(trained(torch.stack([sum(places) / 4 for places in maps])), dim=-1)
    torch.testing.assert_close(head(maps), expected, atol=2e-2, rtol=0)


def _save(folder: Path, network: ReasoningNetwork) -> None:
    save_reasoner_weights(folder, network.state_dict(), {}, VOCABULARY, small_manifest(network.config))


def test_what_is_saved_is_loaded_bit_by_bit_where_it_is_frozen(tmp_path: Path) -> None:
    config = replace(NETWORK, space=SHAPE)
    network = small_network(config)
    space = filled(network)
    _save(tmp_path, network)
    weights = load_reasoner_weights(tmp_path)
    assert weights.manifest.network == config
    again = ReasoningNetwork(weights.manifest.network)
    again.load_state_dict(dict(weights.network))
    assert again.space is not None
    for name, tensor in space.named_buffers():
        assert torch.equal(again.space.get_buffer(name), tensor), name
    halves = sum(t.numel() * (1 if t.dtype == torch.int8 else 2) for t in network.state_dict().values())
    assert 0 < (tmp_path / WEIGHTS_FILE).stat().st_size - halves < 8192


@pytest.mark.fault
def test_a_space_of_another_shape_is_refused(tmp_path: Path) -> None:
    network = small_network(replace(NETWORK, space=SHAPE))
    wrong = small_manifest(replace(NETWORK, space=SpaceShape(dim=6, hidden=7)))
    save_reasoner_weights(tmp_path, network.state_dict(), {}, VOCABULARY, wrong)
    with pytest.raises(ReasonerUnavailableError, match="don't fit their own configuration"):
        load_attention_reasoner(tmp_path)


def test_the_fingerprint_tells_a_space() -> None:
    plain, spaced = small_manifest(NETWORK), small_manifest(replace(NETWORK, space=SHAPE))
    assert reasoner_fingerprint(plain) != reasoner_fingerprint(spaced)


@pytest.mark.weights
def test_a_square_photo_has_the_point_that_the_encoder_gives_it() -> None:
    start = Start.read(WEIGHTS_FOLDER / "tastespace-lite", LiteConfig())
    tower = MapTower(VisionConfig(start.shape.vision, "head", start.shape.image_size), start.trunk)
    head = PhotoHead(tower.width, SpaceShape(start.shape.dim, start.shape.hidden))
    head.fill(start.build_heads(0.0).eval().image)
    photos = [plate(colour, size=(224, 224), seed=i) for i, colour in enumerate(("red", "green", "brown"))]
    encoder = load_encoder("tastespace-lite", runtime="torch")
    maps = tower.maps(np.stack([to_pixels(photo, tower.config.preprocess) for photo in photos]))
    found = head(torch.from_numpy(maps)).numpy()
    expected = encoder.encode_images(photos)
    np.testing.assert_allclose(found, expected, atol=3e-3)
    assert ((found * expected).sum(axis=1) > 0.9999).all()


@pytest.mark.weights
def test_a_reasoner_answers_by_its_space(tmp_path: Path) -> None:
    network = small_network(replace(NETWORK, space=SHAPE))
    filled(network)
    _save(tmp_path, network)
    reasoner = load_attention_reasoner(tmp_path)
    trained = sum(each.numel() for each in network.parameters())
    head = sum(each.numel() for each in PhotoHead(NETWORK.features, SHAPE).buffers())
    assert reasoner.info.parameters == sum(each.numel() for each in reasoner.tower.parameters()) + trained + head
    pixels = np.stack([to_pixels(plate("red"), reasoner.info.preprocess)] * 2)
    first, second = reasoner.answer_pixels(pixels, ["is it rice?", "is it rice?"], AnswerOptions(top_k=2))
    assert [each.text for each in first.answers] == [each.text for each in second.answers]
    said = [each.probability for each in second.answers]
    assert [each.probability for each in first.answers] == pytest.approx(said, rel=1e-4)  # rounding differs by row
    assert sum(each.probability for each in first.answers) == pytest.approx(1, abs=1e-5)
