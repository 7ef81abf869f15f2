"""The walls between the rooms: who imports whom, and that an API process stays free of torch."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "open_clip", "timm", "transformers", "openvino")


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Absolute names of all that a file imports; with ``at_import`` only what runs when it is imported itself."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package) if node.level else ""
            base = base or node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def belongs_to(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def trespasses(paths: list[Path], forbidden: tuple[str, ...], *, at_import: bool = False) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in sorted(set(imports(path, at_import=at_import)))
        if any(belongs_to(name, package) for package in forbidden)
    ]


@pytest.mark.parametrize(
    "module",
    [
        "app",
        "app.pictures",
        "app.runtime",
        "app.factory",
        "app.cli.main",
        "app.services.words",
        "app.engine.local",
        "app.engine.specs",
        "app.engine.workers",
        "index",
        "index.catalogue",
        "index.replica",
        "models.types",
        "models.preprocess",
        "models.registry",
        "models.captioning.types",
        "models.captioning.vocabulary",
        "models.words.vectors",
        "models.evaluation.captions",
        "models.generation.loading",
        "models.generation.provenance",
        "models.generation.types",
        "models.reasoning.loading",
        "models.reasoning.figure",
        "models.evaluation.words",
    ],
)
def test_importing_loads_no_torch(module: str) -> None:
    """In an interpreter of its own: what other tests imported must not count."""
    if not exists(module):
        pytest.skip(f"{module} is not there yet")
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_the_index_knows_neither_app_nor_models_nor_torch() -> None:
    assert trespasses(sources("index"), ("app", "models", *HEAVY)) == []


def test_the_models_know_neither_app_nor_index() -> None:
    assert trespasses(sources("models"), ("app", "index", "faiss", "fastapi")) == []


def test_only_the_command_line_trains() -> None:
    service = [path for path in sources("app") if ROOT / "app" / "cli" not in path.parents]
    assert trespasses(service, ("models.training",)) == []


def test_no_room_imports_tests_or_benchmarks() -> None:
    assert trespasses(sources("app") + sources("index") + sources("models"), ("tests", "benchmarks")) == []


def test_the_app_touches_torch_in_its_workers_alone_and_there_only_when_they_load() -> None:
    workers = sorted((ROOT / "app" / "engine").glob("*_worker.py"))
    others = [path for path in sources("app") if path not in workers]
    assert trespasses(others, HEAVY, at_import=True) == []
    service = [path for path in others if ROOT / "app" / "cli" not in path.parents]
    assert trespasses(service, HEAVY) == []
    assert trespasses(workers, HEAVY, at_import=True) == []


@pytest.mark.parametrize("contract", ["index/types.py", "models/types.py", "app/engine/types.py"])
def test_the_contracts_are_plain(contract: str) -> None:
    assert trespasses([ROOT / contract], (*HEAVY, "faiss", "sqlalchemy", "fastapi")) == []


def test_trespasses_are_found_wherever_they_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search itself, held to a file that does all that is forbidden."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "index").mkdir()
    bad = tmp_path / "index" / "bad.py"
    bad.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import timm\n"
        "def later():\n    import torch.nn\n    from models import types\n"
        "from app import engine\n"
        "from . import types\n"
    )
    found = " ".join(trespasses([bad], ("app", "models", *HEAVY)))
    assert "torch.nn" in found
    assert "imports models" in found
    assert "imports timm" in found
    assert "imports app" in found
    assert trespasses([bad], HEAVY, at_import=True) == []
