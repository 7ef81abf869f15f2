"""``tastespace eval captions``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from models.captioning.loading import DEFAULT_CAPTIONER
from models.evaluation.caption_neighbours import NeighbourSource
from models.types import EncoderInfo, Float32Array, ImagePreprocess, UInt8Array
from tests.app.cli.conftest import Tastespace
from tests.models.evaluation.caption_world import (
    SIDE,
    ColourCaptioner,
    captions_of,
    mean_colours,
    write_captions,
    write_titles,
)


class ColourEncoder:
    """The colour of a photo as its joint vector."""

    info = EncoderInfo(
        "colour-space", "cd34", 3, ImagePreprocess(SIDE, (0.5,) * 3, (0.5,) * 3), device="cpu", parameters=0, licence=""
    )

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        found = pixels[:, 0, 0].astype("float32") - 110
        unit: Float32Array = found / (found**2).sum(axis=1, keepdims=True) ** 0.5
        return unit


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A captioner and an encoder of colours instead of real ones, without Java; what was loaded is noted."""
    found, calls = shutil.which, []

    def load(*arguments: object) -> ColourCaptioner:
        calls.append(arguments)
        return ColourCaptioner()

    monkeypatch.setattr("shutil.which", lambda name, *more: None if name == "java" else found(name, *more))
    monkeypatch.setattr("models.captioning.loading.load_captioner", load)
    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **_: ColourEncoder())
    return calls


def test_a_table_and_files(tastespace: Tastespace, loaded: list[tuple[object, ...]], tmp_path: Path) -> None:
    data = write_captions(tmp_path)
    result = tastespace(
        *("eval", "captions", "--data", data, "--beams", "3"),
        *("--json", tmp_path / "result.json", "--captions", tmp_path / "read.jsonl"),
    )
    assert result.exit_code == 0, result.output
    for shown in ("colours (general, 3 beams) on val", "nearest", "consensus of 90", "without brevity penalty"):
        assert shown in result.stdout
    assert "SPICE is left out" in result.stdout
    assert loaded == [(DEFAULT_CAPTIONER, "cpu")]
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["bleu1"] == pytest.approx(1)
    assert record["neighbours"] == "vectors of tastespace-lite"
    assert set(record["baselines"]) == {"nearest", "consensus_of_90"}
    lines = [json.loads(line) for line in (tmp_path / "read.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert lines[0] == {"id": "photo-2", "caption": captions_of(0, 2)[0], "references": captions_of(0, 2)}


def test_dish_names_of_other_weights_without_neighbours(
    tastespace: Tastespace, loaded: list[tuple[object, ...]], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    data = write_titles(tmp_path)
    for captioner in (tmp_path / "mine", f"tell:{tmp_path / 'mine'}", "huggingface:some/model"):
        result = tastespace(
            *("eval", "captions", "--data", data, "--style", "dish", "--no-neighbours", "--captioner", captioner)
        )
        assert result.exit_code == 0, result.output
        assert "colours (dish, 5 beams) on val" in result.stdout
        assert "no vectors were given" in result.stdout
    mine = f"tell:{tmp_path / 'mine'}"
    assert loaded == [(mine, "cpu"), (mine, "cpu"), ("huggingface:some/model", "cpu")]


def test_neighbours_by_frozen_features(
    tastespace: Tastespace, loaded: list[tuple[object, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def source(cache: Path, on_progress: Any) -> NeighbourSource:
        asked.append(cache)
        return NeighbourSource("frozen colours", mean_colours)

    monkeypatch.setattr("models.evaluation.caption_sources.frozen_source", source)
    data, file = write_captions(tmp_path), tmp_path / "result.json"
    result = tastespace("eval", "captions", "--data", data, "--cache", tmp_path / "cache", "--json", file)
    assert result.exit_code == 0, result.output
    assert asked == [tmp_path / "cache"]
    assert json.loads(file.read_text())["neighbours"] == "frozen colours"


def test_what_can_not_be_done_is_one_sentence(
    tastespace: Tastespace, loaded: list[tuple[object, ...]], tmp_path: Path
) -> None:
    for option in ("--json", "--captions"):
        result = tastespace("eval", "captions", "--data", tmp_path, option, tmp_path / "missing" / "file")
        assert result.exit_code == 2
        assert "is not a folder" in result.stderr
    assert loaded == []
    result = tastespace("eval", "captions", "--data", tmp_path, "--beams", "0")
    assert result.exit_code == 2
    result = tastespace("eval", "captions", "--data", tmp_path, "--no-neighbours")
    assert result.exit_code == 1
    assert "neither captions.jsonl nor recipes.jsonl" in result.stderr
    assert "Traceback" not in result.stderr
