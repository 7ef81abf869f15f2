"""SIGKILL in the middle of an import, start again, resume: nothing lost, nothing doubled, index equal to catalogue."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from index.catalogue import Catalogue
from index.types import Filter, Kind
from tests.e2e.service import Service, environment, tastespace
from tests.e2e.source import write_source, zip_source

pytestmark = [pytest.mark.e2e, pytest.mark.weights, pytest.mark.fault]

COUNT = 150


def stored(data_dir: Path) -> tuple[int, int]:
    """Recipes and photos that are committed; opened as a second process would."""
    catalogue = Catalogue.open(f"sqlite:///{data_dir / 'catalogue.sqlite'}")
    try:
        return catalogue.count(Kind.RECIPE, Filter()), catalogue.count(Kind.IMAGE, Filter())
    finally:
        catalogue.close()


def kill_import_after(data_dir: Path, source: Path, recipes: int) -> None:
    """Start an import and SIGKILL it as soon as ``recipes`` are committed (or let it end before that)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "import", str(source)],
        env=environment(data_dir, builtin_catalogue="false"),
        cwd=data_dir,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if (data_dir / "catalogue.sqlite").exists() and stored(data_dir)[0] >= recipes:
                break
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.mark.timeout(300)
def test_killed_imports_resume_from_the_command_line(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", COUNT)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    for recipes in (1, COUNT // 3):
        kill_import_after(data_dir, source, recipes)
        recipes_now, photos_now = stored(data_dir)
        assert recipes <= recipes_now <= COUNT
        assert recipes_now == photos_now, "a recipe and its photo are committed together"

    finished = tastespace(data_dir, "import", str(source), builtin_catalogue="false")
    assert finished.returncode == 0, finished.stderr
    assert stored(data_dir) == (COUNT, COUNT)
    doctor = tastespace(data_dir, "doctor", "--deep")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def wait_for_job(client: httpx.Client, job_id: str, states: set[str], timeout: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    job: dict[str, Any] = {}
    while time.monotonic() < deadline:
        job = client.get(f"/v1/jobs/{job_id}").json()
        if job["state"] in states:
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job is still {job}")


@pytest.mark.timeout(300)
def test_a_killed_service_resumes_its_import_job(tmp_path: Path) -> None:
    archive = zip_source(write_source(tmp_path / "source", COUNT), tmp_path / "source.zip")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    service = Service(data_dir, builtin_catalogue="false")
    service.start()
    with service.client() as client:
        accepted = client.post("/v1/imports", files={"file": ("source.zip", archive.read_bytes())})
        assert accepted.status_code == 202, accepted.text
        job_id = accepted.json()["id"]
        deadline = time.monotonic() + 120
        while stored(data_dir)[0] < 10 and time.monotonic() < deadline:
            time.sleep(0.02)
        service.kill()
    assert stored(data_dir)[0] >= 10

    service.start()
    try:
        with service.client() as client:
            job = wait_for_job(client, job_id, {"succeeded", "failed", "cancelled"})
            assert job["state"] == "succeeded", job
            assert stored(data_dir) == (COUNT, COUNT)
            hits = client.post("/v1/search/recipes", json={"text": "green dish", "k": COUNT}).json()["hits"]
            assert len({hit["id"] for hit in hits}) == COUNT
    finally:
        service.stop()
    doctor = tastespace(data_dir, "doctor", "--deep")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
