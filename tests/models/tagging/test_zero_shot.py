from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tagging.vocabulary import TagVocabulary
from models.tagging.zero_shot import (
    DEFAULT_BIAS,
    DEFAULT_SCALE,
    ZeroShotCalibration,
    ZeroShotTagger,
    centred,
)
from tests.models.tagging.samples import DIM, ENCODER, unit_rows, write_sample


def _vocabulary(count: int) -> TagVocabulary:
    return TagVocabulary(tuple(f"tag {i}" for i in range(count)), ("other",) * count)


@given(st.integers(3, 20), st.integers(0, 1000))
def test_probabilities_are_the_formula(tags: int, seed: int) -> None:
    texts, vectors = unit_rows(tags, seed), unit_rows(4, seed + 1)
    calibration = ZeroShotCalibration.of_reference(texts)
    tagger = ZeroShotTagger(_vocabulary(tags), texts, calibration)
    mean = texts.mean(axis=0)
    directions = np.stack([(text - mean) / np.linalg.norm(text - mean) for text in texts])
    for vector, row in zip(vectors, tagger.score(vectors), strict=True):
        similarities = directions @ vector
        logits = DEFAULT_SCALE * (similarities - similarities.mean()) + DEFAULT_BIAS
        np.testing.assert_allclose(row, 1 / (1 + np.exp(-logits)), atol=1e-4)
    assert not calibration.fitted


def test_what_all_texts_share_does_not_count() -> None:
    """The cone that texts lie in: a constant part of every text moves no probability of the reference."""
    texts, vectors = unit_rows(10, 1), unit_rows(3, 2)
    shifted = texts + 5 * unit_rows(1, 3)
    plain, moved = (
        ZeroShotTagger(_vocabulary(10), each, ZeroShotCalibration.of_reference(each)).score(vectors)
        for each in (texts, shifted)
    )
    np.testing.assert_allclose(plain, moved, atol=1e-4)


def test_one_tag_means_the_same_in_any_vocabulary() -> None:
    texts, vectors = unit_rows(10, 1), unit_rows(3, 2)
    calibration = ZeroShotCalibration.of_reference(unit_rows(30, 5))
    all_ten = ZeroShotTagger(_vocabulary(10), texts, calibration).score(vectors)
    alone = ZeroShotTagger(_vocabulary(1), texts[4:5], calibration).score(vectors)
    np.testing.assert_allclose(all_ten[:, 4], alone[:, 0], atol=1e-6)


def test_a_text_that_is_the_mean_is_no_division_by_zero() -> None:
    mean = unit_rows(1)[0]
    assert centred(mean[None], mean).tolist() == [[0.0] * DIM]


def test_the_fitted_numbers_come_with_the_weights(tmp_path: Path) -> None:
    calibration = ZeroShotCalibration.load(ENCODER, write_sample(tmp_path))
    assert (calibration.scale, calibration.bias, calibration.threshold) == (9.0, -3.0, 0.3)
    assert calibration.fitted


def test_shapes_that_do_not_fit_are_refused() -> None:
    calibration = ZeroShotCalibration.of_reference(unit_rows(5))
    with pytest.raises(ValueError, match="need text vectors"):
        ZeroShotTagger(_vocabulary(3), unit_rows(2), calibration)
    tagger = ZeroShotTagger(_vocabulary(2), unit_rows(2), calibration)
    with pytest.raises(ValueError, match="shape"):
        tagger.score(np.zeros((1, DIM + 1), dtype=np.float32))
