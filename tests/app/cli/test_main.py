"""The command as users start it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__
from app.settings import Settings
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import FakeEngine
from tests.app.importers.test_run import write_source
from tests.paths import REPOSITORY

COMMANDS = (
    "serve", "import", "export", "search", "caption", "ask", "train joint", "eval retrieval", "reindex", "doctor",
)  # fmt: skip


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASTESPACE_")}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**inherited, "COLUMNS": "200", **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_version_and_help() -> None:
    assert python("-m", "app.cli.main", "--version").stdout.strip() == f"tastespace {__version__}"
    shown = python("-m", "app.cli.main", "--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert f" {command.split()[0]} " in shown.stdout


def test_nothing_heavy_is_imported_for_help() -> None:
    heavy = ("torch", "faiss", "open_clip", "transformers", "fastapi", "sqlalchemy", "numpy", "PIL", "httpx")
    code = f"import sys, app.cli.main; print([name for name in {heavy} if name in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"


def test_a_bad_data_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for arguments, code in (
        (("--data-dir", str(tmp_path / "none"), "doctor"), 1),
        (("doctor", "--data-dir", str(tmp_path / "file")), 1),
        (("import", str(REPOSITORY / "app" / "demo" / "recipes-mains.jsonl"), "--data-dir", str(tmp_path / "file")), 1),
        (("doctor", "--nonsense"), 2),
    ):
        result = python("-m", "app.cli.main", *arguments)
        assert result.returncode == code, result.stderr
        assert result.stderr.strip()
        assert "Traceback" not in result.stderr


def test_a_service_that_can_not_start_says_why_and_ends_with_1(tmp_path: Path) -> None:
    result = python(
        *("-m", "app.cli.main", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")),
        TASTESPACE_ENCODER="nonsense",
    )
    assert result.returncode == 1
    assert "can't start" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tastespace: Tastespace, command: str) -> None:
    result = tastespace(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: tastespace" in result.stdout


def test_the_environment_and_both_places_of_the_option(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASTESPACE_DATA_DIR", str(tmp_path / "environment"))
    assert str(tmp_path / "data") in tastespace("doctor").stderr.replace("\n", "")
    assert str(tmp_path / "after") in tastespace("doctor", "--data-dir", tmp_path / "after").stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        (["search", "recipes", "--text", "soup"], set()),
        (["reindex"], set()),
        (["import"], set()),
        (["import", "--auto-captions"], {"captioner"}),
    ],
)
def test_commands_load_no_model_that_they_have_no_use_for(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], loaded: set[str]
) -> None:
    source = write_source(tmp_path / "source", 1)
    assert tastespace("import", source).exit_code == 0
    asked: list[Settings] = []

    def engine(settings: Settings, metrics: object) -> FakeEngine:
        asked.append(settings)
        return FakeEngine()

    monkeypatch.setattr("app.runtime.local_engine", engine)
    for model in ("captioner", "reasoner", "generator"):
        monkeypatch.setenv(f"TASTESPACE_{model.upper()}", f"some-{model}")
    monkeypatch.setenv("TASTESPACE_PLACEMENT", "all=cpu@process,generator=cpu")
    result = tastespace(*command, *([source] if command[0] == "import" else []))
    assert result.exit_code == 0, result.output
    (settings,) = asked
    assert {name for name in ("captioner", "reasoner", "generator") if getattr(settings, name) != "none"} == loaded
