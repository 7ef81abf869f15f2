"""Imports and the jobs that do them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from app.schemas.common import Response
from app.schemas.images import AutomaticFields

ImportFormat = Literal["folder", "hugo", "jsonld", "csv", "pictures"]

EXAMPLE_JOB: JsonDict = {
    "id": "0b6f2f4c8c3e4f0f9d0a8f6f7a1c2d3e",
    "kind": "import",
    "state": "running",
    "detail": "",
    "source": "recipes.zip",
    "attempts": 1,
    "cancel_requested": False,
    "progress": {"done": 320, "total": 1200, "created": 310, "updated": 0, "unchanged": 8, "failed": 2},
    "error_count": 2,
    "errors": [{"item": "recipes.jsonl:17", "detail": "the JPEG picture is truncated or corrupt and can't be decoded"}],
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:01:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "finished_at": None,
    "links": {"self": "/v1/jobs/0b6f2f4c8c3e4f0f9d0a8f6f7a1c2d3e"},
}


class FolderImport(AutomaticFields):
    """Import a folder of the server; possible below the folders of the setting `TASTESPACE_IMPORT_ROOTS` alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"folder": "/srv/recipes", "format": "folder"}]})

    folder: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
    format: ImportFormat | None = Field(default=None, description="Left out: recognised.")


class ProgressOut(Response):
    """Items so far; `total` is null while it is not known."""

    done: int
    total: int | None
    created: int
    updated: int
    unchanged: int
    failed: int


class JobErrorOut(Response):
    item: str
    detail: str


class JobOut(Response):
    """A job. `errors` has the first of them; the rest is read page by page with `errors_offset`."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_JOB]})

    id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    detail: str
    source: str
    attempts: int
    cancel_requested: bool
    progress: ProgressOut
    error_count: int
    errors: list[JobErrorOut]
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str]


class JobPageOut(Response):
    """Jobs, newest first, without their errors."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_JOB], "next_cursor": None, "next": None}]}
    )

    items: list[JobOut]
    next_cursor: str | None
    next: str | None
