"""Training that begins in a joint space: what is taken over, learned, repeated and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.checkpoint import Manifest, save_checkpoint
from models.joint.lite import JointHeads, LiteConfig
from models.joint.loading import load_lite
from models.photos import open_photo
from models.preprocess import to_pixels
from models.reasoning.attend import load_attention_reasoner
from models.reasoning.network import Inputs
from models.reasoning.types import AnswerOptions
from models.training.joint import TrainingProgress
from models.training.reasoner import ReasonerTrainingConfig, train_reasoner
from models.training.reasoner_config import Balance
from models.training.reasoner_space import start_words
from models.training.run_folder import RunFolderError
from models.training.start import exported
from models.types import EncoderUnavailableError
from models.weight_folder import MANIFEST_FILE
from tests.models.training.reasoning_world import COLOURS, write_colours

SHAPE = LiteConfig(dim=16, hidden=24, recipe_width=24, recipe_heads=2, image_size=64)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ReasonerTrainingConfig:
    """Two epochs, seconds; the encoder has random heads."""
    folder = tmp_path_factory.mktemp("space")
    write_colours(folder)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        heads = JointHeads(SHAPE).state_dict()
    save_checkpoint(folder / "encoder", exported(heads, {}), Manifest(model="tiny", config=SHAPE, licence="none"))
    return ReasonerTrainingConfig(
        out=folder / "run",
        data=folder,
        cache=folder / "maps",
        init=folder / "encoder",
        space=True,
        epochs=2,
        batch_size=16,
        embedding=16,
        hidden=32,
        values=32,
        attention=16,
        joint=32,
    )


def _state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return state


@pytest.mark.weights
def test_it_learns_and_ships_what_it_took_over(config: ReasonerTrainingConfig, tmp_path: Path) -> None:
    longer = replace(config, out=tmp_path / "run", epochs=25, learning_rate=5e-3, dropout=0.1, values=128)
    result = train_reasoner(longer)
    assert result.metrics["colour_accuracy"] > 0.9
    reasoner = load_attention_reasoner(result.folder)
    space, encoder = reasoner.network.space, load_lite(folder=config.data / "encoder", name="tiny", runtime="torch")
    assert space is not None
    answers = encoder.encode_texts(reasoner.vocabulary.answers)
    np.testing.assert_allclose(space.texts.numpy(), answers, atol=1e-3)
    photos = [open_photo(config.data / f"{i}.png") for i in range(64)]
    vectors = encoder.encode_images(photos)
    # Maps to train on are computed in bfloat16.
    np.testing.assert_allclose(space.centre.numpy(), vectors.mean(axis=0), atol=2e-2)
    pixels = np.stack([to_pixels(photo, reasoner.info.preprocess) for photo in photos])
    found = space.points(torch.from_numpy(reasoner.feature_maps(pixels)))
    away = functional.normalize(torch.from_numpy(vectors - vectors.mean(axis=0)), dim=1)
    assert float((functional.normalize(found, dim=1) * away).sum(dim=1).min()) > 0.95
    assert float(found.std()) == pytest.approx(1, abs=0.05)
    assert float(space.scale.abs().max()) > 0
    held = pixels[:8]
    told = reasoner.answer_pixels(held, ["what colour is it?"] * 8, AnswerOptions())
    assert sum(each.answers[0].text == COLOURS[i % 4] for i, each in enumerate(told)) >= 7


@pytest.mark.weights
@pytest.mark.parametrize("balance", ["none", "ogm_ge", "rubi"])
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    config: ReasonerTrainingConfig, tmp_path: Path, balance: Balance
) -> None:
    whole = replace(config, out=tmp_path / "whole", balance=balance)
    train_reasoner(whole)
    cut = replace(whole, out=tmp_path / "cut")

    def kill(progress: TrainingProgress) -> None:
        if progress.stage == "steps" and progress.detail.startswith("epoch 2") and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_reasoner(cut, kill)
    train_reasoner(replace(cut, resume=True))
    first, second = _state(whole.out), _state(cut.out)
    for part in ("trained", "average"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])
    with pytest.raises(RunFolderError, match=r"other settings .*space"):
        train_reasoner(replace(cut, resume=True, space=False))


@pytest.mark.weights
@pytest.mark.parametrize("inputs", ["question", "image"])
def test_baselines_see_one_stream(config: ReasonerTrainingConfig, tmp_path: Path, inputs: Inputs) -> None:
    result = train_reasoner(replace(config, out=tmp_path / "run", epochs=6, learning_rate=5e-3, inputs=inputs))
    assert result.metrics["yes/no_accuracy"] <= 0.75
    network = load_attention_reasoner(result.folder).network
    names = {name.split(".")[1] for name in network.state_dict() if name.startswith("space.")}
    assert names == (set() if inputs == "question" else {"head", "joint", "scale", "centre", "texts"})


@pytest.mark.weights
def test_a_run_from_before_there_was_a_space_goes_on(config: ReasonerTrainingConfig, tmp_path: Path) -> None:
    """Its settings and its manifest don't name one."""
    plain = replace(config, out=tmp_path / "run", space=False, epochs=1)
    train_reasoner(plain)
    assert "space" not in json.loads((plain.out / "settings.json").read_text())
    path = plain.out / MANIFEST_FILE
    fingerprint = load_attention_reasoner(plain.out).info.fingerprint
    manifest = json.loads(path.read_text())
    del manifest["network"]["space"]
    path.write_text(json.dumps(manifest))
    assert load_attention_reasoner(plain.out).info.fingerprint == fingerprint
    assert train_reasoner(replace(plain, resume=True)).epoch == 1


@pytest.mark.weights
def test_an_encoder_that_sees_other_photos_is_refused(config: ReasonerTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match="sees photos of 64 pixels, not of 96"):
        train_reasoner(replace(config, out=tmp_path / "run", image_size=96))


def test_a_space_needs_an_encoder_and_its_map(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name its folder with init"):
        ReasonerTrainingConfig(out=tmp_path, data=tmp_path, space=True)
    with pytest.raises(ValueError, match="needs maps of stage head"):
        ReasonerTrainingConfig(out=tmp_path, data=tmp_path, space=True, init=tmp_path, stage="stages")


@pytest.mark.parametrize("width", [3, 12])
def test_words_begin_at_their_principal_components(width: int) -> None:
    """Against the eigenvectors of the covariance; with room for all of them, the angles are those of the vectors."""
    torch.manual_seed(0)
    vectors, weight = torch.randn(7, 9), torch.randn(9, width)
    before = weight.clone()
    start_words(weight, vectors)
    reached = min(width, 6)
    assert torch.equal(weight[:2], before[:2])
    assert torch.equal(weight[:, reached:], before[:, reached:])
    rows = weight[2:, :reached]
    assert float(rows.square().mean()) == pytest.approx(1, rel=1e-5)
    centred = vectors - vectors.mean(dim=0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    for place in range(reached):
        along = centred @ directions[:, -1 - place]
        assert abs(float(functional.cosine_similarity(along, rows[:, place], dim=0))) == pytest.approx(1, abs=1e-4)
    if width >= 6:
        grams = rows @ rows.T, centred @ centred.T
        torch.testing.assert_close(*(gram / gram.trace() for gram in grams), rtol=1e-4, atol=1e-5)


def test_a_single_word_stays_where_chance_put_it() -> None:
    weight = torch.ones(3, 4)
    start_words(weight, torch.randn(1, 9))
    assert torch.equal(weight, torch.ones(3, 4))
