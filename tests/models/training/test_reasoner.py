"""Training of reasoners: what it learns, leaves behind, repeats and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from models.data import DataError
from models.photos import open_photo
from models.preprocess import to_pixels
from models.reasoning.attend import load_attention_reasoner
from models.reasoning.network import Fusion, Inputs
from models.reasoning.types import AnswerOptions
from models.training.joint import TrainingProgress
from models.training.reasoner import ReasonerTrainingConfig, train_reasoner
from models.training.reasoner_config import Balance
from models.training.run_folder import RunFolderError
from models.weight_folder import MANIFEST_FILE, WEIGHTS_FILE
from tests.models.training.reasoning_world import COLOURS, write_colours

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ReasonerTrainingConfig:
    """Two epochs, seconds."""
    folder = tmp_path_factory.mktemp("colours")
    write_colours(folder)
    return ReasonerTrainingConfig(
        out=folder / "run",
        data=folder,
        cache=folder / "maps",
        epochs=2,
        batch_size=16,
        image_size=64,
        embedding=16,
        hidden=32,
        values=32,
        attention=16,
        joint=32,
    )


def _lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _same(left: Path, right: Path) -> bool:
    """The weights that ship, those in training and those of the average."""
    a, b = (load_file(str(folder / WEIGHTS_FILE)) for folder in (left, right))
    states: list[dict[str, Any]] = [torch.load(folder / "state.pt", weights_only=True) for folder in (left, right)]
    return all(np.array_equal(a[name], b[name]) for name in a.keys() | b.keys()) and all(
        torch.equal(states[0][part][name], states[1][part][name])
        for part in ("trained", "average")
        for name in states[0][part]
    )


def test_it_leaves_a_reasoner_with_metrics_and_a_manifest(config: ReasonerTrainingConfig) -> None:
    seen: list[TrainingProgress] = []
    result = train_reasoner(config, seen.append)
    assert {"maps", "steps", "epochs"} == {progress.stage for progress in seen}
    assert any("questions/s" in progress.detail for progress in seen)
    lines = _lines(config.out)
    assert [line["epoch"] for line in lines] == [1, 2]
    measured = {"accuracy", "colour_accuracy", "yes/no_accuracy", "type_accuracy", "ece", "ece_uncalibrated"}
    assert {"loss", "answers", "types", "seconds"} | measured <= lines[0].keys()
    assert result.metrics["accuracy"] == max(line["accuracy"] for line in lines)
    reasoner = load_attention_reasoner(result.folder)
    assert reasoner.info.question_types == ("colour", "yes/no")
    assert set(reasoner.vocabulary.answers) == {*COLOURS, "yes", "no"}
    manifest = json.loads((config.out / MANIFEST_FILE).read_text())
    assert (manifest["training"]["questions"], manifest["training"]["photos"]) == (192, 64)
    assert manifest["metrics"]["val, during training"] == dict(result.metrics)
    assert str(config.out.parent) not in json.dumps(manifest)


@pytest.mark.parametrize("fusion", ["gated", "film"])
def test_it_learns_what_the_photos_show(config: ReasonerTrainingConfig, tmp_path: Path, fusion: Fusion) -> None:
    """Plates that it has not seen the photos of."""
    longer = replace(
        config, out=tmp_path / "run", epochs=30, learning_rate=5e-3, fusion=fusion, dropout=0.1, values=128
    )
    result = train_reasoner(longer)
    assert result.metrics["colour_accuracy"] > 0.9
    assert result.metrics["type_accuracy"] == 1
    reasoner = load_attention_reasoner(result.folder)
    photos = [open_photo(config.data / f"{i}.png") for i in range(64, 80)]
    pixels = np.stack([to_pixels(photo, reasoner.info.preprocess) for photo in photos])
    found = reasoner.answer_pixels(pixels, ["what colour is it?"] * 16, AnswerOptions(top_k=2))
    assert sum(each.answers[0].text == COLOURS[i % 4] for i, each in enumerate(found, start=64)) >= 15
    assert {each.question_type for each in found} == {"colour"}
    assert all(each.answers[0].probability >= each.answers[1].probability for each in found)


@pytest.mark.parametrize("inputs", ["question", "image"])
def test_neither_stream_alone_tells_whether_it_is(
    config: ReasonerTrainingConfig, tmp_path: Path, inputs: Inputs
) -> None:
    """A photo is asked for its own colour and for another one, so that one stream is right half of the time."""
    result = train_reasoner(replace(config, out=tmp_path / "run", epochs=8, learning_rate=5e-3, inputs=inputs))
    assert result.metrics["yes/no_accuracy"] <= 0.75
    assert result.metrics["type_accuracy"] == 1


@pytest.mark.parametrize("balance", ["ogm_ge", "rubi"])
def test_a_balanced_run_says_what_it_did(config: ReasonerTrainingConfig, tmp_path: Path, balance: Balance) -> None:
    result = train_reasoner(replace(config, out=tmp_path / "run", balance=balance))
    line = _lines(result.folder)[-1]
    if balance == "rubi":
        assert line["question_only"] > 0
    else:
        assert 0 < line["question_rate"] <= 1
        assert 0 < line["image_rate"] <= 1
        assert line["ratio"] > 0
    # The remedy is left out of what answers.
    assert load_attention_reasoner(result.folder).info.question_types == ("colour", "yes/no")
    assert not any("mask" in name for name in load_file(str(result.folder / WEIGHTS_FILE)))


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
    assert _same(whole.out, cut.out)
    assert [line["epoch"] for line in _lines(cut.out)] == [1, 2]
    with pytest.raises(RunFolderError, match="holds a run already"):
        train_reasoner(cut)
    with pytest.raises(RunFolderError, match=r"other settings .*hidden"):
        train_reasoner(replace(cut, resume=True, hidden=64))


def test_without_held_questions_the_last_epoch_is_kept(config: ReasonerTrainingConfig, tmp_path: Path) -> None:
    write_colours(tmp_path, 8, 4, val=False)
    result = train_reasoner(replace(config, data=tmp_path, out=tmp_path / "run"))
    assert (result.epoch, dict(result.metrics)) == (2, {})
    assert load_attention_reasoner(result.folder).calibration.temperatures == (1.0, 1.0)


def test_what_there_is_nothing_to_learn_from_is_refused(config: ReasonerTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no questions\.jsonl"):
        train_reasoner(replace(config, data=tmp_path, out=tmp_path / "run"))
    with pytest.raises(DataError, match=r"no answer belongs to 999 questions.*lower min_answers"):
        train_reasoner(replace(config, out=tmp_path / "run", min_answers=999))
    with pytest.raises(ValueError, match="nothing to balance"):
        replace(config, inputs="question", balance="rubi")
