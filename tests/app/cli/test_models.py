"""``tastespace train`` and ``tastespace eval``: options in, results out; the models' own tests are elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.retrieval import Measurement, RetrievalReport, Variant
from models.metrics import RetrievalMetrics
from models.training.finetune import FinetuneConfig
from models.training.joint import JointTrainingConfig, JointTrainingResult, TrainingProgress
from models.training.objective import PairOptions
from models.types import EncoderUnavailableError
from tests.app.cli.conftest import Tastespace


def test_training_gets_the_options(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[JointTrainingConfig, FinetuneConfig | None]] = []

    def train(config: JointTrainingConfig, tuning: FinetuneConfig | None, on_progress: Any) -> JointTrainingResult:
        seen.append((config, tuning))
        on_progress(TrainingProgress("features", "photos", 1, 2))
        on_progress(TrainingProgress("epochs", "", 3, 3, {"medr": 4.0}))
        return JointTrainingResult(config.out, 2, {"medr": 4.0})

    monkeypatch.setattr("models.training.pipeline.train_encoder", train)
    monkeypatch.setattr("sys.argv", ["tastespace", "train", "joint", "--data", "/private/place/food"])
    result = tastespace(
        *("train", "joint", "--data", tmp_path, "--out", tmp_path / "run", "--seed", 7, "--epochs", 3, "--resume"),
        *("--init", tmp_path / "old", "--text-corpus", tmp_path / "x.jsonl", "--learning-rate", "0.01"),
        *("--tower-rate", "1e-4", "--pair-loss", "info_nce", "--mixup", "0.5", "--semantic", "0"),
    )
    assert result.exit_code == 0, result.output
    ((config, tuning),) = seen
    assert tuning is not None
    assert (config.data, config.out, config.seed, config.epochs) == (tmp_path, tmp_path / "run", 7, 3)
    assert (config.resume, config.init, config.learning_rate) == (True, tmp_path / "old", 0.01)
    assert (tuning.seed, tuning.init, tuning.resume, tuning.tower_rate) == (7, tmp_path / "old", True, 1e-4)
    assert (config.pairs, config.loss.semantic) == (PairOptions(mixup=0.5), 0.0)
    assert (tuning.pairs, tuning.loss) == (config.pairs, config.loss)
    assert config.command == "tastespace train joint --data food"
    assert f"lite:{tmp_path / 'run'}" in result.stdout
    assert "epoch 2" in result.stdout


def test_the_defaults_are_those_of_the_configuration(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[JointTrainingConfig, FinetuneConfig | None]] = []

    def train(config: JointTrainingConfig, tuning: FinetuneConfig | None, on_progress: Any) -> JointTrainingResult:
        seen.append((config, tuning))
        return JointTrainingResult(config.out, 1, {})

    monkeypatch.setattr("models.training.pipeline.train_encoder", train)
    assert tastespace("train", "joint", "--data", tmp_path, "--out", tmp_path / "run").exit_code == 0
    ((config, tuning),) = seen
    assert tuning is not None
    assert config.settings() == JointTrainingConfig(data=tmp_path, out=tmp_path / "run").settings()
    assert tuning.settings() == FinetuneConfig(data=tmp_path, out=tmp_path, init=tmp_path / "run").settings()


def test_options_that_exclude_each_other_are_one_sentence(tastespace: Tastespace, tmp_path: Path) -> None:
    arguments = ("train", "joint", "--data", tmp_path, "--out", tmp_path / "run", "--pair-loss", "sigmoid")
    result = tastespace(*arguments, "--mixup", "0.5")
    assert result.exit_code == 1
    assert "the loss 'sigmoid' takes no mixup" in result.stderr


def test_training_of_heads_alone(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FinetuneConfig | None] = []

    def train(config: JointTrainingConfig, tuning: FinetuneConfig | None, on_progress: Any) -> JointTrainingResult:
        seen.append(tuning)
        return JointTrainingResult(config.out, 1, {})

    monkeypatch.setattr("models.training.pipeline.train_encoder", train)
    arguments = ("train", "joint", "--data", tmp_path, "--out", tmp_path / "run")
    assert tastespace(*arguments, "--finetune-epochs", 0).exit_code == 0
    assert seen == [None]
    refused = tastespace(*arguments, "--epochs", 0)
    assert refused.exit_code == 2
    assert "--init" in refused.stderr
    assert len(seen) == 1


def test_training_on_nothing_is_one_sentence(tastespace: Tastespace, tmp_path: Path) -> None:
    result = tastespace("train", "joint", "--data", tmp_path, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "recipes.jsonl" in result.stderr
    assert "Traceback" not in result.output


def _report() -> RetrievalReport:
    metrics = RetrievalMetrics(medr=2.5, r1=40.0, r5=60.0, r10=70.0, ties=0)
    std = {name: {"medr": 0.5, "r1": 1.0, "r5": 1.0, "r10": 1.25} for name in ("image_to_recipe", "recipe_to_image")}
    measurements = (Measurement(1000, 10, metrics, metrics, std),)
    return RetrievalReport("fake", "f" * 64, "val", 0, {"whole": Variant(2000, 0, measurements)})


def test_evaluation_prints_a_table_and_writes_json(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def evaluate(encoder: object, data: Path, split: str, *, seed: int, on_progress: Any) -> RetrievalReport:
        on_progress("photos", 1, 1)
        asked.append((encoder, data, split, seed))
        return _report()

    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **how: (spec, how["device"], how["runtime"]))
    monkeypatch.setattr("models.evaluation.retrieval.evaluate_retrieval", evaluate)
    target = tmp_path / "result.json"
    result = tastespace(
        *("eval", "retrieval", "--data", tmp_path, "--encoder", "lite:x", "--runtime", "torch"),
        *("--seed", 3, "--json", target),
    )
    assert result.exit_code == 0, result.output
    assert asked == [(("lite:x", "cpu", "torch"), tmp_path, "val", 3)]
    assert "70.0 ± 1.2" in result.stdout
    record = json.loads(target.read_text())
    assert (record["image_to_recipe"]["r10"], record["runtime"]) == (70.0, "torch")


def test_evaluation_errors(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: str, **how: object) -> object:
        raise EncoderUnavailableError("no encoder is called 'x'")

    monkeypatch.setattr("models.registry.load_encoder", refuse)
    result = tastespace("eval", "retrieval", "--data", tmp_path)
    assert (result.exit_code, result.stderr) == (1, "Error: no encoder is called 'x'\n")
    result = tastespace("eval", "retrieval", "--data", tmp_path, "--json", tmp_path / "none/result.json")
    assert result.exit_code == 2
