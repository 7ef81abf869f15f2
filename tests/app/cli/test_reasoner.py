"""``tastespace train reasoner``: options in, results out; the training's own tests are elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.training.joint import TrainingProgress
from models.training.reasoner import ReasonerTrainingConfig, ReasonerTrainingResult
from tests.app.cli.conftest import Tastespace


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[ReasonerTrainingConfig]:
    """The configurations that would have been trained."""
    configs: list[ReasonerTrainingConfig] = []

    def train(config: ReasonerTrainingConfig, on_progress: Any) -> ReasonerTrainingResult:
        configs.append(config)
        on_progress(TrainingProgress("maps", "maps (whole)", 1, 2))
        on_progress(TrainingProgress("steps", "epoch 1, 900 questions/s", 1, 1, {"loss": 3.0}))
        on_progress(TrainingProgress("epochs", "", 1, 1, {"accuracy": 0.5}))
        return ReasonerTrainingResult(config.out, 1, {"accuracy": 0.5})

    monkeypatch.setattr("models.training.reasoner.train_reasoner", train)
    return configs


def test_training_gets_the_options(
    tastespace: Tastespace, tmp_path: Path, seen: list[ReasonerTrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tastespace", "train", "reasoner", "--data", "/private/place/easy-vqa"])
    result = tastespace(
        *("train", "reasoner", "--data", tmp_path, "--out", tmp_path / "run", "--seed", 7, "--epochs", 3),
        *("--stage", "stages", "--image-size", 128, "--init", tmp_path / "encoder", "--fusion", "film"),
        *("--balance", "rubi", "--loss", "softmax", "--no-flip", "--crops", 1, "--hidden", 64, "--resume"),
    )
    assert result.exit_code == 0, result.output
    (config,) = seen
    assert (config.data, config.out) == (tmp_path, tmp_path / "run")
    assert (config.seed, config.epochs, config.resume) == (7, 3, True)
    assert (config.stage, config.image_size, config.init) == ("stages", 128, tmp_path / "encoder")
    assert (config.fusion, config.balance, config.loss, config.hidden) == ("film", "rubi", "softmax", 64)
    assert config.views == ("whole", "wide-0")
    assert config.command == "tastespace train reasoner --data easy-vqa"
    assert "epoch 1 was kept (accuracy 0.5)" in result.stdout
    assert str(tmp_path / "run") in result.stdout


def test_the_defaults_are_those_of_the_configuration(
    tastespace: Tastespace, tmp_path: Path, seen: list[ReasonerTrainingConfig]
) -> None:
    assert tastespace("train", "reasoner", "--data", tmp_path, "--out", tmp_path / "run").exit_code == 0
    (config,) = seen
    assert replace(config, command="") == ReasonerTrainingConfig(out=tmp_path / "run", data=tmp_path, command="")


def test_a_space_is_that_of_an_encoder(
    tastespace: Tastespace, tmp_path: Path, seen: list[ReasonerTrainingConfig]
) -> None:
    train = ("train", "reasoner", "--data", tmp_path, "--out", tmp_path / "run", "--space")
    encoder = ("--init", tmp_path / "encoder")
    for more, message in (((), "one with --init"), ((*encoder, "--stage", "stages"), "--stage head")):
        result = tastespace(*train, *more)
        assert result.exit_code == 2
        assert message in " ".join(result.output.replace("│", " ").split())
    assert not seen
    assert tastespace(*train, *encoder).exit_code == 0
    assert [config.space for config in seen] == [True]


def test_a_single_stream_has_nothing_to_balance(
    tastespace: Tastespace, tmp_path: Path, seen: list[ReasonerTrainingConfig]
) -> None:
    result = tastespace(
        *("train", "reasoner", "--data", tmp_path, "--out", tmp_path / "run"),
        *("--inputs", "question", "--balance", "ogm_ge"),
    )
    assert result.exit_code == 2
    assert not seen
