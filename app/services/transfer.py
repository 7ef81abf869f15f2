"""The catalogue as a folder or zip archive that the importer reads back to an equal catalogue.

The format is :mod:`app.importers.folder`'s: ``recipes.jsonl``, a line for each recipe and for each photo that belongs
to none, and the photos in ``images/``. It is also what training and evaluation read: ``image`` is a recipe's first
photo that no model has drawn (drawn ones stand among ``images`` alone, so that nothing learns from them), and ``split``
is the item's own (in ``extra``), else one in ten goes to ``val`` by the hash of its id.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Protocol, overload

from app.importers.base import slug
from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.types import (
    BlobCorruptError,
    BlobMissingError,
    Filter,
    JsonValue,
    Kind,
    PictureCaption,
    StoredImage,
    StoredRecipe,
)

LINES_FILE = "recipes.jsonl"
IMAGES_FOLDER = "images"
_PAGE = 500
_SPLITS = frozenset({"train", "val", "test"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/heif": ".heif",
}


class ExportTargetError(OSError):
    """The target can't be written; the message is one clear sentence."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written. ``problems`` name the photos whose bytes are missing or damaged; they are left out."""

    recipes: int
    images: int
    problems: tuple[str, ...]


def export_catalogue(catalogue: Catalogue, blobs: BlobStore, target: Path, *, replace: bool = False) -> ExportReport:
    """Write everything to ``target``: a zip archive where it ends in ``.zip``, otherwise a folder.

    All or nothing: it is written beside ``target`` and renamed when it is complete. ``replace`` takes the place of
    what is there (a folder only if it is an export itself).

    Raises:
        ExportTargetError: ``target`` exists, or its parent doesn't.
        OSError: the disk is full, say; nothing is left behind.
    """
    _check_target(target, replace)
    archive = target.suffix.lower() == ".zip"
    with _archive(target) if archive else _folder(target) as writer:
        return _Export(catalogue, blobs, writer).run()


def _check_target(target: Path, replace: bool) -> None:
    if not target.absolute().parent.is_dir():
        raise ExportTargetError(f"there is no folder {target.absolute().parent} to write {target.name} into")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not replace:
        raise ExportTargetError(f"{target} exists already; choose another name, or replace it with --force")
    if target.is_dir() and not (target / LINES_FILE).is_file():
        raise ExportTargetError(f"{target} is a folder without {LINES_FILE}, so it is no export and is not replaced")


class _Writer(Protocol):
    def lines(self) -> IO[bytes]: ...

    def add(self, name: str, data: bytes) -> None: ...


@dataclass(slots=True)
class _FolderWriter:
    folder: Path
    file: IO[bytes]

    def lines(self) -> IO[bytes]:
        return self.file

    def add(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)


@dataclass(slots=True)
class _ZipWriter:
    archive: zipfile.ZipFile
    file: IO[bytes]

    def lines(self) -> IO[bytes]:
        return self.file

    def add(self, name: str, data: bytes) -> None:
        # Pictures are compressed already.
        self.archive.writestr(name, data, zipfile.ZIP_STORED)


@contextmanager
def _folder(target: Path) -> Iterator[_Writer]:
    parent = target.absolute().parent
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    try:
        (draft / IMAGES_FOLDER).mkdir()
        with (draft / LINES_FILE).open("wb") as file:
            yield _FolderWriter(draft, file)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=parent))
            target.replace(old)
            draft.replace(target)
            shutil.rmtree(old)
        else:
            draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _archive(target: Path) -> Iterator[_Writer]:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.absolute().parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw, tempfile.TemporaryFile(dir=draft.parent) as lines:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                yield _ZipWriter(archive, lines)
                lines.seek(0)
                with archive.open(LINES_FILE, "w", force_zip64=True) as entry:
                    shutil.copyfileobj(lines, entry)
            raw.flush()
            os.fsync(raw.fileno())
        draft.chmod(0o644)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


