"""The rules that keep an importer inside its folder: how a reference in a source becomes a file that may be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".heif"})
#: Longest text file that is read at once, in bytes; a recipe is a few kilobytes.
MAX_TEXT_BYTES = 16 * 1024 * 1024
_REMOTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//|^data:", re.IGNORECASE)
_DRIVE = re.compile(r"^[a-zA-Z]:")


class OutsideError(ValueError):
    """A path leads out of the source folder, or to nothing that can be read."""


def resolve_inside(root: Path, reference: str) -> Path:
    """The regular file that ``reference`` (written with ``/``, relative to ``root``) names.

    Raises:
        OutsideError: absolute, with ``..``, through a symbolic link that leaves ``root``, missing, or not a file.
    """
    path = PurePosixPath(reference.replace("\\", "/"))
    if not reference.strip() or "\0" in reference:
        raise OutsideError("the path is empty or holds a null byte")
    if path.is_absolute() or _DRIVE.match(reference) or ".." in path.parts:
        raise OutsideError(f"{reference!r} leads out of the imported folder")
    try:
        resolved = (root / path).resolve(strict=True)
        inside = resolved.is_relative_to(root.resolve())
        regular = resolved.is_file()
    except (OSError, RuntimeError, ValueError):
        raise OutsideError(f"there is no file {reference!r}") from None
    if not inside:
        raise OutsideError(f"{reference!r} leads out of the imported folder through a symbolic link")
    if not regular:
        raise OutsideError(f"{reference!r} is not a file")
    return resolved


def is_remote(reference: str) -> bool:
    """Whether a picture reference names something on the network (or inline data) instead of a file."""
    return bool(_REMOTE.match(reference.strip()))


def find_picture(root: Path, references: Iterable[str]) -> Path:
    """The first of several spellings of one picture's path that names a file; percent-escapes are tried decoded too.

    Raises:
        OutsideError: none does; says why the first does not.
    """
    first_error: OutsideError | None = None
    for reference in dict.fromkeys(spelling for each in references for spelling in (each, unquote(each))):
        try:
            return resolve_inside(root, reference)
        except OutsideError as error:
            first_error = first_error or error
    raise first_error or OutsideError("no path is given")


def walk(root: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Files below ``root`` with one of ``suffixes``, in a fixed order; hidden files and folders are left out.

    Symbolic links to folders are not followed, so a link can neither loop nor leave; links to files are yielded and
    judged by :func:`resolve_inside`.
    """
    try:
        children = sorted(root.iterdir(), key=lambda child: child.name)
    except OSError:
        return
    for child in children:
        if child.name.startswith((".", "__MACOSX")):
            continue
        if child.suffix.lower() in suffixes and (child.is_symlink() or child.is_file()):
            yield child
        elif child.is_dir() and not child.is_symlink():
            yield from walk(child, suffixes)


def relative(path: Path, root: Path) -> str:
    """``path`` below ``root`` with ``/``, for messages and ids."""
    return path.relative_to(root).as_posix()


def read_text(root: Path, reference: str) -> str:
    """A text file as UTF-8 (a byte order mark is dropped).

    Raises:
        OutsideError: as :func:`resolve_inside`; too large; not UTF-8.
    """
    path = resolve_inside(root, reference)
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise OutsideError(f"the file is larger than {MAX_TEXT_BYTES // 2**20} MiB of text")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OutsideError(f"the file is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise OutsideError(f"the file can't be read: {error.strerror}") from None
