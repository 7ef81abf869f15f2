"""``tastespace eval reasoning``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.app.cli.conftest import Tastespace
from tests.models.evaluation.caption_world import ColourCaptioner, write_captions
from tests.models.evaluation.reasoning_world import ColourReasoner, OneAnswer, write_questions
from tests.models.evaluation.test_reasoning_probes import NumberEncoder, write_numbers


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Models of colours instead of real ones, without Java; what was loaded is noted."""
    found, calls = shutil.which, list[object]()

    def alone(folder: Path, device: str) -> OneAnswer:
        calls.append(folder)
        return OneAnswer("no", "question" if folder.name == "asked" else "image")

    monkeypatch.setattr("shutil.which", lambda name, *more: None if name == "java" else found(name, *more))
    monkeypatch.setattr("models.reasoning.loading.load_reasoner", lambda *_: ColourReasoner())
    monkeypatch.setattr("models.reasoning.attend.load_attention_reasoner", alone)
    monkeypatch.setattr("models.captioning.loading.load_captioner", lambda *_: ColourCaptioner())
    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **_: NumberEncoder())
    return calls


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_all_probes_in_one_file(tastespace: Tastespace, loaded: list[object], tmp_path: Path) -> None:
    result = tastespace(
        *("eval", "reasoning", "--data", write_questions(tmp_path / "one", "one")),
        *("--data", write_questions(tmp_path / "two", "two")),
        *("--question-only", tmp_path / "asked", "--image-only", tmp_path / "seen"),
        *("--joint", write_numbers(folder(tmp_path / "joint"))),
        *("--captions", write_captions(folder(tmp_path / "captions"))),
        *("--json", tmp_path / "result.json"),
    )
    assert result.exit_code == 0, result.output
    assert loaded == [tmp_path / "asked", tmp_path / "seen"]
    record = json.loads((tmp_path / "result.json").read_text())
    assert list(record) == ["one", "two", "joint", "captioner"]
    for name in ("full", "question_only", "image_only", "shuffled", "majority", "n"):
        assert name in record["one"]
        assert name in record["one"]["types"]["presence"]
    assert record["one"]["full"] == 1
    for text in ("colour-reasoner on one (val)", "presence", "Question only: trained: always no", "R@10", "CIDEr-D"):
        assert text in result.output


def test_two_folders_of_one_data_set(tastespace: Tastespace, loaded: list[object], tmp_path: Path) -> None:
    data = write_questions(tmp_path)
    result = tastespace("eval", "reasoning", "--data", data, "--data", data)
    assert result.exit_code == 1
    assert "'colours'; give each once" in result.stderr


def test_swapped_baselines_are_refused(tastespace: Tastespace, loaded: list[object], tmp_path: Path) -> None:
    data = write_questions(tmp_path)
    result = tastespace("eval", "reasoning", "--data", data, "--image-only", tmp_path / "asked")
    assert result.exit_code == 1
    assert "train one with `tastespace train reasoner --inputs image`" in " ".join(result.stderr.split())


def test_nothing_to_measure(tastespace: Tastespace, loaded: list[object], tmp_path: Path) -> None:
    assert tastespace("eval", "reasoning").exit_code == 2
    lost = tastespace("eval", "reasoning", "--data", tmp_path, "--json", tmp_path / "no" / "r.json")
    assert lost.exit_code == 2
