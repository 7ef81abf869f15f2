from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.jobs import JobRunner
from index.jobs import Job, JobState, JobStore
from tests.app.conftest import Service, until

pytestmark = pytest.mark.anyio


async def _ended(runner: JobRunner, job_id: str) -> Job:
    async def ended() -> bool:
        return (await runner.get(job_id)).state.is_final

    await until(ended)
    return await runner.get(job_id)


def _aged(path: Path) -> Path:
    old = time.time() - 48 * 3600
    os.utime(path, (old, old))
    return path


async def test_a_folder_stays_and_a_missing_one_fails(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "recipes.jsonl").write_text('{"id": "a", "title": "soup", "ingredients": ["water"]}')
    runner = service.runtime.jobs
    job = await runner.submit_import(folder, name="source", uploaded=False)
    assert (await _ended(runner, job.id)).state is JobState.SUCCEEDED
    assert (folder / "recipes.jsonl").exists()
    job = await runner.submit_import(tmp_path / "gone", name="gone", uploaded=False)
    ended = await _ended(runner, job.id)
    assert ended.state is JobState.FAILED
    assert "gone" in ended.detail
    assert str(tmp_path) not in ended.detail


async def test_a_broken_model_fails_the_job_with_its_sentence(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.importers.run._PAUSES_S", ())
    path = tmp_path / "recipes.jsonl"
    path.write_text('{"id": "a", "title": "soup", "ingredients": ["water"]}')
    service.engine.unavailable = True
    runner = service.runtime.jobs
    ended = await _ended(runner, (await runner.submit_import(path, name="x", uploaded=False)).id)
    assert (ended.state, ended.detail) == (JobState.FAILED, "the worker died")


async def test_a_fault_fails_the_job_and_the_runner_goes_on(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recipes.jsonl"
    path.write_text('{"id": "a", "title": "soup", "ingredients": ["water"]}')

    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError("the secret inside")

    runner = service.runtime.jobs
    monkeypatch.setattr("app.job_runs.run_import", explode)
    ended = await _ended(runner, (await runner.submit_import(path, name="x", uploaded=False)).id)
    assert ended.state is JobState.FAILED
    assert "secret" not in ended.detail
    assert "the secret inside" in caplog.text
    monkeypatch.undo()
    ended = await _ended(runner, (await runner.submit_import(path, name="x", uploaded=False)).id)
    assert ended.state is JobState.SUCCEEDED


async def test_what_a_killed_process_left_is_swept_when_old(service: Service) -> None:
    runtime = service.runtime
    await runtime.jobs.stop()
    uploads = runtime.settings.uploads_dir
    (uploads / "import-x").mkdir(parents=True)
    (uploads / "import-x" / "file").write_text("x")
    _aged(uploads / "import-x")
    for name in ("old.zip", "waiting.zip", "new.zip"):
        (uploads / name).write_bytes(b"PK")
    _aged(uploads / "old.zip")
    waiting = _aged(uploads / "waiting.zip")
    await runtime.jobs.submit_import(waiting, name="waiting.zip", uploaded=True)
    store = JobStore(runtime.catalogue.database)
    JobRunner(store, runtime.resources, runtime.ingest, runtime.drawing).sweep_uploads()
    assert {path.name for path in uploads.iterdir()} == {"waiting.zip", "new.zip"}


async def test_a_job_that_someone_else_took_over_is_let_go(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "recipes.jsonl"
    path.write_text("\n".join(f'{{"id": "r{n}", "title": "soup {n}", "ingredients": ["w"]}}' for n in range(500)))
    import asyncio

    service.engine.gate = asyncio.Event()
    runner = service.runtime.jobs
    job = await runner.submit_import(path, name="x", uploaded=False)

    async def running() -> bool:
        return service.engine.waiting > 0

    async def let_go() -> bool:
        return service.engine.waiting == 0

    await until(running)
    with service.runtime.catalogue.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET owner = 'another'")
    await until(let_go)
    assert service.engine.cancelled >= 1
    assert (await runner.get(job.id)).owner == "another"
