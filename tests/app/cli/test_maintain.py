"""``tastespace reindex`` and ``tastespace doctor``."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.blobs import BlobStore
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import FakeEngine
from tests.app.importers.test_run import write_source


@pytest.fixture
def filled(tastespace: Tastespace, tmp_path: Path) -> Tastespace:
    assert tastespace("import", write_source(tmp_path / "source", 3)).exit_code == 0
    return tastespace


def test_a_healthy_catalogue(filled: Tastespace) -> None:
    for arguments in ([], ["--deep"], ["--repair"]):
        result = filled("doctor", *arguments)
        assert result.exit_code == 0, result.output
        assert "Healthy: 3 recipes and 3 photos" in result.stdout


def test_a_lost_picture_is_found(filled: Tastespace, tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "data/blobs")
    path = blobs.path_for_serving(next(iter(blobs)))
    assert path is not None
    path.unlink()
    result = filled("doctor")
    assert result.exit_code == 1
    assert "blob-missing" in result.stdout
    assert "Healthy" not in result.stdout


@pytest.mark.fault
def test_a_damaged_index_is_rebuilt(filled: Tastespace, tmp_path: Path) -> None:
    saved = sorted((tmp_path / "data/index").glob("*.index"))
    assert saved
    for path in saved:
        path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    assert filled("doctor", "--repair").exit_code == 0
    assert filled("doctor", "--deep").exit_code == 0


def test_reindex_then_serve_with_the_new_encoder(
    filled: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(settings: object, metrics: object) -> FakeEngine:
        return FakeEngine(fingerprint="0" * 64)

    monkeypatch.setattr("app.runtime.local_engine", other)
    assert filled("search", "recipes", "--text", "x").exit_code == 1
    result = filled("reindex")
    assert result.exit_code == 0, result.output
    assert "Encoded 6 items" in result.stdout
    assert filled("search", "recipes", "--text", "x").exit_code == 0
    assert filled("doctor", "--deep").exit_code == 0


@pytest.mark.parametrize("command", ["reindex", "doctor"])
def test_without_a_catalogue(tastespace: Tastespace, tmp_path: Path, command: str) -> None:
    result = tastespace(command)
    assert result.exit_code == 1
    assert "there is no catalogue" in result.stderr
    assert not (tmp_path / "data").exists()


def test_what_is_no_catalogue(tastespace: Tastespace, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/catalogue.sqlite").write_bytes(b"no database at all" * 100)
    result = tastespace("doctor")
    assert result.exit_code == 1
    assert "Error:" in result.stderr
    assert "Traceback" not in result.output
