"""Imports in the background: queued in the catalogue's database, run one at a time, taken up again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from app.engine.types import EngineError
from app.importers.base import ImportProblem, ImportSourceError
from app.importers.run import ImportReport, run_import
from app.problems import Problem
from app.services.auto_captions import require_models
from app.services.ingest import Ingest
from app.services.items import AutoCaptions, Automatic, AutoTags
from app.services.resources import Resources
from app.settings import Settings
from index.jobs import Job, JobError, JobPage, JobState, JobStore, Progress
from index.types import IndexRoomError, JsonValue, LeaseLostError
from models.captioning.types import RequestedStyle
from models.types import ModelError

logger = logging.getLogger(__name__)

IMPORT = "import"
_LEASE_S = 20.0
_HEARTBEAT_S = 1.0
_POLL_S = 5.0
_LEFTOVER_AGE_S = 24 * 3600.0
_NOTHING = Automatic()


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an import goes, as :func:`run_import` wants it."""

    settings: Settings
    ingest: Ingest


@dataclass(slots=True)
class _Run:
    """A job under way in this process."""

    job: Job
    report: ImportReport = field(default_factory=ImportReport)
    problems: list[JobError] = field(default_factory=list)
    cancel: bool = False

    def on_progress(self, report: ImportReport) -> None:
        self.report = report

    def on_problem(self, problem: ImportProblem) -> None:
        self.problems.append(JobError(problem.source, problem.detail))

    def progress(self) -> Progress:
        report = self.report
        return Progress(
            done=report.done,
            total=report.total or None,
            created=report.created,
            updated=report.updated,
            unchanged=report.unchanged,
            failed=report.failed,
        )


