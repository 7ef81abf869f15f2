"""``tastespace import`` and ``tastespace export``."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from app.cli import exchange
from index.types import FingerprintError
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import FakeEngine
from tests.app.importers.helpers import write, write_lines
from tests.app.importers.runtime import stored
from tests.app.importers.test_archive import archive
from tests.app.importers.test_hugo import SHORT
from tests.app.importers.test_run import line, write_source


def cells(output: str, name: str) -> list[str]:
    """The numbers of a row of the summary."""
    row = next(row for row in output.splitlines() if row.replace("│", " ").split()[:1] == [name])
    return row.replace("│", " ").split()[1:]


def test_import_then_again(tastespace: Tastespace, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 3)
    first = tastespace("import", source)
    assert first.exit_code == 0, first.output
    assert (cells(first.stdout, "recipes"), cells(first.stdout, "photos")) == (
        ["3", "0", "0", "0"],
        ["3", "0", "0", "0"],
    )
    again = tastespace("import", source, "--format", "folder")
    assert cells(again.stdout, "photos") == ["0", "0", "3", "0"]


def test_an_import_can_ask_for_captions(tastespace: Tastespace, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 2)
    ask = ("import", source, "--auto-captions", "--auto-captions-style", "general")
    assert cells(tastespace(*ask).stdout, "photos") == ["2", "0", "0", "0"]
    assert cells(tastespace(*ask).stdout, "photos") == ["0", "0", "2", "0"]
    assert cells(tastespace("import", source, "--auto-captions").stdout, "photos") == ["0", "2", "0", "0"]


def test_an_import_without_a_captioner_ends_before_it_begins(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.runtime.local_engine", lambda settings, metrics: FakeEngine(captioner=None))
    result = tastespace("import", write_source(tmp_path / "source", 2), "--auto-captions")
    assert result.exit_code == 1
    assert "TASTESPACE_CAPTIONER" in result.stderr
    assert "dish-0" not in result.output


def test_problems_are_said_and_written_and_do_not_fail_the_rest(tastespace: Tastespace, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 1)
    write_lines(source / "recipes.jsonl", [line(0), *["{"] * 30])
    result = tastespace("import", source, "--problems", tmp_path / "problems.jsonl")
    assert result.exit_code == 0
    assert "recipes.jsonl:2" in result.stderr
    assert "and 10 more" in result.stderr
    assert cells(result.stdout, "unreadable") == ["30"]
    problems = [json.loads(row) for row in (tmp_path / "problems.jsonl").read_text().splitlines()]
    assert len(problems) == 30
    assert problems[0].keys() == {"source", "detail", "lost"}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["import"], 2, "give a PATH, or --demo"),
        (["import", "x", "--demo"], 2, "not both"),
        (["import", "x", "--auto-captions-style", "dish"], 2, "needs --auto-captions"),
        (["import", "{tmp}/none"], 1, "there is no file or folder"),
        (["import", "{tmp}/source", "--format", "xml"], 1, "no format; choose one of"),
        (["import", "{tmp}/bad.zip"], 1, "not a zip archive"),
        (["import", "{tmp}/broken"], 1, "nothing was imported"),
        (["export", "{tmp}/out"], 1, "there is no catalogue"),
        (["import", "{tmp}/source", "--device", "tpu"], 2, "TASTESPACE_DEVICE is wrong"),
    ],
)
def test_errors_are_one_sentence(
    tastespace: Tastespace, tmp_path: Path, arguments: list[str], exit_code: int, message: str
) -> None:
    write_source(tmp_path / "source", 1)
    write(tmp_path / "bad.zip", b"x")
    write_lines(tmp_path / "broken/recipes.jsonl", ["{"])
    result = tastespace(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert result.exit_code == exit_code, result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_a_catalogue_of_another_encoder(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_source(tmp_path / "source", 1)
    tastespace("import", source)
    monkeypatch.setattr("app.runtime.local_engine", lambda settings, metrics: FakeEngine(fingerprint="0" * 64))
    result = tastespace("import", source)
    assert result.exit_code == 1
    assert "tastespace reindex" in result.stderr
    assert FingerprintError.__name__ not in result.output


def test_ctrl_c_is_clean(tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(work: object) -> None:
        work.close()  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(exchange, "run", interrupted)
    result = tastespace("import", write_source(tmp_path / "source", 1))
    assert result.exit_code == 130
    assert "Stopped" in result.stderr


def test_export_and_import(tastespace: Tastespace, tmp_path: Path) -> None:
    tastespace("import", write_source(tmp_path / "source", 3))
    result = tastespace("export", tmp_path / "out.zip")
    assert result.exit_code == 0, result.output
    assert "Exported 3 recipes and 3 photos" in result.stdout
    assert tastespace("export", tmp_path / "out.zip").exit_code == 1
    assert tastespace("export", tmp_path / "out.zip", "--force").exit_code == 0
    assert cells(tastespace("import", tmp_path / "out.zip").stdout, "recipes") == ["0", "0", "3", "0"]


def test_demo_brings_the_collection_and_the_builtin_recipes(
    tastespace: Tastespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(
        tmp_path / "demo.zip", ("public-domain-recipes-1a2b/content/my-soup.md", SHORT.encode())
    ).read_bytes()
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=packed)

    _serve(monkeypatch, answer)
    monkeypatch.setenv("TASTESPACE_BUILTIN_CATALOGUE", "true")
    result = tastespace("import", "--demo")
    assert result.exit_code == 0, result.output
    assert asked == [exchange.DEMO_URL]
    recipes, _ = stored(tmp_path / "data")
    assert "my-soup" in recipes
    assert len(recipes) > 120


def test_demo_without_a_network_is_one_sentence(tastespace: Tastespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host")

    _serve(monkeypatch, refuse)
    result = tastespace("import", "--demo")
    assert result.exit_code == 1
    assert "can't be fetched" in result.stderr
    assert "Traceback" not in result.output
    _serve(monkeypatch, lambda request: httpx.Response(404))
    result = tastespace("import", "--demo", "--demo-url", "https://example.org/demo.zip")
    assert "404" in result.stderr


def test_the_demo_is_pinned_to_a_revision() -> None:
    revision = exchange.DEMO_URL.removesuffix(".zip").rsplit("/", 1)[1]
    assert len(revision) == 40
    assert int(revision, 16)


def _serve(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    """Let httpx.stream answer from here."""
    client = httpx.Client(transport=httpx.MockTransport(answer))  # type: ignore[arg-type]

    def stream(method: str, url: str, *, follow_redirects: bool, timeout: float) -> object:
        return client.stream(method, url, follow_redirects=follow_redirects, timeout=timeout)

    monkeypatch.setattr(httpx, "stream", stream)
