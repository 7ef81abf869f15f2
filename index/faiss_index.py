"""Exact nearest neighbours with FAISS, by pk, under filters, and safe to save."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import faiss
import numpy as np

from index.files import write_atomically
from index.locks import ReadWriteLock
from index.types import CorruptIndexError, Float32Array, Hit, Int64Array, Score, Selection
from index.vectors import STORED_DTYPE, check_unit_rows

Codes: TypeAlias = Literal["fp16", "flat"]

_MAGIC = b"tastespace index 1\n"
# FAISS sums in float32 and in an order of its own, so its scores differ from ours by up to about 1e-6 a call. What it
# ranks within this margin of the k-th is scored again in float64, which makes order and ties exact.
_MARGIN = 1e-5
_SCORED_A_STEP = 4096  # vectors that are decoded at a time: 8 MiB at 512 dimensions


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """A loaded index and the place in the feed that it stands for."""

    index: FaissIndex
    seq: int
    generation: int
    catalogue: str


class FaissIndex:
    """:class:`index.types.VectorIndex` in memory: a flat index under ``IndexIDMap2``, searched exhaustively.

    ``codes``: "fp16" keeps two bytes a component (what the catalogue keeps, so nothing is lost), "flat" four.
    """

    def __init__(self, dim: int, *, codes: Codes = "fp16") -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, not {dim}")
        self._dim, self._codes = dim, codes
        self._lock = ReadWriteLock()
        self._index: Any = faiss.IndexIDMap2(_flat(dim, codes))
        self._pks: set[int] = set()

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def codes(self) -> Codes:
        return self._codes

    def __len__(self) -> int:
        return len(self._pks)

    def pks(self) -> Int64Array:
        """All pks, ascending."""
        with self._lock.read():
            return np.array(sorted(self._pks), dtype=np.int64)

    def add(self, pks: Int64Array, vectors: Float32Array) -> None:
        """Add or replace (n,) pks with (n, dim) unit vectors; of a pk given twice the last counts. Raises ValueError
        before anything is changed."""
        rows = check_unit_rows(vectors, self._dim)
        if self._codes == "fp16":
            # FAISS rounds a half up, not to even: rounded as the catalogue rounds, both hold the same numbers.
            rows = rows.astype(STORED_DTYPE).astype(np.float32)
        ids = _check_pks(pks)
        if len(ids) != len(rows):
            raise ValueError(f"{len(ids)} pks need as many vectors, not {len(rows)}")
        last = {int(pk): row for row, pk in enumerate(ids)}
        kept = np.fromiter(last.values(), dtype=np.int64, count=len(last))
        with self._lock.write():
            self._drop([pk for pk in last if pk in self._pks])
            self._index.add_with_ids(rows[kept], ids[kept])
            self._pks.update(last)

    def remove(self, pks: Int64Array) -> int:
        """Remove what is there of ``pks``; returns how many were."""
        ids = {int(pk) for pk in _check_pks(pks)}
        with self._lock.write():
            return self._drop([pk for pk in ids if pk in self._pks])

    def reconstruct(self, pks: Sequence[int] | Int64Array) -> dict[int, Float32Array]:
        """The vectors (dim,) of those of ``pks`` that are there, as they are scored."""
        with self._lock.read():
            present = self._present(pks)
            return dict(zip(present.tolist(), self._vectors(present), strict=True))

    def search(self, query: Float32Array, k: int, selection: Selection | None = None) -> list[Hit]:
        """The ``k`` nearest by cosine, best first, ties by ascending pk; exact, also under a selection.

        The score is the inner product with the stored (float16) unit vector, in float64, rounded to float32; it is
        clipped to [-1, 1] after ranking. Raises ValueError on a query that is not a finite unit vector (dim,), k < 1.
        """
        row = check_unit_rows(np.asarray(query)[None], self._dim, "query")
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        include, exclude = _resolve(selection)
        with self._lock.read():
            size = len(self._pks) if include is None else min(len(self._pks), len(include))
            if size == 0:
                return []
            candidates = self._candidates(row, min(k, size), size, _selector(include, exclude))
            vectors = self._vectors(candidates)
        # einsum adds along each row in the same order wherever the row stands, unlike a matrix product.
        scores = np.einsum("nd,d->n", vectors.astype(np.float64), row[0].astype(np.float64)).astype(np.float32)
        best = np.lexsort((candidates, -scores))[:k]
        return [Hit(int(candidates[i]), float(np.clip(scores[i], -1.0, 1.0))) for i in best]

    def search_scored(self, score: Score, k: int, selection: Selection | None = None) -> list[Hit]:
        """The ``k`` of highest ``score``, best first, ties by ascending pk; exact, every candidate is scored.

        ``score`` gets the stored (float16) vectors as float32 (n, dim), some thousands at a time, so that memory stays
        bounded, and gives (n,) float32. The index is locked for no more than reading those, so that a change doesn't
        wait for the whole scan, nor searches behind it: what is removed meanwhile is left out, what is replaced is
        scored once. Raises ValueError on k < 1 and on scores of another shape or not finite.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        include, exclude = _resolve(selection)
        best = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        with self._lock.read():
            candidates = self._selected(include, exclude)
        for start in range(0, len(candidates), _SCORED_A_STEP):
            with self._lock.read():
                pks = self._present(candidates[start : start + _SCORED_A_STEP])
                vectors = self._vectors(pks)
            scores = np.asarray(score(vectors), dtype=np.float32)
            if scores.shape != pks.shape or not np.isfinite(scores).all():
                raise ValueError(f"{len(pks)} vectors need as many finite scores, not {scores.shape}")
            pks, scores = np.concatenate([best[0], pks]), np.concatenate([best[1], scores])
            kept = np.lexsort((pks, -scores))[:k]
            best = pks[kept], scores[kept]
        return [Hit(int(pk), float(value)) for pk, value in zip(*best, strict=True)]

    def dump(self, *, seq: int, generation: int, catalogue: str = "") -> list[bytes | memoryview]:
        """What :meth:`save` writes: a header line with the checksum, then FAISS's own format."""
        with self._lock.read():
            payload = faiss.serialize_index(self._index).tobytes()
            count = len(self._pks)
        header = {
            "catalogue": catalogue,
            "codes": self._codes,
            "count": count,
            "dim": self._dim,
            "generation": generation,
            "seq": seq,
            "size": len(payload),
        }
        line = json.dumps(header, sort_keys=True).encode()
        return [_MAGIC, line, b"\n", _checksum(line, payload).encode(), b"\n", payload]

    def save(self, path: Path, *, seq: int, generation: int, catalogue: str = "") -> None:
        """Replace ``path`` atomically. ``seq`` is the last change of the feed that the index holds. Raises OSError."""
        write_atomically(path, self.dump(seq=seq, generation=generation, catalogue=catalogue))

    @classmethod
    def load(cls, path: Path) -> SavedIndex:
        """Read what :meth:`save` wrote. Raises FileNotFoundError, and CorruptIndexError on any doubt."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CorruptIndexError(f"the saved index {path.name} can't be read: {error}") from error
        magic, line, checksum, payload = _split(path, data)
        if magic + b"\n" != _MAGIC or checksum != _checksum(line, payload).encode():
            raise CorruptIndexError(f"the saved index {path.name} is truncated, damaged or of another version")
        header = json.loads(line)
        index = cls(header["dim"], codes=header["codes"])
        index._adopt(faiss.deserialize_index(np.frombuffer(payload, dtype=np.uint8)), header["count"], path)
        return SavedIndex(index, header["seq"], header["generation"], header["catalogue"])

    def _adopt(self, loaded: Any, count: int, path: Path) -> None:
        ids = faiss.vector_to_array(loaded.id_map)
        self._index, self._pks = loaded, {int(pk) for pk in ids}
        if loaded.d != self._dim or not loaded.ntotal == len(ids) == len(self._pks) == count:
            raise CorruptIndexError(f"the saved index {path.name} holds other vectors than its header says")

    def _drop(self, present: Sequence[int]) -> int:
        if not present:
            return 0
        ids = np.array(present, dtype=np.int64)
        self._index.remove_ids(faiss.IDSelectorBatch(ids))
        self._pks.difference_update(present)
        return len(present)

    def _present(self, pks: Sequence[int] | Int64Array) -> Int64Array:
        """Those that are there, in their order."""
        return np.array([int(pk) for pk in pks if int(pk) in self._pks], dtype=np.int64)

    def _vectors(self, pks: Int64Array) -> Float32Array:
        if not len(pks):
            return np.empty((0, self._dim), dtype=np.float32)
        vectors: Float32Array = self._index.reconstruct_batch(pks)
        return vectors

    def _selected(self, include: Int64Array | None, exclude: Int64Array | None) -> Int64Array:
        """The pks that pass, ascending."""
        pks = np.fromiter(self._pks, dtype=np.int64, count=len(self._pks))
        pks.sort()
        if include is not None:
            return np.intersect1d(pks, include, assume_unique=True)
        if exclude is not None:
            return np.setdiff1d(pks, exclude, assume_unique=True)
        return pks

    def _candidates(self, row: Float32Array, k: int, size: int, selector: Any) -> Int64Array:
        """Every pk whose score could be among the best ``k``: FAISS cuts a tie at the k-th place arbitrarily, so ask
        for more until the last score is clearly below the k-th."""
        params = None
        if selector is not None:
            params = faiss.SearchParameters()
            params.sel = selector  # holds no reference: our own keeps it alive
        # FAISS spreads queries over threads, never one query: its thread team would only wait for itself, milliseconds
        # on a busy machine. The setting is the calling thread's own.
        faiss.omp_set_num_threads(1)
        wanted = min(k + 8, size)
        while True:
            found_scores, found = self._index.search(row, wanted, params=params)
            scores, pks = found_scores[0][found[0] >= 0], found[0][found[0] >= 0]
            complete = len(pks) < wanted or wanted == size
            if complete or scores[-1] < scores[k - 1] - _MARGIN:
                close = scores >= scores[min(k, len(scores)) - 1] - _MARGIN if len(scores) else scores > 0
                result: Int64Array = pks[close]
                return result
            wanted = min(4 * wanted, size)


def _flat(dim: int, codes: Codes) -> Any:
    if codes == "flat":
        return faiss.IndexFlatIP(dim)
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _check_pks(pks: Int64Array) -> Int64Array:
    ids = np.ascontiguousarray(pks, dtype=np.int64)
    if ids.ndim != 1 or (ids < 0).any():
        raise ValueError("pks must be one row of numbers >= 0")
    return ids


def _resolve(selection: Selection | None) -> tuple[Int64Array | None, Int64Array | None]:
    """The selection as either what to include or what to exclude."""
    if selection is None:
        return None, None
    if selection.include is None:
        return None, selection.exclude
    if selection.exclude is None:
        return selection.include, None
    return np.setdiff1d(selection.include, selection.exclude), None


def _selector(include: Int64Array | None, exclude: Int64Array | None) -> Any:
    if include is not None:
        return faiss.IDSelectorBatch(np.ascontiguousarray(include, dtype=np.int64))
    if exclude is not None and len(exclude):
        return faiss.IDSelectorNot(faiss.IDSelectorBatch(np.ascontiguousarray(exclude, dtype=np.int64)))
    return None


def _split(path: Path, data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    parts = data.split(b"\n", 3)
    if len(parts) != 4:
        raise CorruptIndexError(f"the saved index {path.name} is truncated")
    return parts[0], parts[1], parts[2], parts[3]


def _checksum(header: bytes, payload: bytes) -> str:
    digest = hashlib.sha256(header)
    digest.update(payload)
    return digest.hexdigest()