@dataclass(slots=True)
class _Export:
    """One export under way. Items that are deleted meanwhile may be left out; nothing is written half."""

    catalogue: Catalogue
    blobs: BlobStore
    writer: _Writer
    files: dict[str, str | None] = field(default_factory=dict)  # image id -> path below the target, None: no bytes
    names: set[str] = field(default_factory=set)  # lower case: some file systems tell no case apart
    problems: list[str] = field(default_factory=list)

    def run(self) -> ExportReport:
        recipes = 0
        for page in self._pages(Kind.RECIPE, Filter()):
            photos = self._photos(page)
            for recipe in page:
                known = [photos[image_id] for image_id in recipe.image_ids if image_id in photos]
                self._write(self._recipe_line(recipe, known))
                recipes += 1
        for images in self._pages(Kind.IMAGE, Filter(has_recipe=False)):
            # Recipes and photos have ids of their own; the lines of one file must not share any.
            clashing = self.catalogue.ids_to_pks(Kind.RECIPE, [image.id for image in images])
            for image in images:
                if image.id not in self.files:
                    self._write_image(image, image.id in clashing)
        written = sum(path is not None for path in self.files.values())
        return ExportReport(recipes, written, tuple(self.problems))

    @overload
    def _pages(self, kind: Literal[Kind.RECIPE], wanted: Filter) -> Iterator[list[StoredRecipe]]: ...
    @overload
    def _pages(self, kind: Literal[Kind.IMAGE], wanted: Filter) -> Iterator[list[StoredImage]]: ...
    def _pages(self, kind: Kind, wanted: Filter) -> Iterator[list[StoredRecipe]] | Iterator[list[StoredImage]]:
        cursor: str | None = None
        while True:
            page = self.catalogue.page(kind, cursor=cursor, limit=_PAGE, filter=wanted)
            yield self.catalogue.get_many(kind, page.pks)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _photos(self, recipes: Sequence[StoredRecipe]) -> dict[str, StoredImage]:
        ids = {image_id for recipe in recipes for image_id in recipe.image_ids}
        pks = self.catalogue.ids_to_pks(Kind.IMAGE, sorted(ids)) if ids else {}
        return {image.id: image for image in self.catalogue.get_many(Kind.IMAGE, pks.values())}

    def _write(self, line: dict[str, JsonValue]) -> None:
        self.writer.lines().write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def _write_image(self, image: StoredImage, clashing: bool) -> None:
        file = self._file(image)
        if file is None:
            return
        line: dict[str, JsonValue] = {
            "kind": "image",
            "id": f"image:{image.id}" if clashing else image.id,
            # Every line needs some text; the photo's own title is among its images.
            "title": image.picture.title or image.id,
            "tags": list(image.picture.tags),
            "images": [self._image_object(image, file)],
            "extra": {},
        }
        if not image.picture.generated:
            line["image"] = file
            if image.picture.title:
                line["split"] = _split(image.id, image.picture.extra)
        self._write(line)

    def _recipe_line(self, stored: StoredRecipe, images: Sequence[StoredImage]) -> dict[str, JsonValue]:
        recipe = stored.recipe
        line: dict[str, JsonValue] = {
            "kind": "recipe",
            "id": stored.id,
            "title": recipe.title,
            "ingredients": list(recipe.ingredients),
            "instructions": list(recipe.instructions),
            "tags": list(recipe.tags),
        }
        objects = [self._image_object(image, file) for image in images if (file := self._file(image)) is not None]
        if objects:
            line["images"] = objects
        taken = [each["file"] for each in objects if not each["generated"]]
        if taken:
            line["image"] = taken[0]
        return line | {"split": _split(stored.id, recipe.extra), "extra": dict(recipe.extra)}

    def _image_object(self, image: StoredImage, file: str) -> dict[str, JsonValue]:
        picture = image.picture
        return {
            "file": file,
            "id": image.id,
            "title": picture.title,
            "tags": list(picture.tags),
            "captions": [_caption(caption) for caption in picture.captions],
            "generated": picture.generated,
            "extra": dict(picture.extra),
        }

    def _file(self, image: StoredImage) -> str | None:
        """Write the photo's bytes unless they are written already; the path below the target."""
        if image.id not in self.files:
            try:
                data = self.blobs.read(image.picture.blob)
            except (BlobMissingError, BlobCorruptError) as error:
                self.problems.append(f"photo {image.id!r} is left out: {error}")
                self.files[image.id] = None
            else:
                path = f"{IMAGES_FOLDER}/{self._name(image)}"
                self.writer.add(path, data)
                self.files[image.id] = path
        return self.files[image.id]

    def _name(self, image: StoredImage) -> str:
        suffix = _SUFFIXES.get(image.picture.media_type, ".bin")
        name = image.id
        if not _PLAIN_NAME.fullmatch(name) or f"{name}{suffix}".lower() in self.names:
            name = f"{slug(image.id)[:40] or 'image'}-{hashlib.sha256(image.id.encode()).hexdigest()[:16]}"
        self.names.add(f"{name}{suffix}".lower())
        return f"{name}{suffix}"


def _caption(caption: PictureCaption) -> JsonValue:
    """A person's as a text; a model's as an object that says whose it is."""
    if not caption.style and not caption.model:
        return caption.text
    return {"text": caption.text, "style": caption.style, "model": caption.model}


def _split(item_id: str, extra: object) -> str:
    own = extra.get("split") if isinstance(extra, dict) else None
    if isinstance(own, str) and own in _SPLITS:
        return own
    return "val" if hashlib.sha256(item_id.encode()).digest()[0] % 10 == 0 else "train"
