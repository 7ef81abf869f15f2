"""Work in the background: queued in the catalogue's database, run one of a kind at a time, taken up again after a
restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from app.engine.types import EngineError
from app.importers.base import ImportSourceError
from app.job_runs import DRAWING, IMPORT, KINDS, DrawingRun, ImportRun, JobRun
from app.problems import Problem
from app.services.drawing import Drawing
from app.services.generation import PictureGeneration
from app.services.ingest import Ingest
from app.services.items import Automatic
from app.services.resources import Resources
from index.jobs import Job, JobError, JobPage, JobState, JobStore
from index.types import IndexRoomError, JsonValue, LeaseLostError
from models.types import ModelError

logger = logging.getLogger(__name__)

_LEASE_S = 20.0
_HEARTBEAT_S = 1.0
_POLL_S = 5.0
_LEFTOVER_AGE_S = 24 * 3600.0
_NOTHING = Automatic()


class JobRunner:
    """Runs the jobs of a store. :meth:`start` and :meth:`stop` belong to one event loop."""

    def __init__(self, store: JobStore, resources: Resources, ingest: Ingest, generation: PictureGeneration) -> None:
        self._store, self._resources = store, resources
        self._ingest, self._generation = ingest, generation
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._wake = {kind: asyncio.Event() for kind in KINDS}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work on what is queued, and on what a runner that died left behind."""
        self._tasks = [asyncio.create_task(self._work(kind), name=f"jobs-{kind}") for kind in KINDS]

    async def stop(self) -> None:
        """Give running jobs back to the queue."""
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*(_end(task) for task in tasks))

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
        return await self._submit(IMPORT, params)

    async def submit_drawing(self, drawing: Drawing, *, name: str) -> Job:
        """Queue pictures to be drawn; ``name`` is what the job is said to be about."""
        return await self._submit(DRAWING, {"name": name, "drawing": drawing.to_json()})

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

    async def _submit(self, kind: str, params: dict[str, JsonValue]) -> Job:
        job = await self._resources.executors.write(self._store.create, kind, params)
        self._wake[kind].set()
        return job

    # --- the loop ---------------------------------------------------------------------------------------

    async def _work(self, kind: str) -> None:
        database, wake = self._resources.executors.database, self._wake[kind]
        swept = kind != IMPORT
        while True:
            wake.clear()
            try:
                if not swept:
                    await database(self.sweep_uploads)
                    swept = True
                job = await self._resources.executors.write(self._store.claim, self._owner, _LEASE_S, kinds=[kind])
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
                    await wake.wait()

    async def _run(self, job: Job) -> None:
        run = self._begin(job)
        work = asyncio.create_task(self._perform(run))
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

    def _begin(self, job: Job) -> JobRun:
        if job.kind == DRAWING:
            return DrawingRun(job, self._generation)
        return ImportRun(job, self._resources, self._ingest)

    async def _perform(self, run: JobRun) -> tuple[JobState, str]:
        try:
            return await run.work()
        except (ImportSourceError, EngineError, IndexRoomError, ModelError, Problem) as error:
            return JobState.FAILED, run.told(error)
        except OSError as error:
            return JobState.FAILED, f"the {run.job.kind} could not go on: {error.strerror or error}"
        except Exception:
            error_id = uuid.uuid4().hex
            logger.exception("%s %s failed (%s)", run.job.kind, run.job.id, error_id)
            return JobState.FAILED, f"something went wrong on our side; it was logged as {error_id}"

    async def _heartbeat(self, run: JobRun) -> None:
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

    async def _report(self, run: JobRun) -> None:
        """Store the problems met since the last time."""
        problems, run.problems = run.problems, []
        if problems:
            await self._resources.executors.write(self._store.add_errors, run.job.id, self._owner, problems)

    def sweep_uploads(self) -> None:
        """Remove what a killed process left among the uploads: archives of no job, half unpacked folders."""
        folder = self._resources.settings.uploads_dir
        # Listed before the jobs are read: what is uploaded meanwhile is not looked at.
        found = list(folder.iterdir()) if folder.is_dir() else []
        wanted: set[str] = set()
        cursor: str | None = None
        while True:
            page = self._store.page(cursor=cursor, limit=100, kind=IMPORT)
            wanted |= {Path(str(job.params["path"])).name for job in page.jobs if not job.state.is_final}
            cursor = page.next_cursor
            if cursor is None:
                break
        oldest = time.time() - _LEFTOVER_AGE_S
        for path in found:
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


async def _end(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
