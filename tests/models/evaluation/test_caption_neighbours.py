"""Captions of the nearest photos, the consensus against a naive reference."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.caption_metrics import Tokens
from models.evaluation.caption_neighbours import AGREEING, CaptionVectors, nearest_rows, neighbour_captions
from models.types import Float32Array
from tests.models.evaluation.caption_corpus import made_up, words


def unit(rows: list[list[float]]) -> Float32Array:
    found = np.array(rows, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def ngrams(tokens: Tokens, order: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1)]


def naive_similarity(first: Tokens, second: Tokens, idf: dict[tuple[str, ...], float]) -> float:
    total = 0.0
    for order in range(1, 5):
        one, other = (
            {ngram: count * idf.get(ngram, 0.0) for ngram, count in Counter(ngrams(tokens, order)).items()}
            for tokens in (first, second)
        )
        norms = math.hypot(*one.values()) * math.hypot(*other.values())
        if norms > 0:
            total += sum(weight * other.get(ngram, 0.0) for ngram, weight in one.items()) / norms
    return total / 4


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_consensus_is_that_of_a_naive_search(seed: int) -> None:
    references, _ = made_up(6, seed)
    documents = [{ngram for c in own for n in range(1, 5) for ngram in ngrams(c, n)} for own in references]
    idf = {ngram: math.log(6 / sum(ngram in each for each in documents)) for own in documents for ngram in own}
    photos = [4, 0, 2, 5]
    places = [(photo, caption) for photo in photos for caption in range(len(references[photo]))]
    captions = [references[photo][caption] for photo, caption in places]
    expected = np.array([[naive_similarity(one, other, idf) for other in captions] for one in captions])
    vectors = CaptionVectors(references)
    first = np.cumsum([0, *map(len, references)])
    found = vectors.similarities([int(first[photo]) + caption for photo, caption in places])
    apart = ~np.eye(len(captions), dtype=bool)
    np.testing.assert_allclose(found[apart], expected[apart], atol=1e-5)
    np.fill_diagonal(expected, 0)
    sums = np.sort(expected, axis=1)[:, -max(1, round(AGREEING * len(captions))) :].sum(axis=1)
    assert sums[places.index(vectors.consensus(photos))] == pytest.approx(sums.max(), abs=1e-4)


def test_the_caption_that_most_agree_with_wins() -> None:
    photos = [
        [words("two women sing")],
        [words("a black dog runs"), words("a black dog sits")],
        [words("the black dog")],
        [words("nothing of this")],
    ]
    vectors = CaptionVectors(photos)
    assert vectors.consensus(range(3)) in ((1, 0), (1, 1))
    assert vectors.consensus([0]) == (0, 0)
    assert CaptionVectors([[[], []]]).consensus([0]) == (0, 0)


def test_the_nearest_photo_s_first_caption_and_the_consensus() -> None:
    captions = [
        [words("odd one out"), words("a dog runs on grass")],
        [words("a dog runs on grass"), words("a dog runs on sand")],
        [words("two cats sleep")],
    ]
    known = unit([[1, 0], [0.9, 0.1], [0, 1]])
    found = neighbour_captions(known, captions, unit([[1, 0], [0, 1]]), neighbours=2)
    assert found.nearest == [(0, 0), (2, 0)]
    assert found.consensus[0] in ((0, 1), (1, 0))
    steps: list[tuple[int, int]] = []
    alone = neighbour_captions(known[2:], captions[2:], unit([[1, 0]]), on_progress=lambda *step: steps.append(step))
    assert (alone.nearest, alone.consensus, steps) == ([(0, 0)], [(0, 0)], [(1, 1)])


def test_neighbours_are_in_order_and_equal_ones_by_number() -> None:
    known = unit([[1, 0], [0, 1], [1, 0], [1, 1]])
    assert nearest_rows(known, unit([[1, 0], [0, 1]]), 3).tolist() == [[0, 2, 3], [1, 3, 0]]
    assert nearest_rows(known, unit([[1, 0]]), 9).shape == (1, 4)
    assert nearest_rows(known, known[:0], 2).shape == (0, 2)


def test_vectors_and_captions_must_be_of_the_same_photos() -> None:
    with pytest.raises(ValueError, match="2 vectors of training photos, but captions of 1"):
        neighbour_captions(unit([[1, 0], [0, 1]]), [[["dog"]]], unit([[1, 0]]))
    with pytest.raises(ValueError, match="0 vectors"):
        neighbour_captions(np.empty((0, 2), dtype=np.float32), [], unit([[1, 0]]))
