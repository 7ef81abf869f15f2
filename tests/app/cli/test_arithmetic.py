"""``tastespace eval arithmetic``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.app.cli.conftest import Tastespace
from tests.app.evaluation.planted import PlantedEncoder, write_world


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **_: PlantedEncoder())


def test_a_table_a_file_and_a_sheet(tastespace: Tastespace, tmp_path: Path) -> None:
    data = write_world(tmp_path)
    result = tastespace(
        *("eval", "arithmetic", "--data", data, "--queries", "24", "--seed", "1", "--jaccard", "0.5"),
        *("--json", tmp_path / "result.json", "--contact-sheet", tmp_path / "sheet.png"),
    )
    assert result.exit_code == 0, result.output
    for shown in ("swap a tag: 24 queries", "text_difference (0.75)", "text_only", "random", "95 % interval"):
        assert shown in result.stdout
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["queries"] == 24
    assert record["jaccard"] == 0.5
    assert set(record["families"]) == {"swap", "add", "remove"}
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG"


def test_the_encoder_is_that_of_the_settings(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def load(spec: str, **how: object) -> PlantedEncoder:
        asked.append((spec, how))
        return PlantedEncoder()

    monkeypatch.setattr("models.registry.load_encoder", load)
    monkeypatch.setenv("TASTESPACE_ENCODER", "lite:x")
    monkeypatch.setenv("TASTESPACE_MODEL_CACHE", str(tmp_path / "cache"))
    arguments = ("eval", "arithmetic", "--data", write_world(tmp_path), "--queries", "4", "--jaccard", "0.5")
    assert tastespace(*arguments).exit_code == 0
    assert tastespace(*arguments, "--encoder", "lite:y", "--device", "cuda", "--runtime", "torch").exit_code == 0
    cache = tmp_path / "cache"
    assert asked == [
        ("lite:x", {"device": "cpu", "runtime": "auto", "cache": cache, "threads": 0}),
        ("lite:y", {"device": "cuda", "runtime": "torch", "cache": cache, "threads": 0}),
    ]


def test_tuning_prints_a_table(tastespace: Tastespace, tmp_path: Path) -> None:
    result = tastespace("eval", "arithmetic", "--data", write_world(tmp_path, splits=["train"]), "--tune")
    assert result.exit_code == 0, result.output
    assert "projection" in result.stdout
    assert "0.85" in result.stdout  # one of the balances


def test_what_can_not_be_written_is_said_before_the_model_is_loaded(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(spec: str, **_: str) -> PlantedEncoder:
        raise AssertionError(f"{spec} was loaded")

    monkeypatch.setattr("models.registry.load_encoder", loaded)
    missing = tmp_path / "missing" / "file"
    for option in ("--json", "--contact-sheet"):
        result = tastespace("eval", "arithmetic", "--data", tmp_path, option, missing)
        assert result.exit_code == 2
        assert "is not a folder" in result.stderr
    result = tastespace("eval", "arithmetic", "--data", tmp_path, "--tune", "--json", tmp_path / "file")
    assert result.exit_code == 2
    assert "--tune" in result.stderr


def test_data_that_is_not_there_is_one_sentence(tastespace: Tastespace, tmp_path: Path) -> None:
    result = tastespace("eval", "arithmetic", "--data", tmp_path)
    assert result.exit_code == 1
    assert "recipes.jsonl" in result.stderr
