from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reasoning.network import Inputs, narrowing
from models.reasoning.questions import Question
from models.reasoning.vocabulary import PAD, UNKNOWN, ReasoningVocabulary
from models.training.reasoner_data import QuestionSet
from tests.models.reasoning.samples import QUESTIONS, VOCABULARY

_PHOTOS = ["b.png", "a.png", "b.png", "c.png", "a.png"]
ASKED = [
    Question(each.id, Path(photo), each.question, each.answers, each.type, "train")
    for each, photo in zip(QUESTIONS, _PHOTOS, strict=True)
]
STRANGE = [
    Question("6", Path("d.png"), "is it bread?", {"bread": 1.0}, "yes/no", "val"),
    Question("7", Path("d.png"), "how much?", {"rice": 1.0}, "amount", "val"),
]


def test_a_batch_has_each_photo_once() -> None:
    found = QuestionSet(ASKED, VOCABULARY)
    assert found.photos == [Path("b.png"), Path("a.png"), Path("c.png")]
    batch = found.batch(np.array([4, 0, 1]))
    assert batch.photos.tolist() == [0, 1]
    assert batch.places.tolist() == [1, 0, 1]
    assert batch.lengths.tolist() == [4, 3, 3]
    assert batch.words.tolist() == [[5, 6, 2, 3], [2, 3, 4, PAD], [2, 3, 8, PAD]]
    assert batch.types.tolist() == [0, 1, 1]
    assert batch.candidates.tolist() == VOCABULARY.mask[[0, 1, 1]].tolist()
    expected = [dict.fromkeys(VOCABULARY.answers, 0.0) | dict(ASKED[row].answers) for row in (4, 0, 1)]
    assert batch.targets.tolist() == [list(each.values()) for each in expected]


def test_what_can_not_be_answered_is_kept_only_to_be_measured() -> None:
    assert len(QuestionSet([*ASKED, *STRANGE], VOCABULARY)) == 5
    held = QuestionSet(STRANGE, VOCABULARY, complete=True)
    assert held.types.tolist() == [1, -1]
    assert held.targets(np.array([0])).sum() == 0
    assert held.candidates(np.array([0, 1])).tolist() == [VOCABULARY.mask[1].tolist(), [True] * 4]
    with pytest.raises(ValueError, match="no question"):
        QuestionSet(STRANGE[:1], VOCABULARY)


@given(st.integers(1, 7), st.integers(0, 1000))
def test_an_epoch_is_every_question_once_photo_by_photo(batch_size: int, seed: int) -> None:
    found = QuestionSet(ASKED, VOCABULARY)
    batches = found.epoch(batch_size, np.random.default_rng(seed))
    again = found.epoch(batch_size, np.random.default_rng(seed))
    assert sorted(np.concatenate(batches).tolist()) == [0, 1, 2, 3, 4]
    assert all(np.array_equal(left, right) for left, right in zip(batches, again, strict=True))
    # Within a batch the questions about a photo stand side by side.
    for rows in batches:
        photos = found.photo_of[rows]
        assert 1 + int((np.diff(photos) != 0).sum()) == len(set(photos.tolist()))


def test_words_are_dropped_by_chance_and_padding_never() -> None:
    found = QuestionSet(ASKED, VOCABULARY)
    rows = np.arange(5)
    plain = found.batch(rows).words.numpy()
    dropped = found.batch(rows, np.random.default_rng(0), 1.0).words.numpy()
    assert np.array_equal(dropped, np.where(plain == PAD, PAD, UNKNOWN))
    assert np.array_equal(found.batch(rows, np.random.default_rng(0), 0.0).words.numpy(), plain)


def test_in_order_is_every_question_once() -> None:
    rows = QuestionSet(ASKED, VOCABULARY).in_order(2)
    assert [each.tolist() for each in rows] == [[0, 2], [1, 4], [3]]


def test_a_baseline_that_sees_no_question_is_not_told_what_it_offers() -> None:
    asked = [Question("8", Path("a.png"), "is it rice or soup?", {"rice": 1.0}, "what", "train")]
    asked += [Question(name, Path("a.png"), "what is it?", {name: 1.0}, "what", "train") for name in ("soup", "cake")]
    vocabulary = ReasoningVocabulary.build(asked)
    cases: tuple[tuple[Inputs, int], ...] = (("both", 2), ("question", 2), ("image", 3))
    for inputs, expected in cases:
        found = QuestionSet(asked, vocabulary, read=partial(narrowing, inputs))
        assert found.candidates(np.array([0])).sum() == expected