class JobRunner:
    """Runs the jobs of a store. :meth:`start` and :meth:`stop` belong to one event loop."""

    def __init__(self, store: JobStore, resources: Resources, ingest: Ingest) -> None:
        self._store, self._resources = store, resources
        self._target = _Target(resources.settings, ingest)
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work on what is queued, and on what a runner that died left behind."""
        self._task = asyncio.create_task(self._work(), name="jobs")

    async def stop(self) -> None:
        """Give a running job back to the queue."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    # --- for handlers -----------------------------------------------------------------------------------

    async def submit_import(
        self,
        path: Path,
        *,
        name: str,
        uploaded: bool,
        format_name: str | None = None,
        automatic: Automatic = _NOTHING,
    ) -> Job:
        """Queue an import of a folder or an archive; an ``uploaded`` archive is removed when the job has ended."""
        tags, captions = automatic.tags, automatic.captions
        params: dict[str, JsonValue] = {
            "path": str(path),
            "name": name,
            "uploaded": uploaded,
            "format": format_name,
            "auto_tags": tags is not None,
            "auto_tags_min": None if tags is None else tags.min_probability,
            "auto_captions": captions is not None,
            "auto_captions_style": None if captions is None else captions.style,
        }
        job = await self._resources.executors.write(self._store.create, IMPORT, params)
        self._wake.set()
        return job

    async def get(self, job_id: str) -> Job:
        """Raises UnknownJobError."""
        return await self._resources.executors.database(self._store.get, job_id)

    async def page(self, *, cursor: str | None, limit: int) -> JobPage:
        """Newest first. Raises ValueError on a bad cursor."""
        return await self._resources.executors.database(self._store.page, cursor=cursor, limit=limit)

    async def errors(self, job_id: str, *, offset: int = 0, limit: int = 100) -> Sequence[JobError]:
        """Raises UnknownJobError."""
        return await self._resources.executors.database(self._store.errors, job_id, offset=offset, limit=limit)

    async def cancel(self, job_id: str) -> Job:
        """End a queued job at once, a running one after its present chunk. Raises UnknownJobError."""
        job = await self._resources.executors.write(self._store.request_cancel, job_id)
        if job.state is JobState.CANCELLED:
            await self._clean(job)
        return job

    # --- the loop ---------------------------------------------------------------------------------------

    async def _work(self) -> None:
        database = self._resources.executors.database
        swept = False
        while True:
            self._wake.clear()
            try:
                if not swept:
                    await database(self.sweep_uploads)
                    swept = True
                job = await self._resources.executors.write(self._store.claim, self._owner, _LEASE_S, kinds=[IMPORT])
                if job is not None:
                    await self._run(job)
                    continue
            except asyncio.CancelledError:
                raise
            except Exception:
                # The loop must outlive a database that is away for a moment.
                logger.exception("the job runner met an error; it goes on")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._wake.wait()

    async def _run(self, job: Job) -> None:
        run = _Run(job)
        work = asyncio.create_task(self._import(run))
        beat = asyncio.create_task(self._heartbeat(run))
        try:
            await asyncio.wait((work, beat), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                # Only a lost lease ends the heartbeat: someone else has the job now.
                await _end(work)
                return
            await _end(beat)
            state, detail = work.result()
            await self._report(run)
            progress = run.progress()
            await self._resources.executors.write(
                self._store.finish, job.id, self._owner, state, detail=detail, progress=progress
            )
            await self._clean(job)
        except asyncio.CancelledError:
            await _end(work)
            await _end(beat)
            with contextlib.suppress(LeaseLostError):
                await asyncio.shield(self._resources.executors.write(self._store.release, job.id, self._owner))
            raise
        except LeaseLostError as error:
            logger.warning("%s", error)

    async def _import(self, run: _Run) -> tuple[JobState, str]:
        params = run.job.params
        format_name = params.get("format")
        automatic = _automatic(params)
        try:
            # A job may be taken up by a process with other models.
            require_models(automatic, self._resources)
            report = await run_import(
                Path(str(params["path"])),
                self._target,
                on_progress=run.on_progress,
                on_problem=run.on_problem,
                should_cancel=lambda: run.cancel,
                format=str(format_name) if format_name else None,
                automatic=automatic,
            )
        except (ImportSourceError, EngineError, IndexRoomError, ModelError, Problem) as error:
            return JobState.FAILED, str(error).replace(str(params["path"]), str(params["name"]))
        except OSError as error:
            return JobState.FAILED, f"the import could not go on: {error.strerror or error}"
        except Exception:
            error_id = uuid.uuid4().hex
            logger.exception("import %s failed (%s)", run.job.id, error_id)
            return JobState.FAILED, f"something went wrong on our side; it was logged as {error_id}"
        run.report = report
        return (JobState.CANCELLED if report.cancelled else JobState.SUCCEEDED), report.source

    async def _heartbeat(self, run: _Run) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            try:
                await self._report(run)
                job = await self._resources.executors.write(
                    self._store.heartbeat, run.job.id, self._owner, _LEASE_S, progress=run.progress()
                )
            except LeaseLostError as error:
                logger.warning("%s", error)
                return
            except Exception:
                logger.exception("the progress of job %s could not be stored; trying again", run.job.id)
                continue
            run.cancel = run.cancel or job.cancel_requested

    async def _report(self, run: _Run) -> None:
        """Store the problems met since the last time."""
        problems, run.problems = run.problems, []
        if problems:
            await self._resources.executors.write(self._store.add_errors, run.job.id, self._owner, problems)

    def sweep_uploads(self) -> None:
        """Remove what a killed process left among the uploads: archives of no job, half unpacked folders."""
        wanted: set[str] = set()
        cursor: str | None = None
        while True:
            page = self._store.page(cursor=cursor, limit=100, kind=IMPORT)
            wanted |= {Path(str(job.params["path"])).name for job in page.jobs if not job.state.is_final}
            cursor = page.next_cursor
            if cursor is None:
                break
        folder = self._resources.settings.uploads_dir
        oldest = time.time() - _LEFTOVER_AGE_S
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.name in wanted or path.stat().st_mtime > oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    async def _clean(self, job: Job) -> None:
        if job.params.get("uploaded"):
            path = Path(str(job.params["path"]))
            await self._resources.executors.database(path.unlink, missing_ok=True)


def _automatic(params: Mapping[str, JsonValue]) -> Automatic:
    """What the job was submitted with; jobs of earlier versions may know nothing of it."""
    least, style = params.get("auto_tags_min"), params.get("auto_captions_style")
    tags = AutoTags(float(least) if isinstance(least, int | float) else None)
    captions = AutoCaptions(next((each for each in get_args(RequestedStyle) if each == style), "auto"))
    return Automatic(tags if params.get("auto_tags") else None, captions if params.get("auto_captions") else None)


async def _end(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
