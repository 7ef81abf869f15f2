"""A folder of pictures and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.importers.base import Entry, Ids, ImportItem, ImportProblem
from app.importers.paths import PICTURE_SUFFIXES, OutsideError, relative, resolve_inside, walk
from app.schema_org import clean_tags
from app.services.items import Bundle, PictureItem

_NO_TAGS = frozenset({"images", "image", "pictures", "photos", "pix", "img", "train", "val", "test"})


@dataclass(frozen=True, slots=True)
class PicturesReader:
    """Reads every picture below ``root``, or only ``files``.

    A picture's title is its file name in words. Its id is the file's stem, in a subfolder with the folder before it
    (``pasta/01.jpg``: ``pasta-01``), so that it stays when other files come and go; of two files that differ in the
    suffix alone the second gets an id with a hash. ``folder_tags`` makes the folder's name a tag.
    """

    root: Path
    files: tuple[Path, ...] | None = None
    folder_tags: bool = True
    format: str = "pictures"

    @property
    def summary(self) -> str:
        return f"{self.count()} pictures"

    def count(self) -> int:
        return sum(1 for _ in self._files())

    def entries(self) -> Iterator[Entry]:
        ids = Ids()
        for path in self._files():
            place = relative(path, self.root)
            try:
                resolved = resolve_inside(self.root, place)
            except OutsideError as error:
                yield ImportProblem(place, str(error))
                continue
            parents = place.split("/")[:-1]
            item_id, note = ids.give("-".join([*parents, path.stem]), place=place, words=path.stem, key=place)
            if note:
                yield ImportProblem(place, note, lost=False)
            tags = clean_tags([_words(parents[-1])] if parents and self._is_tag(parents[-1]) else [])
            picture = PictureItem(id=item_id, data=resolved, title=_words(path.stem), tags=tags)
            yield ImportItem(place, Bundle(pictures=(picture,)))

    def _files(self) -> Iterator[Path]:
        return iter(self.files) if self.files is not None else walk(self.root, PICTURE_SUFFIXES)

    def _is_tag(self, folder: str) -> bool:
        return self.folder_tags and folder.lower() not in _NO_TAGS


def _words(name: str) -> str:
    return re.sub(r"[-_\s]+", " ", name).strip()
