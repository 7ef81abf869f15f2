"""Pictures' bytes, each kept once under the hash of its content, in a folder or any fsspec file system."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

from index.files import TEMPORARY_SUFFIX, write_atomically
from index.types import BlobCorruptError, BlobMissingError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """``ab/cd/abcd...``: content-addressed, written before the commit that names it, removed by :meth:`sweep`.

    ``url`` is a folder or an fsspec url (``file:///...``, ``memory://...``, ``s3://bucket/prefix``). Safe to call
    from several threads and processes.
    """

    def __init__(self, url: str | Path) -> None:
        self._files: Any
        self._files, root = fsspec.core.url_to_fs(str(Path(url).expanduser() if "://" not in str(url) else url))
        self._root = str(root).rstrip("/")
        protocols = (self._files.protocol,) if isinstance(self._files.protocol, str) else self._files.protocol
        self._folder = Path(self._root) if "file" in protocols else None

    def put(self, data: bytes) -> str:
        """Store ``data`` and return its sha256 in hex. When this returns, a local blob has survived a power cut.

        A blob that is there counts as new again, so that a sweep leaves it alone until it is named. Raises OSError
        (a full disk, say); then no part of the blob is left.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if self._folder is None:
            self._put_remote(self._path(sha256), data)
            return sha256
        path = Path(self._path(sha256))
        try:
            if path.stat().st_size == len(data):
                os.utime(path)
                return sha256
        except FileNotFoundError:
            pass  # not there, or swept between the two calls
        write_atomically(path, [data])
        return sha256

    def read(self, sha256: str) -> bytes:
        """Raises BlobMissingError, BlobCorruptError, and ValueError if ``sha256`` is not one."""
        try:
            data: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError:
            raise BlobMissingError(sha256) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BlobCorruptError(sha256)
        return data

    def exists(self, sha256: str) -> bool:
        """Whether it is there, whole or not. Raises ValueError if ``sha256`` is not one."""
        return bool(self._files.isfile(self._path(sha256)))

    def size(self, sha256: str) -> int:
        """Bytes. Raises BlobMissingError."""
        try:
            return int(self._files.size(self._path(sha256)))
        except FileNotFoundError:
            raise BlobMissingError(sha256) from None

    def path_for_serving(self, sha256: str) -> Path | None:
        """The file to send straight from the disk; None if the store isn't local. Raises BlobMissingError."""
        if self._folder is None:
            return None
        path = Path(self._path(sha256))
        if not path.is_file():
            raise BlobMissingError(sha256)
        return path

    def __iter__(self) -> Iterator[str]:
        """The names of all blobs, in no order."""
        return (name for name, _ in self._walk() if _SHA256.fullmatch(name))

    def sweep(self, in_use: Callable[[str], bool], older_than_s: float) -> int:
        """Remove the blobs that are older than ``older_than_s`` seconds and not ``in_use``, and what a killed process
        left half written; returns how many files that were.

        The age guards a blob that was put but whose commit is still to come.
        """
        removed = 0
        for name, path in list(self._walk()):
            leftover = name.startswith(".") and name.endswith(TEMPORARY_SUFFIX)
            if not leftover and (_SHA256.fullmatch(name) is None or in_use(name)):
                continue
            with contextlib.suppress(FileNotFoundError):
                if time.time() - self._modified(path) > older_than_s:
                    self._files.rm_file(path)
                    removed += 1
        return removed

    def _path(self, sha256: str) -> str:
        if _SHA256.fullmatch(sha256) is None:
            raise ValueError(f"{sha256!r} is not the sha256 of a blob: give 64 lower-case hex digits")
        return f"{self._root}/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def _put_remote(self, path: str, data: bytes) -> None:
        # Written even if it is there: no other call makes its time of writing new again on every file system.
        try:
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.pipe_file(path, data)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(path)
            raise

    def _walk(self) -> Iterator[tuple[str, str]]:
        for path in self._files.find(self._root):
            yield str(path).rsplit("/", 1)[-1], str(path)

    def _modified(self, path: str) -> float:
        modified: datetime = self._files.modified(path)
        return (modified.replace(tzinfo=UTC) if modified.tzinfo is None else modified).timestamp()
