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

from app.api.auto_captions import AUTO_CAPTIONS, form_auto_captions
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
from app.schemas.images import AutomaticFields
from app.schemas.jobs import FolderImport, ImportFormat, JobOut
from app.services.auto_captions import require_models
from app.services.items import Automatic
from index.jobs import Job

ZIP = "application/zip"
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_AUTOMATIC = {**AUTO_TAGS, **AUTO_CAPTIONS}
_ARCHIVE = form_content(
    {"file": dict(FILE), "format": {"type": "string", "enum": list(get_args(ImportFormat))}, **_AUTOMATIC},
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
        responses=problems(
            "bad-request",
            "forbidden",
            "tagger-unavailable",
            "captioner-unavailable",
            "too-large",
            "unsupported-media-type",
        ),
        openapi_extra=body(_ARCHIVE, _RAW_ARCHIVE, json_content(FolderImport)),
    )
    async def create_import(
        request: Request, runtime: RuntimeDep, beside: Annotated[AutomaticFields, Query()]
    ) -> JSONResponse:
        """A zip archive (multipart form with `file`, or the bare bytes as `application/zip`, which suits large ones),
        or JSON with a `folder` of the server where the settings allow that. Recipe folders, Hugo or Jekyll sites,
        schema.org JSON-LD, CSV and plain folders of pictures are recognised. With `auto_tags` the tags that a photo
        shows follow its own, with `auto_captions` a caption by the service's captioner; a form or JSON has these among
        its fields, bare bytes have them in the address. The answer is a job; follow it at `links.self`."""
        if media_type(request) != ZIP and beside.model_fields_set:
            named = min(beside.model_fields_set)
            raise field_problem(
                named, "send it among the form's or JSON's fields; the address has it beside bare bytes"
            )
        if media_type(request) == MULTIPART:
            job = await _from_archive(request, runtime)
        elif media_type(request) == ZIP:
            job = await _from_stream(request, runtime, _possible(beside.to_automatic(), runtime))
        elif media_type(request) == JSON:
            job = await _from_folder(validated(FolderImport, await read_json(request)), runtime)
        else:
            raise unsupported(request, MULTIPART, ZIP, JSON)
        where = addresses(request)
        answer = job_out(job, (), where).model_dump(mode="json")
        return JSONResponse(answer, 202, headers={"Location": where.job(job.id)})

    return router


async def _from_archive(request: Request, runtime: Runtime) -> Job:
    async with read_form(request, max_files=1, fields=frozenset({"file", "format", *_AUTOMATIC})) as form:
        file = form_file(form, "file")
        format_name = form_text(form, "format")
        if format_name is not None and format_name not in get_args(ImportFormat):
            raise field_problem("format", f"choose one of {', '.join(get_args(ImportFormat))}, or leave it out")
        if not (await file.read(4)).startswith(_ZIP_SIGNATURES):
            raise field_problem("file", "send a zip archive")
        automatic = _possible(Automatic(form_auto_tags(form), form_auto_captions(form)), runtime)
        await file.seek(0)
        path = runtime.settings.uploads_dir / f"{uuid.uuid4().hex}.zip"
        with _kept_on_success(path):
            await run_in_threadpool(_spool, file.file, path)
            name = Path(file.filename or "archive.zip").name[:200]
            return await runtime.jobs.submit_import(
                path, name=name, uploaded=True, format_name=format_name, automatic=automatic
            )


async def _from_stream(request: Request, runtime: Runtime, automatic: Automatic) -> Job:
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
        return await runtime.jobs.submit_import(path, name="archive.zip", uploaded=True, automatic=automatic)


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
    automatic = _possible(wanted.to_automatic(), runtime)
    folder = await runtime.executors.database(_allowed_folder, wanted.folder, roots)
    return await runtime.jobs.submit_import(
        folder, name=wanted.folder, uploaded=False, format_name=wanted.format, automatic=automatic
    )


def _possible(wanted: Automatic, runtime: Runtime) -> Automatic:
    """``wanted``, refused at once where no photo could get it: one error, not a job with one for each photo.

    Raises as :func:`app.services.auto_captions.require_models` does.
    """
    require_models(wanted, runtime.resources)
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
