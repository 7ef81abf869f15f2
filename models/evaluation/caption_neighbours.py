"""What a captioner has to beat: captions of the nearest training photos (Devlin et al. 2015).

"Exploring Nearest Neighbor Approaches for Image Captioning": either the first caption of the nearest photo, or the
consensus caption, which of all captions of the nearest photos is most like the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.evaluation.caption_metrics import ORDERS, Tokens
from models.types import Float32Array

#: Photos that the consensus is sought among, and the share of their captions that it has to please, as in the paper:
#: 90 photos, and 125 of their 450 captions.
NEIGHBOURS = 90
AGREEING = 125 / 450
_ROWS = 512
_NGram: TypeAlias = tuple[str, ...]
VectorsOf: TypeAlias = Callable[[Sequence[Path]], Float32Array]


@dataclass(frozen=True, slots=True)
class NeighbourSource:
    """Vectors of photos to find neighbours by: unit-norm float32 (n, dim) of ``encode``, called ``name`` in reports."""

    name: str
    encode: VectorsOf


@dataclass(frozen=True, slots=True)
class NeighbourCaptions:
    """For each photo a caption, by its place among the training captions: (training photo, caption of it)."""

    nearest: list[tuple[int, int]]
    consensus: list[tuple[int, int]]


def neighbour_captions(
    known: Float32Array,
    captions: Sequence[Sequence[Tokens]],
    asked: Float32Array,
    *,
    neighbours: int = NEIGHBOURS,
    on_progress: Callable[[int, int], None] | None = None,
) -> NeighbourCaptions:
    """The two baselines for each photo.

    Args:
        known: vectors of the training photos, unit-norm (m, dim), with their tokenized ``captions``.
        asked: vectors of the photos to caption, unit-norm (n, dim).
        neighbours: photos that the consensus is sought among; at most m count.
        on_progress: called with (done, total).

    Raises:
        ValueError: no training photos, or another number of vectors than of photos with captions.
    """
    if not len(known) or len(known) != len(captions):
        raise ValueError(f"there are {len(known)} vectors of training photos, but captions of {len(captions)}")
    vectors = CaptionVectors(captions)
    nearest = nearest_rows(known, asked, neighbours)
    first, agreed = [], []
    for number, photos in enumerate(nearest, start=1):
        first.append((int(photos[0]), 0))
        agreed.append(vectors.consensus(photos))
        if on_progress is not None:
            on_progress(number, len(asked))
    return NeighbourCaptions(first, agreed)


def nearest_rows(known: Float32Array, asked: Float32Array, count: int) -> NDArray[np.int64]:
    """Rows of ``known`` with the largest inner products, int64 (n, min(count, m)), best first, then by number."""
    parts = [np.empty((0, min(count, len(known))), dtype=np.int64)]
    for start in range(0, len(asked), _ROWS):
        similarity = asked[start : start + _ROWS] @ known.T
        parts.append(np.argsort(-similarity, axis=1, kind="stable")[:, :count])
    return np.concatenate(parts)


class CaptionVectors:
    """Captions of photos as TF-IDF vectors whose inner product is their CIDEr / 10 (Vedantam et al. 2015, section 4):
    the mean over orders of the cosines, document frequencies counted over the photos.

    The vectors of all captions lie behind one another in ``_ngrams`` and ``_weights``; those of caption ``c`` from
    ``_starts[c]`` on. The captions of photo ``p`` start with caption ``_first[p]``.
    """

    def __init__(self, captions: Sequence[Sequence[Tokens]]) -> None:
        frequency: Counter[_NGram] = Counter()
        for own in captions:
            frequency.update({ngram for tokens in own for ngram in _ngrams(tokens)})
        numbers = {ngram: number for number, ngram in enumerate(frequency)}
        idf = [math.log(len(captions) / count) for count in frequency.values()]
        ngrams: list[int] = []
        weights: list[float] = []
        starts = [0]
        for tokens in (tokens for own in captions for tokens in own):
            for number, weight in _weigh(tokens, numbers, idf):
                ngrams.append(number)
                weights.append(weight)
            starts.append(len(ngrams))
        self._ngrams = np.array(ngrams, dtype=np.int64)
        self._weights = np.array(weights, dtype=np.float32)
        self._starts = np.array(starts, dtype=np.int64)
        self._first = np.cumsum([0, *map(len, captions)])

    def consensus(self, photos: Iterable[int]) -> tuple[int, int]:
        """(photo, caption of it) whose similarities to its most similar others among the photos' captions add up
        highest; the first of equally good ones."""
        chosen = [(int(photo), row) for photo in photos for row in range(self._first[photo], self._first[photo + 1])]
        similarity = self.similarities([row for _, row in chosen])
        np.fill_diagonal(similarity, 0.0)
        agreeing = max(1, round(AGREEING * len(chosen)))
        sums = np.sort(similarity, axis=1)[:, -agreeing:].sum(axis=1)
        photo, row = chosen[int(sums.round(5).argmax())]
        return photo, int(row - self._first[photo])

    def similarities(self, rows: Sequence[int]) -> Float32Array:
        """Inner products of captions, float32 (n, n); captions are numbered through over all photos.

        What only one caption has can't be shared, so it is in the norms (which are 1) but not in the product.
        """
        lengths = self._starts[1:][rows] - self._starts[rows]
        places = np.concatenate([np.arange(self._starts[row], self._starts[row + 1]) for row in rows])
        _, column, count = np.unique(self._ngrams[places], return_inverse=True, return_counts=True)
        shared = count[column] > 1
        narrow = np.cumsum(count > 1) - 1
        matrix = np.zeros((len(rows), int((count > 1).sum())), dtype=np.float32)
        owners = np.repeat(np.arange(len(rows)), lengths)
        matrix[owners[shared], narrow[column[shared]]] = self._weights[places[shared]]
        return np.asarray(matrix @ matrix.T, dtype=np.float32)


def _weigh(tokens: Tokens, numbers: dict[_NGram, int], idf: Sequence[float]) -> list[tuple[int, float]]:
    """The n-grams of a caption by number, with weights whose squares add up to one quarter in each order."""
    weighted = []
    for order in range(1, ORDERS + 1):
        counts = Counter(_ngrams(tokens, order))
        found = [(numbers[ngram], count * idf[numbers[ngram]]) for ngram, count in counts.items()]
        norm = math.hypot(*(weight for _, weight in found)) * math.sqrt(ORDERS)
        if norm > 0:
            weighted += [(number, weight / norm) for number, weight in found]
    return weighted


def _ngrams(tokens: Tokens, order: int | None = None) -> list[_NGram]:
    orders = range(1, ORDERS + 1) if order is None else (order,)
    return [tuple(tokens[at : at + size]) for size in orders for at in range(len(tokens) - size + 1)]
