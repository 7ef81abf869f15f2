"""Pictures that were drawn and not stored: files that are kept for a while, and what jobs answer."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from index.types import JsonValue
from models.files import write_file
from models.generation.provenance import PictureFormat

_SUFFIXES: Final[dict[PictureFormat, str]] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
_NAME: Final = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp)")
_RESULT: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class DrawnFiles:
    """A folder of files whose names can't be guessed. A file is there for ``lifetime_s`` seconds, and then it isn't,
    however long it takes until it is swept."""

    folder: Path
    lifetime_s: float
    clock: Callable[[], float] = time.time

    def add(self, data: bytes, picture_format: PictureFormat) -> str:
        """Keep a picture; returns its name."""
        name = f"{uuid.uuid4().hex}.{_SUFFIXES[picture_format]}"
        self._write(name, data)
        return name

    def read(self, name: str) -> bytes | None:
        """The picture of this name; None where there is none (any more)."""
        return self._read(name) if _NAME.fullmatch(name) else None

    def add_result(self, job_id: str, record: Mapping[str, JsonValue]) -> None:
        """Keep what a job answers."""
        self._write(f"{job_id}.json", json.dumps(record).encode())

    def read_result(self, job_id: str) -> Mapping[str, JsonValue] | None:
        """What :meth:`add_result` kept; None where there is nothing (any more)."""
        data = self._read(f"{job_id}.json") if _RESULT.fullmatch(job_id) else None
        if data is None:
            return None
        record: Mapping[str, JsonValue] = json.loads(data)
        return record

    def expires_at(self) -> int:
        """When what is kept now will be gone, in seconds since 1970."""
        return int(self.clock() + self.lifetime_s)

    def sweep(self) -> int:
        """Remove what is too old; returns how many files that were."""
        removed = 0
        for path in list(self.folder.iterdir()) if self.folder.is_dir() else []:
            if not self._is_current(path):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self.folder / name, data)

    def _read(self, name: str) -> bytes | None:
        path = self.folder / name
        try:
            return path.read_bytes() if self._is_current(path) else None
        except FileNotFoundError:
            return None

    def _is_current(self, path: Path) -> bool:
        try:
            return self.clock() - path.stat().st_mtime < self.lifetime_s
        except FileNotFoundError:
            return False
