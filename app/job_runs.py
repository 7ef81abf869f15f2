"""What the kinds of jobs do: from stored parameters to a state, with progress and problems on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, get_args

from app.importers.base import ImportProblem
from app.importers.run import ImportReport, run_import
from app.services.auto_captions import require_models
from app.services.drawing import Drawing
from app.services.generation import DrawingCancelledError, PictureGeneration
from app.services.ingest import Ingest
from app.services.items import AutoCaptions, Automatic, AutoTags
from app.services.resources import Resources
from app.settings import Settings
from index.jobs import Job, JobError, JobState, Progress
from index.types import JsonValue
from models.captioning.types import RequestedStyle

IMPORT: Final = "import"
DRAWING: Final = "drawing"
#: Each kind has its turn on its own: pictures don't wait for an import of hours.
KINDS: Final = (IMPORT, DRAWING)


class JobRun(Protocol):
    """A job under way in this process. ``cancel`` is set from outside; ``problems`` are taken from it now and then."""

    job: Job
    problems: list[JobError]
    cancel: bool

    async def work(self) -> tuple[JobState, str]:
        """Run to the end: how it ended, and what it says about that. Raises whatever is in the way."""
        ...

    def progress(self) -> Progress: ...

    def told(self, error: Exception) -> str:
        """The sentence of an error, as a client may read it."""
        ...


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an import goes, as :func:`run_import` wants it."""

    settings: Settings
    ingest: Ingest


class ImportRun:
    """Brings a collection in."""

    def __init__(self, job: Job, resources: Resources, ingest: Ingest) -> None:
        self.job = job
        self.problems: list[JobError] = []
        self.cancel = False
        self._resources, self._ingest = resources, ingest
        self._report = ImportReport()

    async def work(self) -> tuple[JobState, str]:
        params = self.job.params
        format_name = params.get("format")
        automatic = _automatic(params)
        # A job may be taken up by a process with other models.
        require_models(automatic, self._resources)
        self._report = await run_import(
            Path(str(params["path"])),
            _Target(self._resources.settings, self._ingest),
            on_progress=self._on_progress,
            on_problem=self._on_problem,
            should_cancel=lambda: self.cancel,
            format=str(format_name) if format_name else None,
            automatic=automatic,
        )
        return (JobState.CANCELLED if self._report.cancelled else JobState.SUCCEEDED), self._report.source

    def progress(self) -> Progress:
        report = self._report
        return Progress(
            done=report.done,
            total=report.total or None,
            created=report.created,
            updated=report.updated,
            unchanged=report.unchanged,
            failed=report.failed,
        )

    def told(self, error: Exception) -> str:
        """Nobody shall learn where an upload lies."""
        return str(error).replace(str(self.job.params["path"]), str(self.job.params["name"]))

    def _on_progress(self, report: ImportReport) -> None:
        self._report = report

    def _on_problem(self, problem: ImportProblem) -> None:
        self.problems.append(JobError(problem.source, problem.detail))


class DrawingRun:
    """Draws pictures; what it answers is kept among the drawn files."""

    def __init__(self, job: Job, generation: PictureGeneration) -> None:
        self.job = job
        self.problems: list[JobError] = []
        self.cancel = False
        self._generation = generation
        self._done = self._stored = 0
        self._total: int | None = None

    async def work(self) -> tuple[JobState, str]:
        drawing = Drawing.from_json(_mapping(self.job.params["drawing"]))
        self._total = drawing.candidates
        try:
            await self._generation.draw_in_background(
                drawing, self.job.id, on_progress=self._on_progress, should_cancel=lambda: self.cancel
            )
        except DrawingCancelledError:
            return JobState.CANCELLED, "cancelled before it was done; nothing was kept"
        self._stored = drawing.n if drawing.store else 0
        return JobState.SUCCEEDED, f"drew {self._done}, kept {drawing.n}"

    def progress(self) -> Progress:
        return Progress(done=self._done, total=self._total, created=self._stored)

    def told(self, error: Exception) -> str:
        return str(error)

    def _on_progress(self, done: int) -> None:
        self._done = done


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise TypeError(f"a job's parameters have {type(value).__name__} where an object belongs")
    return value


def _automatic(params: Mapping[str, JsonValue]) -> Automatic:
    """What the job was submitted with; jobs of earlier versions may know nothing of it."""
    least, style = params.get("auto_tags_min"), params.get("auto_captions_style")
    tags = AutoTags(float(least) if isinstance(least, int | float) else None)
    captions = AutoCaptions(next((each for each in get_args(RequestedStyle) if each == style), "auto"))
    return Automatic(tags if params.get("auto_tags") else None, captions if params.get("auto_captions") else None)
