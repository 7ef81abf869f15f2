"""Views of photos that a generator learns from, and what is computed of each of them once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.training.picture_data import OnPictures, PictureTable, Rows
from models.types import UInt8Array

Float16Array: TypeAlias = NDArray[np.float16]
_BATCH = 64
_VIEWS_SEED = 20_250


def view_arrays(
    path: Path,
    table: PictureTable,
    views: int,
    shape: tuple[int, ...],
    compute: Callable[[UInt8Array], Float16Array],
    report: Callable[[int, int], None],
    finish: Callable[[Float16Array], None] | None = None,
) -> Float16Array:
    """float16 (views, n, *shape), mapped into memory: what ``compute`` makes of the middle of each photo, of its mirror
    image, then of squares near the middle that chance cuts. The file is made whole or not at all.

    Args:
        path: of the file, whose name must say what it holds; its folder is made if missing.
        shape: of what is computed of one picture.
        compute: uint8 (b, S, S, 3) -> float16 (b, *shape).
        report: called with (done, total) while the file is made.
        finish: changes the whole array in place before it is kept.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        whole = (views, len(table), *shape)
        kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=whole)
        for view in range(views):
            for start in range(0, len(table), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(table)))
                kept[view, rows] = compute(_view(table, rows, view))
                report(view * len(table) + int(rows[-1]) + 1, views * len(table))
        if finish is not None:
            finish(kept)
        kept.flush()
        temporary.replace(path)
    arrays: Float16Array = np.load(path, mmap_mode="r")
    return arrays


def reporting(what: str, on_progress: OnPictures | None) -> Callable[[int, int], None]:
    """``on_progress`` with the name of what is made, or nothing."""
    return lambda done, total: on_progress(what, done, total) if on_progress else None


def _view(table: PictureTable, rows: Rows, view: int) -> UInt8Array:
    if view < 2:
        return table.middle_squares(rows, mirrored=view == 1)
    return table.framed_squares(rows, np.random.default_rng([_VIEWS_SEED, view, int(rows[0])]))
