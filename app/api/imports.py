"""``/v1/imports``."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, get_args

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.api.auto_tags import AUTO_TAGS, form_auto_tags
from app.api.bodies import (
    JSON,
    MULTIPART,
    form_file,
    form_text,
    media_type,
    read_form,
    read_json,
    unsupported,
    validated,
)
from app.api.deps import RuntimeDep
from app.api.jobs import job_out
from app.api.openapi import FILE, body, form_content, json_content, problems
from app.api.present import addresses
from app.problems import Problem, field_problem
from app.runtime import Runtime
from app.schemas.images import AutoTagFields
from app.schemas.jobs import FolderImport, ImportFormat, JobOut
from app.services.items import AutoTags
from index.jobs import Job

ZIP = "application/zip"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_ARCHIVE = form_content(
    {"file": dict(FILE), "format": {"type": "string", "enum": list(get_args(ImportFormat))}, **AUTO_TAGS},
    ["file"],
    {"file": "(bytes of recipes.zip)"},
)
_RAW_ARCHIVE = {ZIP: {"schema": {"type": "string", "format": "binary"}, "example": "(bytes of recipes.zip)"}}


def imports_router(max_bytes: int) -> APIRouter:
    """The routes; an archive may have ``max_bytes``, more than other bodies."""
    router = APIRouter(prefix="/imports", tags=["imports"], max_body_size=max_bytes)

    @router.post(
        "",
        summary="Import a collection",
        status_code=202,
        response_model=JobOut,
        responses=problems("bad-request", "forbidden", "tagger-unavailable", "too-large", "unsupported-media-type"),
        openapi_extra=body(_ARCHIVE, _RAW_ARCHIVE, json_content(FolderImport)),
    )
    async def create_import(
        request: Request, runtime: RuntimeDep, beside: Annotated[AutoTagFields, Query()]
    ) -> JSONResponse:
        """A zip archive (multipart form with `file`, or the bare bytes as `application/zip`, which suits large ones),
        or JSON with a `folder` of the server where the settings allow that. Recipe folders, Hugo or Jekyll sites,
        schema.org JSON-LD, CSV and plain folders of pictures are recognised. With `auto_tags` the tags that a photo
        shows follow its own; a form or JSON has that among its fields, bare bytes have it in the address. The answer is
        a job; follow it at `links.self`."""
        if media_type(request) != ZIP and beside.model_fields_set:
            named = min(beside.model_fields_set)
            raise field_problem(
                named, "send it among the form's or JSON's fields; the address has it beside bare bytes"
            )
        if media_type(request) == MULTIPART:
            job = await _from_archive(request, runtime)
        elif media_type(request) == ZIP:
            job = await _from_stream(request, runtime, _taggable(beside.to_auto_tags(), runtime))
        elif media_type(request) == JSON:
            job = await _from_folder(validated(FolderImport, await read_json(request)), runtime)
        else:
            raise unsupported(request, MULTIPART, ZIP, JSON)
        where = addresses(request)
        answer = job_out(job, (), where).model_dump(mode="json")
        return JSONResponse(answer, 202, headers={"Location": where.job(job.id)})

    return router


async def _from_archive(request: Request, runtime: Runtime) -> Job:
    async with read_form(request, max_files=1, fields=frozenset({"file", "format", *AUTO_TAGS})) as form:
        file = form_file(form, "file")
        format_name = form_text(form, "format")
        if format_name is not None and format_name not in get_args(ImportFormat):
            raise field_problem("format", f"choose one of {', '.join(get_args(ImportFormat))}, or leave it out")
        if not (await file.read(4)).startswith(_ZIP_SIGNATURES):
            raise field_problem("file", "send a zip archive")
        auto_tags = _taggable(form_auto_tags(form), runtime)
        await file.seek(0)
        path = runtime.settings.uploads_dir / f"{uuid.uuid4().hex}.zip"
        with _kept_on_success(path):
            await run_in_threadpool(_spool, file.file, path)
            name = Path(file.filename or "archive.zip").name[:200]
            return await runtime.jobs.submit_import(
                path, name=name, uploaded=True, format_name=format_name, auto_tags=auto_tags
            )


async def _from_stream(request: Request, runtime: Runtime, auto_tags: AutoTags | None) -> Job:
    path = runtime.settings.uploads_dir / f"{uuid.uuid4().hex}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _kept_on_success(path):
        signature = b""
        with path.open("xb") as target:
            async for chunk in request.stream():
                signature = (signature + chunk[:4])[:4]
                await runtime.executors.database(target.write, chunk)
        if not signature.startswith(_ZIP_SIGNATURES):
            raise field_problem("body", "send a zip archive")
        return await runtime.jobs.submit_import(path, name="archive.zip", uploaded=True, auto_tags=auto_tags)


def _spool(source: BinaryIO, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


@contextlib.contextmanager
def _kept_on_success(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _from_folder(wanted: FolderImport, runtime: Runtime) -> Job:
    roots = runtime.settings.import_roots
    if not roots:
        raise Problem("forbidden", "This server imports no folders of its own; upload a zip archive instead.")
    auto_tags = _taggable(wanted.to_auto_tags(), runtime)
    folder = await runtime.executors.database(_allowed_folder, wanted.folder, roots)
    return await runtime.jobs.submit_import(
        folder, name=wanted.folder, uploaded=False, format_name=wanted.format, auto_tags=auto_tags
    )


def _taggable(wanted: AutoTags | None, runtime: Runtime) -> AutoTags | None:
    """``wanted``, refused at once where no photo could get tags: one error, not a job with one for each photo.

    Raises:
        TaggerUnavailableError: tags are wanted and there is no head for this encoder.
    """
    if wanted is not None:
        runtime.resources.taggers.head()
    return wanted


def _allowed_folder(text: str, roots: tuple[Path, ...]) -> Path:
    """The folder with every symbolic link followed, so that none can lead out.

    One answer for what is missing and what is outside: nobody shall learn what else the server has.
    """
    refused = Problem("forbidden", "folder: there is no such folder below one that this server may import.")
    if "\0" in text:
        raise refused
    try:
        resolved = Path(text).resolve(strict=True)
    except (OSError, RuntimeError):
        raise refused from None
    if not resolved.is_dir() or not any(resolved.is_relative_to(root) for root in roots):
        raise refused
    return resolved
