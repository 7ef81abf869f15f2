"""Unpacking a zip that nobody vouches for.

What the archive's directory says is checked first (number of entries, sizes, compression), and then what actually
comes out, since the directory can lie. Nothing is ever written outside the target folder.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.importers.base import ImportProblem, ImportSourceError

_CHUNK = 1 << 20
_SKIPPED = ("__MACOSX", ".git")
_ENCRYPTED = 0x1  # general purpose bit 0, APPNOTE 4.4.4


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """``max_bytes`` unpacked in all; ``max_ratio`` unpacked to packed bytes, looked at above ``ratio_from_bytes``."""

    max_bytes: int = 2 * 1024**3
    max_entries: int = 500_000
    max_ratio: float = 100.0
    ratio_from_bytes: int = 64 * 1024**2


def unpack(archive: Path, target: Path, limits: ArchiveLimits) -> tuple[ImportProblem, ...]:
    """Unpack ``archive`` into the empty folder ``target``; entries that can't be unpacked are reported and skipped.

    An entry is skipped when its name leaves the folder (``..``, absolute, a drive), it is a symbolic link or a device,
    it is damaged, or another entry has its name already.

    Raises:
        ImportSourceError: not a zip archive, protected by a password, or over one of the limits.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [info for info in opened.infolist() if not info.is_dir() and not _is_skipped(info.filename)]
            _check(archive, entries, limits)
            problems: list[ImportProblem] = []
            budget = limits.max_bytes
            for info in entries:
                reason = _refusal(info)
                if reason is None:
                    written, reason = _write(opened, info, target, budget)
                    budget -= written
                    if budget < 0:
                        raise ImportSourceError(f"{archive.name} {_too_large(limits)}")
                if reason is not None:
                    problems.append(ImportProblem(info.filename, reason))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ImportSourceError(f"{archive.name} is not a zip archive that can be read: {error}") from None
    except OSError as error:
        raise ImportSourceError(f"{archive.name} can't be unpacked: {error}") from None
    return tuple(problems)


def _is_skipped(name: str) -> bool:
    return any(part in _SKIPPED or part == ".DS_Store" for part in PurePosixPath(name).parts)


def _check(archive: Path, entries: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(entries) > limits.max_entries:
        raise ImportSourceError(f"{archive.name} holds {len(entries)} files; at most {limits.max_entries} are unpacked")
    unpacked = sum(info.file_size for info in entries)
    if unpacked > limits.max_bytes:
        raise ImportSourceError(f"{archive.name} {_too_large(limits)}")
    packed = max(1, archive.stat().st_size)
    if unpacked > limits.ratio_from_bytes and unpacked / packed > limits.max_ratio:
        raise ImportSourceError(
            f"{archive.name} would unpack to {unpacked // packed} times its size, which looks like a decompression bomb"
        )
    if any(info.flag_bits & _ENCRYPTED for info in entries):
        raise ImportSourceError(f"{archive.name} is protected by a password; pack it without one")


def _too_large(limits: ArchiveLimits) -> str:
    return f"unpacks to more than {limits.max_bytes / 2**20:.0f} MiB, the most that is taken"


def _refusal(info: zipfile.ZipInfo) -> str | None:
    name = info.filename
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":"):
        return "the entry's name leads out of the archive"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "the entry is a symbolic link or a special file"
    return None


def _write(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, budget: int) -> tuple[int, str | None]:
    """Write one entry and no more than one chunk past ``budget``: bytes written, and why it was dropped (or None)."""
    path = target / PurePosixPath(info.filename.replace("\\", "/"))
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: an entry can never write through something that an earlier one made.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (FileExistsError, NotADirectoryError):
        return 0, "another entry has this name already"
    except (OSError, ValueError) as error:
        return 0, f"the entry's name can't be used here: {error}"
    with os.fdopen(descriptor, "wb") as file:
        try:
            with opened.open(info) as source:
                while written <= budget and (chunk := source.read(_CHUNK)):
                    file.write(chunk)
                    written += len(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            path.unlink()
            return written, f"the entry is damaged: {error}"
    return written, None
