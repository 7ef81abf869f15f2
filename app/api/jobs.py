"""``/v1/jobs``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request

from app.api.deps import CursorQuery, LimitQuery, RuntimeDep
from app.api.openapi import problems
from app.api.present import addresses, next_page
from app.ids import Addresses
from app.job_runs import DRAWING
from app.problems import field_problem
from app.schemas.jobs import JobErrorOut, JobOut, JobPageOut, ProgressOut
from index.jobs import Job, JobError, JobState

router = APIRouter(prefix="/jobs", tags=["imports"])

JobIdPath = Annotated[str, Path(max_length=64, examples=["0b6f2f4c8c3e4f0f9d0a8f6f7a1c2d3e"])]


@router.get("", summary="List jobs", response_model=JobPageOut, responses=problems("bad-request"))
async def list_jobs(
    request: Request, runtime: RuntimeDep, cursor: CursorQuery = None, limit: LimitQuery = 50
) -> JobPageOut:
    """Newest first."""
    try:
        page = await runtime.jobs.page(cursor=cursor, limit=limit)
    except ValueError as error:
        raise field_problem("cursor", str(error)) from None
    where = addresses(request)
    return JobPageOut(
        items=[job_out(job, (), where) for job in page.jobs],
        next_cursor=page.next_cursor,
        next=next_page(request, page.next_cursor),
    )


@router.get("/{job_id}", summary="Get a job", response_model=JobOut, responses=problems("unknown-job"))
async def get_job(
    request: Request,
    runtime: RuntimeDep,
    job_id: JobIdPath,
    errors_offset: Annotated[int, Query(ge=0, le=1000, description="First error to show.")] = 0,
    errors_limit: Annotated[int, Query(ge=1, le=1000, description="Most errors to show.")] = 100,
) -> JobOut:
    """State, progress, and what went wrong with single items."""
    job = await runtime.jobs.get(job_id)
    errors = await runtime.jobs.errors(job_id, offset=errors_offset, limit=errors_limit)
    return job_out(job, errors, addresses(request))


@router.post(
    "/{job_id}/cancel",
    summary="Cancel a job",
    status_code=202,
    response_model=JobOut,
    responses=problems("unknown-job"),
)
async def cancel_job(request: Request, runtime: RuntimeDep, job_id: JobIdPath) -> JobOut:
    """A running job ends after the items it is at; what is stored by then stays. One that has ended stays so."""
    return job_out(await runtime.jobs.cancel(job_id), (), addresses(request))


@router.delete(
    "/{job_id}",
    summary="Cancel a job (the same as POST .../cancel)",
    status_code=202,
    response_model=JobOut,
    responses=problems("unknown-job"),
)
async def delete_job(request: Request, runtime: RuntimeDep, job_id: JobIdPath) -> JobOut:
    """The job stays listed, as cancelled."""
    return job_out(await runtime.jobs.cancel(job_id), (), addresses(request))


def _links(job: Job, where: Addresses) -> dict[str, str]:
    links = {"self": where.job(job.id)}
    if job.kind == DRAWING and job.state is JobState.SUCCEEDED:
        links["result"] = where.drawing_result(job.id)
    return links


def job_out(job: Job, errors: Sequence[JobError], where: Addresses) -> JobOut:
    progress = job.progress
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state.value,
        detail=job.detail,
        source=str(job.params.get("name", "")),
        attempts=job.attempts,
        cancel_requested=job.cancel_requested,
        progress=ProgressOut(
            done=progress.done,
            total=progress.total,
            created=progress.created,
            updated=progress.updated,
            unchanged=progress.unchanged,
            failed=progress.failed,
        ),
        error_count=job.error_count,
        errors=[JobErrorOut(item=error.item, detail=error.detail) for error in errors],
        created_at=job.created_at,
        updated_at=job.updated_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        links=_links(job, where),
    )
