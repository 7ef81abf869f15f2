"""``tastespace tag``, ``train tags``, ``eval tags`` and ``import --auto-tags``, over an encoder that sees colours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.app.api.test_tagging import write_head
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import picture
from tests.models.tag_world import COLOURS, ColourEncoder, write_world


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> ColourEncoder:
    made = ColourEncoder()
    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **how: made)
    return made


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_world(tmp_path / "world")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "dinner.png"
    Image.new("RGB", (32, 24), COLOURS["Pasta"]).save(path)
    return path


def test_train_then_tag_then_measure(tastespace: Tastespace, world: Path, photo: Path, tmp_path: Path) -> None:
    weights = tmp_path / "run" / "tags"
    result = tastespace("train", "tags", "--data", world, "--out", weights, "--min-positives", 5)
    assert result.exit_code == 0, result.output
    assert "4 tags on 72 photos" in result.stdout
    assert f"TASTESPACE_TAGS={weights}" in result.stdout

    result = tastespace("tag", photo, "--tags", weights, "-k", 2)
    assert result.exit_code == 0, result.output
    assert "Pasta" in result.stdout
    assert "dinner.png" in result.stdout
    result = tastespace("tag", photo, photo, "--tags", weights, "--json", "--group", "dish", "--min-probability", 0.3)
    records = json.loads(result.stdout)
    assert [record["file"] for record in records] == [str(photo)] * 2
    assert [each["tag"] for each in records[0]["tags"]] == ["Pasta"]

    target = tmp_path / "result.json"
    options = ("--min-positives", 5, "--json", target)
    result = tastespace("eval", "tags", "--data", world, "--tags", weights, "--method", "head", *options)
    assert result.exit_code == 0, result.output
    record = json.loads(target.read_text())
    assert {"map", "f1", "ece", "per_tag"} <= record.keys()
    assert list(record["methods"]) == ["head"]
    assert "prior" in result.stdout
    result = tastespace("eval", "tags", "--data", world, "--tags", weights, "--method", "zero-shot", *options)
    assert json.loads(target.read_text())["method"] == "zero-shot"


def test_a_vocabulary_of_ones_own_needs_no_weights(tastespace: Tastespace, photo: Path) -> None:
    result = tastespace("tag", photo, "--vocabulary", "tomato, pasta,Tomato,blini", "--json")
    assert result.exit_code == 0, result.output
    tags = json.loads(result.stdout)[0]["tags"]
    assert tags[0]["tag"] == "pasta"
    assert {each["tag"] for each in tags} == {"tomato", "pasta", "blini"}
    assert tastespace("tag", photo, "--vocabulary", "a,,b").exit_code == 2


def test_a_labelled_folder_is_measured(tastespace: Tastespace, world: Path, tmp_path: Path) -> None:
    lines = [{"image": f"{number}.png", "label": list(COLOURS)[number % 4]} for number in range(8)]
    (world / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = tastespace("eval", "tags", "--data", world, "--json", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    assert "8 photos, 4 labels" in result.stdout
    assert json.loads((tmp_path / "result.json").read_text())["top5"] == 100.0


def test_errors_are_one_sentence(tastespace: Tastespace, world: Path, photo: Path, tmp_path: Path) -> None:
    result = tastespace("tag", photo)
    assert result.exit_code == 1
    assert "tastespace train tags" in result.stderr
    assert "Traceback" not in result.output
    result = tastespace("eval", "tags", "--data", tmp_path)
    assert (result.exit_code, "recipes.jsonl" in result.stderr) == (1, True)
    result = tastespace("train", "tags", "--data", tmp_path, "--out", tmp_path / "out")
    assert (result.exit_code, "recipes.jsonl" in result.stderr) == (1, True)
    (tmp_path / "text.jpg").write_text("no picture")
    result = tastespace("tag", photo, tmp_path / "text.jpg", "--vocabulary", "a")
    assert (result.exit_code, "text.jpg: " in result.stderr) == (1, True)
    assert tastespace("tag", tmp_path / "nobody.jpg").exit_code == 2
    assert tastespace("eval", "tags", "--data", world, "--json", tmp_path / "none" / "x.json").exit_code == 2


def test_an_import_adds_tags(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "one.png").write_bytes(picture("meat"))
    arguments = ("import", folder, "--no-folder-tags", "--auto-tags")
    result = tastespace(*arguments)
    assert result.exit_code == 1
    assert "tastespace train tags" in result.stderr
    monkeypatch.setenv("TASTESPACE_TAGS", str(write_head(tmp_path / "tags")))
    result = tastespace(*arguments, "--auto-tags-min", 0.4)
    assert result.exit_code == 0, result.output
    result = tastespace("search", "images", "--tag", "meat", "--only-tag", "meat", "--json")
    assert len(json.loads(result.stdout)["hits"]) == 1
    assert tastespace("import", folder, "--auto-tags-min", 0.4).exit_code == 2
