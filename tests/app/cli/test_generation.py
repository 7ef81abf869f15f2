"""``tastespace train autoencoder`` and ``train generator``: options in, results out; the trainings have tests of their
own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.generation.autoencoder import AutoencoderConfig
from models.generation.flow import FlowSampling
from models.training.generator import GeneratorTrainingConfig, GeneratorTrainingResult
from models.training.generator_config import ConditionMix, FlowOptions, GanOptions
from models.training.joint import TrainingProgress
from models.training.pictures import AutoencoderTrainingConfig, AutoencoderTrainingResult
from tests.app.cli.conftest import Tastespace


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The configurations that would have been trained."""
    configs: list[Any] = []

    def of(result: type[Any]) -> Any:
        def train(config: Any, on_progress: Any) -> Any:
            configs.append(config)
            on_progress(TrainingProgress("photos", "", 1, 2))
            on_progress(TrainingProgress("steps", "epoch 1, 300 samples/s", 1, 1, {"loss": 3.0}))
            on_progress(TrainingProgress("epochs", "", 1, 1, {"spread": 0.5}))
            return result(config.out, {"spread": 0.5})

        return train

    monkeypatch.setattr("models.training.pictures.train_autoencoder", of(AutoencoderTrainingResult))
    monkeypatch.setattr("models.training.generator.train_generator", of(GeneratorTrainingResult))
    monkeypatch.setattr("sys.argv", ["tastespace", "train", "--data", "/private/place/photos"])
    return configs


def test_an_autoencoder_gets_the_options(tastespace: Tastespace, tmp_path: Path, seen: list[Any]) -> None:
    result = tastespace(
        *("train", "autoencoder", "--data", tmp_path, "--out", tmp_path / "run", "--seed", 7, "--epochs", 3),
        *("--size", 64, "--channels", 4, "--decoder", 32, 16, 8, "--blocks", 1, 1, 0, "--adversarial", 0, "--resume"),
    )
    assert result.exit_code == 0, result.output
    (config,) = seen
    assert config.model == AutoencoderConfig(64, 4, decoder=(32, 16, 8), blocks=(1, 1, 0))
    assert (config.seed, config.epochs, config.adversarial, config.resume) == (7, 3, 0, True)
    assert config.command == "tastespace train --data photos"
    assert "Trained (spread 0.5)" in result.stdout
    assert str(tmp_path / "run") in result.stdout


def test_a_generator_gets_the_options(tastespace: Tastespace, tmp_path: Path, seen: list[Any]) -> None:
    result = tastespace(
        *("train", "generator", "--data", tmp_path, "--out", tmp_path / "run", "--autoencoder", tmp_path / "coder"),
        *(
            "--backend",
            "gan",
            "--widths",
            "64,32",
            "--critic",
            16,
            "--matching",
            "0.5",
            "--parts",
            "0.25",
            "--variety",
            3,
        ),
        *("--text-share", 1, "--recipe-share", 0, "--photo-share", 0, "--condition-noise", "0.1"),
    )
    assert result.exit_code == 0, result.output
    result = tastespace(
        *("train", "generator", "--data", tmp_path, "--out", tmp_path / "run", "--init", tmp_path / "before"),
        *("--widths", "32,64", "--blocks", "1,2", "--attention", "0,1", "--solver", "heun", "--guidance", 4),
        *("--align", "0.5"),
    )
    assert result.exit_code == 0, result.output
    gan, flow = seen
    assert gan.gan == GanOptions(widths=(64, 32), critic=16, matching=0.5, parts=0.25, variety=3)
    assert gan.mix == ConditionMix(1, 0, 0, 0.1)
    assert (gan.backend, gan.autoencoder, gan.learning_rate) == ("gan", tmp_path / "coder", 2e-4)
    sampling = FlowSampling(solver="heun", guidance=4)
    assert flow.flow == FlowOptions((32, 64), (1, 2), (False, True), sampling=sampling, align=0.5)
    assert (flow.backend, flow.init, flow.learning_rate) == ("flow", tmp_path / "before", 5e-4)


def test_the_defaults_are_those_of_the_configurations(tastespace: Tastespace, tmp_path: Path, seen: list[Any]) -> None:
    for command in ("autoencoder", "generator"):
        assert tastespace("train", command, "--data", tmp_path, "--out", tmp_path / "run").exit_code == 0
    kinds: list[Any] = [AutoencoderTrainingConfig, GeneratorTrainingConfig]
    for config, kind in zip(seen, kinds, strict=True):
        assert config.settings() == kind(data=tmp_path, out=tmp_path).settings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("autoencoder", "--size", "100"), "multiple of 8"),
        (("autoencoder", "--encoder", "33"), "even number"),
        (("generator", "--widths", "wide"), "not a row of numbers"),
        (("generator", "--backend", "gan", "--align", "0.5"), "only a flow can be aligned"),
        (("generator", "--text-share", "0", "--recipe-share", "0", "--photo-share", "0"), "must not be negative"),
    ],
)
def test_options_that_make_no_sense_are_said(
    tastespace: Tastespace, tmp_path: Path, seen: list[Any], options: tuple[str, ...], message: str
) -> None:
    result = tastespace("train", *options, "--data", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
    assert not seen
