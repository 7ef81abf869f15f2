"""``tastespace eval generator``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.cli.conftest import Tastespace
from tests.models.evaluation.generator_world import GridBackbone, PlateGenerator, SoupEncoder, write_plates


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A generator of plates instead of a real one; how it was loaded is noted."""
    loaded: list[object] = []

    def load(spec: str, device: str, *, encoder: str | None) -> PlateGenerator:
        loaded.append((spec, device, encoder))
        return PlateGenerator()

    monkeypatch.setattr("models.generation.loading.load_generator", load)
    monkeypatch.setattr("models.evaluation.generator_backbone.LiteBackbone", lambda _: GridBackbone())
    monkeypatch.setattr("models.evaluation.generator_bounds.generator_bounds", lambda *_: None)
    monkeypatch.setattr("models.registry.load_encoder", lambda spec, **_: SoupEncoder())
    return loaded


def test_numbers_sheets_and_json(tastespace: Tastespace, drawn: list[object], tmp_path: Path) -> None:
    data = write_plates(tmp_path / "plates")
    names = {option: tmp_path / option for option in ("json", "sheet", "pairs", "cache")}
    result = tastespace(
        *("eval", "generator", "--data", data, "--generator", "latent:somewhere", "--pictures", 6, "--seed", 1),
        *(word for option, path in names.items() for word in (f"--{option}", path)),
    )
    assert result.exit_code == 0, result.output
    assert drawn == [("latent:somewhere", "cpu", "ef" * 32)]
    record = json.loads(names["json"].read_text())
    assert (record["n"], record["seed"], record["backbone"], record["split"]) == (6, 1, "grid", "val")
    for text in ("Fréchet distance", "R-precision, 1 of", "nearest training photo", "pictures a second", "no FID"):
        assert text in result.output
    assert names["sheet"].is_file()
    assert names["pairs"].is_file()
    assert len(list(names["cache"].iterdir())) == 2


def test_a_text_generator_needs_no_encoder(tastespace: Tastespace, drawn: list[object], tmp_path: Path) -> None:
    data = write_plates(tmp_path / "plates")
    words = ("eval", "generator", "--data", data, "--generator", "diffusers:tiny", "--pictures", 4)
    result = tastespace(*words)
    assert result.exit_code == 0, result.output
    ranked = tastespace(*words, "--candidates", 2)
    assert "best of 2" in ranked.output
    assert drawn == [("diffusers:tiny", "cpu", None)] * 2


def test_an_encoder_on_the_measuring_backbone_is_refused(
    tastespace: Tastespace, drawn: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.evaluation.generator_backbone.encoder_stands_on", lambda *_: True)
    result = tastespace("eval", "generator", "--data", tmp_path)
    assert result.exit_code == 1
    assert "the encoder tastespace-lite stands on grid" in result.stderr


@pytest.mark.parametrize("option", ["--json", "--sheet", "--pairs"])
def test_files_in_folders_that_are_not_there(
    tastespace: Tastespace, drawn: list[object], tmp_path: Path, option: str
) -> None:
    result = tastespace("eval", "generator", "--data", tmp_path, option, tmp_path / "no" / "file")
    assert result.exit_code == 2
    assert drawn == []
