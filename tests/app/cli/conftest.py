"""The command line in this process, over a fake engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import app
from tests.app.fakes import FakeEngine

Tastespace = Callable[..., Result]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that commands get instead of a model."""
    fake = FakeEngine()
    monkeypatch.setattr("app.runtime.local_engine", lambda settings, metrics: fake)
    return fake


@pytest.fixture
def tastespace(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Tastespace:
    """Run ``tastespace ARGUMENTS`` on a data directory of the test's own."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TASTESPACE_BUILTIN_CATALOGUE", "false")

    def run(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, ["--data-dir", str(tmp_path / "data"), *words], prog_name="tastespace")

    return run
