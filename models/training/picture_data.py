"""Photos as small pictures, decoded once and kept on disk, and squares cut out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.files import write_file
from models.photos import open_photo, photo_digest
from models.types import UInt8Array

Rows: TypeAlias = NDArray[np.int64]
OnPictures: TypeAlias = Callable[[str, int, int], None]
_MARGIN, _ASPECT = 9 / 8, 4 / 3
_THREADS, _REPORT_EVERY = 2, 512


class PictureTable:
    """Photos at a size a little above that of the squares that training cuts out of them.

    Each is scaled and cut to 4:3, its height 9/8 of the square's side. The file is mapped into memory; it is made
    whole or not at all, and its name says what it holds.

    Args:
        folder: where such files are kept; made if missing.
        photos: at least one.
        size: side of the squares in pixels.
        on_progress: called with ("photos", done, total) while the file is made.

    Raises:
        DataError: a photo can't be read or decoded; the message names it.
    """

    def __init__(self, folder: Path, photos: Sequence[Path], size: int, on_progress: OnPictures | None = None) -> None:
        self.size = size
        self.height = round(size * _MARGIN)
        self.width = round(self.height * _ASPECT)
        digests = [photo_digest(path) for path in photos]
        #: Of all photos in their order and of the size.
        self.digest = hashlib.sha256("\n".join([f"{self.width}x{self.height}", *digests]).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"pictures-{self.height}-{self.digest[:16]}.npy"
        if not path.is_file():
            self._fill(path, photos, on_progress or (lambda *_: None))
        self._rows: UInt8Array = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self._rows)

    def random_squares(self, rows: Sequence[int] | Rows, rng: np.random.Generator) -> UInt8Array:
        """uint8 (n, size, size, 3): a random square of each photo, 8/9 to all of its height, mirrored by chance."""
        return np.stack([self._random(self._rows[row], rng, 1.0) for row in rows])

    def framed_squares(self, rows: Sequence[int] | Rows, rng: np.random.Generator) -> UInt8Array:
        """Like :meth:`random_squares`, but near the middle of the photo, where the dish is."""
        return np.stack([self._random(self._rows[row], rng, 0.35) for row in rows])

    def middle_squares(self, rows: Sequence[int] | Rows, *, mirrored: bool = False) -> UInt8Array:
        """uint8 (n, size, size, 3): the middle of each photo, all of its height."""
        left = (self.width - self.height) / 2
        box = (left, 0.0, left + self.height, float(self.height))
        return np.stack([_cut(self._rows[row], box, self.size, mirrored) for row in rows])

    def _random(self, picture: UInt8Array, rng: np.random.Generator, spread: float) -> UInt8Array:
        side = rng.uniform(self.size, self.height)
        left, top = (
            slack / 2 + rng.uniform(-spread, spread) * slack / 2 for slack in (self.width - side, self.height - side)
        )
        return _cut(picture, (left, top, left + side, top + side), self.size, bool(rng.random() < 0.5))

    def _fill(self, path: Path, photos: Sequence[Path], report: OnPictures) -> None:
        temporary = path.with_suffix(".tmp")
        table = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=np.uint8, shape=(len(photos), self.height, self.width, 3)
        )

        def read(path: Path) -> UInt8Array:
            fitted = ImageOps.fit(open_photo(path), (self.width, self.height), Image.Resampling.BICUBIC)
            return np.asarray(fitted, dtype=np.uint8)

        with ThreadPoolExecutor(_THREADS) as pool:
            for row, picture in enumerate(pool.map(read, photos)):
                table[row] = picture
                if (row + 1) % _REPORT_EVERY == 0 or row + 1 == len(photos):
                    report("photos", row + 1, len(photos))
        table.flush()
        temporary.replace(path)


def ahead(
    batches: Sequence[Rows], seed: Sequence[int], cut: Callable[[Rows, np.random.Generator], UInt8Array]
) -> Iterator[UInt8Array]:
    """What ``cut`` makes of each batch of rows, prepared in a thread while the one before is used; a function of
    ``seed`` and the batch's number."""
    with ThreadPoolExecutor(1) as pool:
        futures = []
        for number, rows in enumerate(batches):
            futures.append(pool.submit(cut, rows, np.random.default_rng([*seed, number])))
            if len(futures) > 2:
                yield futures.pop(0).result()
        for future in futures:
            yield future.result()


def save_sheet(path: Path, pictures: UInt8Array, columns: int) -> None:
    """A contact sheet as PNG: uint8 (n, S, S, 3) row by row, the last row filled up with white."""
    rows = -(-len(pictures) // columns)
    side = pictures.shape[1]
    sheet = np.full((rows * columns, side, side, 3), 255, dtype=np.uint8)
    sheet[: len(pictures)] = pictures
    tiled = sheet.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    temporary = path.with_name(f"{path.name}.tmp")
    Image.fromarray(tiled).save(temporary, "PNG")
    write_file(path, temporary.read_bytes())
    temporary.unlink()


def _cut(picture: UInt8Array, box: tuple[float, float, float, float], size: int, mirrored: bool) -> UInt8Array:
    square = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[:, ::-1] if mirrored else pixels
