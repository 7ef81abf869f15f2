"""From a path to the reader that understands it."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.importers.archive import ArchiveLimits, unpack
from app.importers.base import ImportProblem, ImportSourceError, Reader
from app.importers.folder import LINES_NAMES, FolderReader
from app.importers.hugo import JEKYLL_FOLDERS, MARKDOWN_SUFFIXES, HugoReader
from app.importers.jsonld import DOCUMENT_SUFFIXES, PAGE_SUFFIXES, JsonLdReader
from app.importers.paths import PICTURE_SUFFIXES, OutsideError, relative, resolve_inside, walk
from app.importers.pictures import PicturesReader
from app.importers.table import TABLE_SUFFIXES, TableReader

FORMATS = ("folder", "hugo", "jsonld", "csv", "pictures")
_SNIFFED_FILES = 200
_SNIFFED_BYTES = 1 << 20
_KNOWN = (
    "a folder with recipes.jsonl, a Hugo or Jekyll site, schema.org JSON-LD (.json, .jsonld, .html), CSV, "
    "a folder of pictures, or a zip archive of any of these"
)


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source. ``problems`` are what an archive held that could not be unpacked."""

    reader: Reader
    problems: tuple[ImportProblem, ...] = ()


@contextmanager
def open_source(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the name users know
    folder_tags: bool = True,
    limits: ArchiveLimits | None = None,
    scratch: Path | None = None,
) -> Iterator[Source]:
    """:func:`detect` for folders and files, and for zip archives, which are unpacked below ``scratch`` meanwhile.

    Raises:
        ImportSourceError: as :func:`detect` and :func:`app.importers.archive.unpack`.
    """
    if not (path.is_file() and path.suffix.lower() == ".zip"):
        yield Source(detect(path, format=format, folder_tags=folder_tags))
        return
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    target = Path(tempfile.mkdtemp(prefix="import-", dir=scratch))
    try:
        problems = unpack(path, target, limits or ArchiveLimits())
        yield Source(detect(target, format=format, folder_tags=folder_tags, name=path.name), problems)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def check_source(path: Path, format: str | None = None) -> None:  # noqa: A002 - the name users know
    """Raises ImportSourceError for what can be told without unpacking an archive."""
    if path.is_file() and path.suffix.lower() == ".zip":
        _check_format(format)
    else:
        detect(path, format=format)


def _check_format(wanted: str | None) -> None:
    if wanted is not None and wanted not in FORMATS:
        raise ImportSourceError(f"{wanted!r} is no format; choose one of {', '.join(FORMATS)}")


def detect(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the name users know
    folder_tags: bool = True,
    name: str | None = None,
) -> Reader:
    """The reader for a folder or a file. ``format`` (one of :data:`FORMATS`) skips the guessing.

    Raises:
        ImportSourceError: missing, unknown format, or nothing in it that can be imported.
    """
    shown = name or str(path)
    _check_format(format)
    if not path.exists():
        raise ImportSourceError(f"there is no file or folder {shown}")
    path = path.resolve()
    reader = _file_reader(path, format) if path.is_file() else _folder_reader(_inner(path), format, folder_tags)
    if reader is None:
        wanted = f"nothing of the format {format!r}" if format else "nothing that can be imported"
        raise ImportSourceError(f"{shown} holds {wanted}; what can be imported is {_KNOWN}")
    return reader


def _inner(folder: Path) -> Path:
    """Down through folders that hold one folder and nothing else, as archives of a repository do."""
    while True:
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
        if len(children) != 1 or not children[0].is_dir() or children[0].is_symlink():
            return folder
        if children[0].name in ("content", *JEKYLL_FOLDERS):
            return folder
        folder = children[0]


def _file_reader(path: Path, wanted: str | None) -> Reader | None:
    root, suffix = path.parent, path.suffix.lower()
    reader: Reader | None = None
    if path.name.lower().endswith((".jsonl", ".jsonl.gz")):
        reader = FolderReader(root, path)
    elif suffix in TABLE_SUFFIXES:
        reader = TableReader(root, (path,))
    elif suffix in DOCUMENT_SUFFIXES | PAGE_SUFFIXES:
        reader = JsonLdReader(root, (path,))
    elif suffix in PICTURE_SUFFIXES:
        reader = PicturesReader(root, (path,))
    return reader if reader is None or wanted in (None, reader.format) else None


def _folder_reader(root: Path, wanted: str | None, folder_tags: bool) -> Reader | None:
    """The first format that the folder holds, from the most to the least particular."""
    for format_name in FORMATS if wanted is None else (wanted,):
        reader = _reader_of(format_name, root, folder_tags)
        if reader is not None:
            return reader
    return None


def _reader_of(format_name: str, root: Path, folder_tags: bool) -> Reader | None:
    match format_name:
        case "folder":
            lines = next((root / name for name in LINES_NAMES if (root / name).is_file()), None)
            return FolderReader(root, lines) if lines else None
        case "hugo":
            return _site(root)
        case "jsonld":
            documents = DOCUMENT_SUFFIXES | PAGE_SUFFIXES
            return JsonLdReader(root) if _mentions(root, documents, b'"Recipe"', b"schema.org/Recipe") else None
        case "csv":
            return TableReader(root) if _holds(root, TABLE_SUFFIXES) else None
        case _:
            return PicturesReader(root, folder_tags=folder_tags) if _holds(root, PICTURE_SUFFIXES) else None


def _site(root: Path) -> Reader | None:
    if _holds(root / "content", MARKDOWN_SUFFIXES):
        return HugoReader(root)
    jekyll = tuple(name for name in JEKYLL_FOLDERS if _holds(root / name, MARKDOWN_SUFFIXES))
    if jekyll:
        return HugoReader(root, jekyll, jekyll=True)
    return HugoReader(root, ("",)) if _mentions(root, MARKDOWN_SUFFIXES, b"ngredients") else None


def _mentions(folder: Path, suffixes: frozenset[str], *words: bytes) -> bool:
    """Whether one of the first files holds one of ``words``: any folder may have a README or a package.json."""
    for path in itertools.islice(walk(folder, suffixes), _SNIFFED_FILES):
        with (
            contextlib.suppress(OutsideError, OSError),
            resolve_inside(folder, relative(path, folder)).open("rb") as file,
        ):
            head = file.read(_SNIFFED_BYTES)
            if any(word in head for word in words):
                return True
    return False


def _holds(folder: Path, suffixes: frozenset[str]) -> bool:
    return next(walk(folder, suffixes), None) is not None
