"""Reading the catalogue: items, pages, tags, files, thumbnails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.pictures import decode, thumbnail
from app.problems import field_problem
from app.services.resources import Resources
from index.types import Filter, Kind, StoredImage, StoredRecipe, TagCount

#: Sides of thumbnails that are kept. Others are made each time: a client that asks for all can't fill the disk.
KEPT_SIDES = frozenset({64, 128, 256, 512, 1024})


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """A folder of thumbnails by blob and size. A cache: it may be emptied at any time."""

    folder: Path

    def read(self, blob: str, side: int) -> bytes | None:
        try:
            return self._path(blob, side).read_bytes()
        except OSError:
            return None

    def write(self, blob: str, side: int, data: bytes) -> None:
        path = self._path(blob, side)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)

    def sweep(self, in_use: Callable[[str], bool]) -> None:
        """Remove those whose picture is gone."""
        for path in self.folder.glob("*/*.webp"):
            if not in_use(path.name.split("-")[0]):
                path.unlink(missing_ok=True)

    def _path(self, blob: str, side: int) -> Path:
        return self.folder / blob[:2] / f"{blob}-{side}.webp"


class Library:
    """Reads; nothing here changes the catalogue."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._thumbnails = Thumbnails(resources.settings.thumbnails_dir)

    async def recipe(self, item_id: str) -> StoredRecipe:
        """Raises UnknownItemError."""
        catalogue = self._resources.catalogue
        return await self._resources.executors.database(lambda: catalogue.get(Kind.RECIPE, item_id))

    async def image(self, item_id: str) -> StoredImage:
        """Raises UnknownItemError."""
        catalogue = self._resources.catalogue
        return await self._resources.executors.database(lambda: catalogue.get(Kind.IMAGE, item_id))

    async def page(
        self, kind: Kind, wanted: Filter, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[StoredRecipe | StoredImage], str | None]:
        """Items in the order of creation, and the cursor of the next page. Raises Problem on a bad cursor or tag."""

        def read() -> tuple[Sequence[StoredRecipe | StoredImage], str | None]:
            catalogue = self._resources.catalogue
            try:
                page = catalogue.page(kind, cursor=cursor, limit=limit, filter=wanted)
            except ValueError as error:
                raise field_problem("query", str(error)) from None
            return catalogue.get_many(kind, page.pks), page.next_cursor

        return await self._resources.executors.database(read)

    async def tags(self, kind: Kind, prefix: str, limit: int) -> list[TagCount]:
        """The most used tags that start with ``prefix``."""
        return await self._resources.executors.database(self._resources.catalogue.tag_counts, kind, prefix, limit)

    async def file(self, image: StoredImage) -> Path | bytes:
        """The picture's bytes, or the file that holds them. Raises BlobMissingError, BlobCorruptError."""
        return await self._resources.executors.database(self._file, image.picture.blob)

    async def thumbnail(self, image: StoredImage, side: int) -> bytes:
        """A WebP of at most ``side`` pixels along its longer side. Raises BlobMissingError, PictureError."""
        executors, blob = self._resources.executors, image.picture.blob
        kept = side in KEPT_SIDES
        if kept and (cached := await executors.database(self._thumbnails.read, blob, side)) is not None:
            return cached
        data = await executors.database(self._resources.blobs.read, blob)
        made = await executors.decode(self._make_thumbnail, data, side)
        if kept:
            await executors.database(self._thumbnails.write, blob, side, made)
        return made

    def _file(self, blob: str) -> Path | bytes:
        path = self._resources.blobs.path_for_serving(blob)
        return path if path is not None else self._resources.blobs.read(blob)

    def _make_thumbnail(self, data: bytes, side: int) -> bytes:
        return thumbnail(decode(data, self._resources.picture_limits, target_side=side).image, side)
