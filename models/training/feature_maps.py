"""Feature maps of a frozen vision tower, computed once and kept on disk.

A map is a function of the backbone's file with its tuned tensors, the view with its preprocessing, and the photo's
bytes: those make its key, as in :mod:`models.training.features`. A map is large (7 x 7 x 320 numbers are 31 KB, some
seconds of training read them all), so the parts are plain ``.npy`` files that are mapped into memory: what is read
stays in the page cache as long as there is room, and a process never holds all of it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from models.backbones import VISION_FILES
from models.captioning.vision import MapTower
from models.files import write_file
from models.joint.towers import normalise_pixels
from models.photos import open_photo, photo_digest
from models.training.precision import half_precision
from models.training.views import view_pixels
from models.types import UInt8Array

Float16Array: TypeAlias = NDArray[np.float16]
OnMaps: TypeAlias = Callable[[str, int, int], None]
_PHOTOS_PER_PART, _BATCH, _THREADS = 512, 8, 2


class MapStore:
    """The parts of one folder: sha256 keys -> float16 maps of one shape.

    Each part is ``part-N-DIGEST.npy``, (n, locations, channels), and ``part-N-DIGEST.keys``, 32 bytes a map; the keys
    are written last, and a part without them is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[Float16Array] = []
        self._place: dict[bytes, tuple[int, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("part-*.keys")):
            self._open(path)

    def __contains__(self, key: bytes) -> bool:
        return key in self._place

    def add(self, keys: Sequence[bytes], maps: Float16Array) -> None:
        """Append maps as a new part, durable before the call returns."""
        packed = b"".join(keys)
        # Named by what it holds: another process that fills the same cache must not replace it by its own.
        path = self._folder / f"part-{len(self._parts):05d}-{hashlib.sha256(packed).hexdigest()[:12]}.keys"
        content = io.BytesIO()
        np.save(content, maps)
        write_file(path.with_suffix(".npy"), content.getvalue())
        write_file(path, packed)
        self._open(path)

    def _open(self, path: Path) -> None:
        packed = path.read_bytes()
        keys = [packed[start : start + 32] for start in range(0, len(packed), 32)]
        self._place.update({key: (len(self._parts), row) for row, key in enumerate(keys)})
        self._parts.append(np.load(path.with_suffix(".npy"), mmap_mode="r"))

    def table(self, keys: Sequence[bytes]) -> MapTable:
        """The maps of these keys, in their order. Raises KeyError where one is missing."""
        return MapTable(self._parts, [self._place[key] for key in keys])


class MapTable:
    """Maps of photos, on disk; :meth:`gather` reads some of them."""

    def __init__(self, parts: Sequence[Float16Array], places: Sequence[tuple[int, int]]) -> None:
        self._parts, self._places = parts, places

    def __len__(self) -> int:
        return len(self._places)

    def gather(self, rows: Sequence[int] | NDArray[np.int64]) -> Float16Array:
        """float16 (n, locations, channels) of these rows, at least one."""
        return np.stack([self._parts[part][row] for part, row in (self._places[int(each)] for each in rows)])


class MapCache:
    """Cached maps of photos, by view: those of :meth:`models.captioning.vision.MapTower.stages`.

    Args:
        folder: where maps are kept.
        tower: whose maps.
        tuned: digest of what was trained in the tower, part of the key.
        on_progress: called with (what, done, total) as work goes on.
    """

    def __init__(self, folder: Path, tower: MapTower, tuned: str = "", on_progress: OnMaps | None = None) -> None:
        self._folder, self._tower = folder, tower
        self._spec = tower.config.preprocess
        self._report = on_progress or (lambda *_: None)
        preprocessing = hashlib.sha256(repr(sorted(asdict(self._spec).items())).encode()).hexdigest()[:12]
        vision = VISION_FILES[tower.config.vision].sha256[:12] + (f"-{tuned}" if tuned else "")
        self._name = f"maps-{vision}-{preprocessing}"
        self._sha: dict[Path, str] = {}

    def maps(self, photos: Sequence[Path], view: str) -> MapTable:
        """The map of each photo seen in ``view``; equal files are computed once, and an interrupted call goes on where
        it stopped.

        Raises:
            DataError: a photo can't be read or decoded; the message names it.
            ValueError: no view has this name.
        """
        store = MapStore(self._folder / f"{self._name}-{view}")
        keys = [bytes.fromhex(self._content(path)) for path in photos]
        missing = list({key: path for key, path in zip(keys, photos, strict=True) if key not in store}.items())
        for start in range(0, len(missing), _PHOTOS_PER_PART):
            part = missing[start : start + _PHOTOS_PER_PART]
            store.add([key for key, _ in part], np.concatenate(list(self._encode([path for _, path in part], view))))
            self._report(f"maps ({view})", start + len(part), len(missing))
        return store.table(keys)

    def _content(self, path: Path) -> str:
        if path not in self._sha:
            self._sha[path] = photo_digest(path)
        return self._sha[path]

    def _encode(self, paths: Sequence[Path], view: str) -> Iterator[Float16Array]:
        device = next(self._tower.parameters()).device

        def read(path: Path) -> UInt8Array:
            return view_pixels(open_photo(path), view, self._spec, self._content(path))

        with ThreadPoolExecutor(_THREADS) as pool, torch.inference_mode():
            decoded = pool.map(read, paths)
            for start in range(0, len(paths), _BATCH):
                pixels = np.stack([next(decoded) for _ in paths[start : start + _BATCH]])
                # Rounded maps feed training only, captions are written from float32 ones.
                with half_precision(device):
                    maps = self._tower.stages(normalise_pixels(pixels, self._spec, device))
                yield maps.float().cpu().numpy().astype(np.float16)
