"""``tastespace train captioner``: options in, results out; the training's own tests are elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.captioning.search import SearchSettings
from models.training.caption_loss import CaptionLossWeights
from models.training.captioner import CaptionerTrainingConfig, CaptionerTrainingResult
from models.training.joint import TrainingProgress
from tests.app.cli.conftest import Tastespace


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[CaptionerTrainingConfig]:
    """The configurations that would have been trained."""
    configs: list[CaptionerTrainingConfig] = []

    def train(config: CaptionerTrainingConfig, on_progress: Any) -> CaptionerTrainingResult:
        configs.append(config)
        on_progress(TrainingProgress("maps", "maps (whole)", 1, 2))
        on_progress(TrainingProgress("steps", "epoch 1, 900 words/s", 1, 1, {"nats": 3.0}))
        on_progress(TrainingProgress("epochs", "", 1, 1, {"general_bleu4": 20.0, "score": 0.5}))
        return CaptionerTrainingResult(config.out, 1, {"general_bleu4": 20.0, "score": 0.5})

    monkeypatch.setattr("models.training.captioner.train_captioner", train)
    return configs


def test_training_gets_the_options(
    tastespace: Tastespace, tmp_path: Path, seen: list[CaptionerTrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tastespace", "train", "captioner", "--captions", "/private/place/flickr8k"])
    result = tastespace(
        *("train", "captioner", "--captions", tmp_path, "--out", tmp_path / "run", "--seed", 7, "--epochs", 3),
        *("--self-critical-epochs", 2, "--stage", "stages", "--image-size", 288, "--init", tmp_path / "encoder"),
        *("--no-tied", "--crops", 1, "--label-smoothing", "0.2", "--beams", 4, "--max-words", 20, "--resume"),
    )
    assert result.exit_code == 0, result.output
    (config,) = seen
    assert (config.captions, config.recipes, config.out) == (tmp_path, None, tmp_path / "run")
    assert (config.seed, config.epochs, config.self_critical_epochs, config.resume) == (7, 3, 2, True)
    assert (config.stage, config.image_size, config.init) == ("stages", 288, tmp_path / "encoder")
    assert (config.tied, config.views) == (False, ("whole", "whole-flip", "wide-0"))
    assert config.loss == CaptionLossWeights(label_smoothing=0.2)
    assert config.search == SearchSettings(beams=4, max_words=20)
    assert config.command == "tastespace train captioner --captions flickr8k"
    assert "epoch 1 was kept (general_bleu4 20, score 0.5)" in result.stdout
    assert str(tmp_path / "run") in result.stdout


def test_the_defaults_are_those_of_the_configuration(
    tastespace: Tastespace, tmp_path: Path, seen: list[CaptionerTrainingConfig]
) -> None:
    assert tastespace("train", "captioner", "--recipes", tmp_path, "--out", tmp_path / "run").exit_code == 0
    (config,) = seen
    defaults = CaptionerTrainingConfig(out=tmp_path, recipes=tmp_path)
    assert config.settings() == defaults.settings()
    assert config.second_stage() == defaults.second_stage()


def test_data_is_needed(tastespace: Tastespace, tmp_path: Path, seen: list[CaptionerTrainingConfig]) -> None:
    result = tastespace("train", "captioner", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--recipes or both" in result.stderr
    assert seen == []


def test_training_on_nothing_is_one_sentence(tastespace: Tastespace, tmp_path: Path) -> None:
    result = tastespace("train", "captioner", "--captions", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "captions.jsonl" in result.stderr
    assert "Traceback" not in result.output
