"""SIGKILL in the middle of an import, then the same import again: nothing lost, nothing doubled."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.importers.run import CHUNK_BUNDLES
from app.runtime import Runtime
from index.catalogue import Catalogue
from index.doctor import Severity, examine
from index.types import Kind
from tests.app.importers.runtime import everything, import_into, with_runtime
from tests.app.importers.test_run import write_source
from tests.paths import REPOSITORY

pytestmark = pytest.mark.fault

COUNT = 4 * CHUNK_BUNDLES


def counts(data_dir: Path) -> tuple[int, int]:
    """Recipes and photos that are committed, as another process sees them."""
    if not (data_dir / "catalogue.sqlite").exists():
        return 0, 0
    with Catalogue.open(f"sqlite:///{data_dir / 'catalogue.sqlite'}") as catalogue:
        return catalogue.count(Kind.RECIPE), catalogue.count(Kind.IMAGE)


def import_and_kill(data_dir: Path, source: Path, at_least: int) -> None:
    """Start an import and SIGKILL it once ``at_least`` recipes are committed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.importers.driver", str(data_dir), str(source)],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    try:
        while counts(data_dir)[0] < at_least:
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline, "the import does not get on"
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate(timeout=30)


def test_killed_imports_resume(tmp_path: Path) -> None:
    source, data_dir = write_source(tmp_path / "source", COUNT), tmp_path / "data"
    for at_least in (1, CHUNK_BUNDLES + 1):
        import_and_kill(data_dir, source, at_least)
        recipes, images = counts(data_dir)
        assert at_least <= recipes == images

    before = counts(data_dir)[0]
    report = import_into(data_dir, source)
    assert (report.recipes.unchanged, report.recipes.created) == (before, COUNT - before)

    async def look(runtime: Runtime) -> None:
        recipes, images = everything(runtime)
        assert set(recipes) == set(images) == {f"dish-{number}" for number in range(COUNT)}
        assert all(recipe.image_ids == (recipe.id,) for recipe in recipes.values())

    with_runtime(data_dir, look)


def test_after_a_kill_the_doctor_finds_nothing_wrong(tmp_path: Path) -> None:
    source, data_dir = write_source(tmp_path / "source", COUNT), tmp_path / "data"
    import_and_kill(data_dir, source, 1)

    async def check(runtime: Runtime) -> list[str]:
        found = examine(runtime.catalogue, runtime.replica, runtime.blobs, deep=True)
        return [finding.detail for finding in found if finding.severity is not Severity.INFO]

    assert with_runtime(data_dir, check) == []
