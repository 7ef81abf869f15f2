"""What a captioner has to beat: captions of the nearest training photos (Devlin et al. 2015).

"Exploring Nearest Neighbor Approaches for Image Captioning": either the first caption of the nearest photo, or the
consensus caption, which of all captions of the nearest photos is most like the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.evaluation.caption_metrics import ORDERS, Tokens
from models.types import Float32Array

#: Photos that the consensus is sought among, and the share of their captions that it has to please: 90 photos and
#: 125 of 450 captions in the paper, whose training set is fourteen times as large as Flickr8k.
NEIGHBOURS = 20
AGREEING = 125 / 450
_ROWS = 512
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
    idf = _inverse_frequencies(captions)
    nearest = nearest_rows(known, asked, neighbours)
    first, agreed = [], []
    for number, photos in enumerate(nearest, start=1):
        first.append((int(photos[0]), 0))
        candidates = [(int(photo), caption) for photo in photos for caption in range(len(captions[photo]))]
        agreed.append(candidates[consensus([captions[photo][caption] for photo, caption in candidates], idf)])
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


def consensus(captions: Sequence[Tokens], idf: dict[tuple[str, ...], float]) -> int:
    """The number of the caption whose similarities (CIDEr) to its most similar others add up highest.

    Args:
        captions: at least one. idf: weights of n-grams; those that are not there weigh nothing.
    """
    similarity = _cider_matrix(captions, idf)
    np.fill_diagonal(similarity, 0.0)
    agreeing = max(1, round(AGREEING * len(captions)))
    return int(np.sort(similarity, axis=1)[:, -agreeing:].sum(axis=1).round(6).argmax())


def _cider_matrix(captions: Sequence[Tokens], idf: dict[tuple[str, ...], float]) -> Float32Array:
    """float32 (n, n): the mean over orders of the cosines of TF-IDF vectors (Vedantam et al. 2015, section 4)."""
    total = np.zeros((len(captions), len(captions)), dtype=np.float32)
    for order in range(1, ORDERS + 1):
        columns: dict[tuple[str, ...], int] = {}
        entries = [
            (row, columns.setdefault(ngram, len(columns)), idf.get(ngram, 0.0))
            for row, tokens in enumerate(captions)
            for ngram in _ngrams(tokens, order)
        ]
        if not entries:
            continue
        rows, places, weights = zip(*entries, strict=True)
        matrix = np.zeros((len(captions), len(columns)), dtype=np.float32)
        np.add.at(matrix, (rows, places), weights)
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        unit = np.divide(matrix, norms, out=matrix, where=norms > 0)
        total += unit @ unit.T
    return np.asarray(total / ORDERS, dtype=np.float32)


def _inverse_frequencies(captions: Sequence[Sequence[Tokens]]) -> dict[tuple[str, ...], float]:
    """By n-gram: the logarithm of the number of photos over those whose captions have it."""
    frequency: Counter[tuple[str, ...]] = Counter()
    for own in captions:
        frequency.update(
            {ngram for tokens in own for order in range(1, ORDERS + 1) for ngram in _ngrams(tokens, order)}
        )
    return {ngram: math.log(len(captions) / count) for ngram, count in frequency.items()}


def _ngrams(tokens: Tokens, order: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1)]
