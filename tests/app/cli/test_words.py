from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.common import CommandError
from app.cli.words import parse_analogy
from index.expression import ExpressionError
from models.training.words import WordTrainingConfig, WordTrainingProgress, WordTrainingResult
from tests.app.cli.conftest import Tastespace


def test_similar(tastespace: Tastespace) -> None:
    result = tastespace("words", "similar", "Scallions", "-k", 3)
    assert result.exit_code == 0, result.output
    assert "scallion: also known as green onion" in result.stdout
    body = json.loads(tastespace("words", "similar", "scallion", "--json").stdout)
    assert body["name"] == "scallion"
    assert len(body["similar"]) == 10
    british = tastespace("words", "similar", "aubergine", "-k", 1).stdout
    assert british.startswith("eggplant: also known as aubergine, brinjal\n")


def test_an_unknown_name_is_one_sentence(tastespace: Tastespace) -> None:
    result = tastespace("words", "similar", "cinamon")
    assert result.exit_code == 1
    assert "did you mean 'cinnamon'" in result.stderr
    assert "Traceback" not in result.output


def test_analogy(tastespace: Tastespace) -> None:
    result = tastespace("words", "analogy", "white wine - chicken + beef", "--json")
    assert json.loads(result.stdout)["similar"][0]["name"] == "red wine"
    assert "red wine" in tastespace("words", "analogy", "white wine - chicken + beef", "--method", "add").stdout


@pytest.mark.parametrize(
    ("expression", "positive", "negative"),
    [
        ("butter", ["butter"], []),
        ("butter - cow + olive", ["butter", "olive"], ["cow"]),
        ("- cow + butter", ["butter"], ["cow"]),
        ("half-and-half + egg", ["half-and-half", "egg"], []),
        ('"white wine" - chicken', ["white wine"], ["chicken"]),
    ],
)
def test_operators_stand_between_spaces(expression: str, positive: list[str], negative: list[str]) -> None:
    assert parse_analogy(expression) == (positive, negative)


@pytest.mark.parametrize("expression", ["", "butter + - cow", "butter -", "+ "])
def test_a_missing_name_is_an_error_with_its_column(expression: str) -> None:
    with pytest.raises(ExpressionError, match="column"):
        parse_analogy(expression)


@pytest.mark.parametrize("expression", ["photo + beef", "@x - beef", "2:beef - pork"])
def test_an_analogy_is_of_names_alone(expression: str) -> None:
    with pytest.raises(CommandError, match="names alone"):
        parse_analogy(expression)


def test_training_gets_the_options(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[WordTrainingConfig] = []

    def train(config: WordTrainingConfig, on_progress: Any) -> WordTrainingResult:
        seen.append(config)
        on_progress(WordTrainingProgress("corpus", 0, 1, 2))
        on_progress(WordTrainingProgress("epochs", 1, 3, 3, {"loss": 2.0}))
        return WordTrainingResult(config.out, 2500, 70_000, {"loss": 2.0})

    monkeypatch.setattr("models.training.words.train_words", train)
    monkeypatch.setattr("sys.argv", ["tastespace", "train", "words", "--data", "/private/place/food"])
    run = ("train", "words", "--data", tmp_path, "--out", tmp_path / "run")
    result = tastespace(
        *run, "--seed", 7, "--epochs", 3, "--dim", 50, "--resume", "--text-corpus", tmp_path / "x.jsonl"
    )
    assert result.exit_code == 0, result.output
    assert "2,500 ingredients from 70,000 recipes" in result.stdout
    assert tastespace(*run).exit_code == 0
    config, default = seen
    assert (config.data, config.out, config.text_corpus) == (tmp_path, tmp_path / "run", tmp_path / "x.jsonl")
    assert (config.seed, config.epochs, config.dim, config.resume) == (7, 3, 50, True)
    assert config.command == "tastespace train words --data food"
    assert default.settings() == WordTrainingConfig(data=tmp_path, out=tmp_path / "run").settings()
    assert tastespace("train", "words", "--out", tmp_path / "run").exit_code == 2


def test_evaluation_prints_a_table_and_writes_json(tastespace: Tastespace, tmp_path: Path) -> None:
    record = {"id": "a", "title": "x", "ingredients": ["salt", "pepper", "2 eggs", "butter"], "split": "val"}
    (tmp_path / "recipes.jsonl").write_text(json.dumps(record) + "\n")
    result = tastespace("eval", "words", "--data", tmp_path, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "missing ingredient" in result.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["missing"]["n"] == 4
    assert report["synonyms"]["n"] > 100
    assert tastespace("eval", "words", "--words", tmp_path / "nowhere").exit_code == 1
    assert tastespace("eval", "words", "--json", tmp_path / "no" / "out.json").exit_code == 2
