from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reasoning.vocabulary import UNKNOWN, ReasoningVocabulary
from tests.models.reasoning.samples import QUESTIONS, VOCABULARY


def test_it_knows_what_its_questions_have() -> None:
    assert VOCABULARY.words == ("is", "it", "rice", "what", "dish", "in", "soup", "there")
    assert VOCABULARY.counts == (5, 5, 2, 2, 1, 1, 1, 1)
    assert VOCABULARY.answers == ("no", "soup", "yes", "rice")
    assert VOCABULARY.types == ("dish", "yes/no")
    assert VOCABULARY.allowed == ((1, 3), (0, 2))
    assert VOCABULARY.mask.tolist() == [[False, True, False, True], [True, False, True, False]]
    assert VOCABULARY.targets({"rice": 0.75, "bread": 1.0}) == {3: 0.75}


def test_what_is_rare_is_left_out() -> None:
    built = ReasoningVocabulary.build(QUESTIONS, min_words=2, min_answers=2)
    assert built.words == ("is", "it", "rice", "what")
    assert built.answers == ("no", "soup", "yes")
    with pytest.raises(ValueError, match="no answer belongs to 9 questions"):
        ReasoningVocabulary.build(QUESTIONS, min_answers=9)


OFFERED = ReasoningVocabulary(
    words=(),
    counts=(),
    questions=0,
    answers=("rice", "bell peppers", "peppers", "rice noodles", "yes", "no"),
    types=("choice", "yes/no"),
    allowed=((0, 1, 2, 3), (4, 5)),
)


@pytest.mark.parametrize(
    ("question", "kind", "expected"),
    [
        ("which is in it: rice, bell peppers or figs?", 0, {"rice", "bell peppers"}),
        ("is it Rice Noodles or peppers", 0, {"rice noodles", "peppers"}),
        ("rice noodles or rice?", 0, {"rice noodles", "rice"}),
        ("is it a bell pepper or a rice noodle?", 0, {"bell peppers", "rice noodles"}),
        ("pepper or rice?", 0, {"peppers", "rice"}),
        ("rice, peppers or something else?", 0, None),
        ("rice and peppers?", 0, None),
        ("is it rice or figs?", 0, None),
        ("what is in it?", 0, None),
        ("is there rice or peppers, yes or no?", 1, {"yes", "no"}),
        ("is there rice or peppers?", 1, None),
        ("yes or rice?", 0, None),
    ],
)
def test_a_question_that_offers_answers_has_one_of_them(question: str, kind: int, expected: set[str] | None) -> None:
    found = {OFFERED.answers[number] for number in np.flatnonzero(OFFERED.candidates(question, kind))}
    assert found == (expected or {OFFERED.answers[number] for number in OFFERED.allowed[kind]})


@given(st.text(max_size=30), st.sampled_from((0, 1)))
def test_every_question_may_have_two_answers_of_its_type(text: str, kind: int) -> None:
    found = OFFERED.candidates(text + " rice or peppers", kind)
    assert found.sum() >= 2
    assert not (found & ~OFFERED.mask[kind]).any()


def test_words_become_numbers() -> None:
    assert VOCABULARY.encode("Is it RICE?!") == [2, 3, 4]
    assert VOCABULARY.encode("is it tofu") == [2, 3, UNKNOWN]
    assert VOCABULARY.encode("🍕🍕") == [UNKNOWN]
    assert VOCABULARY.unknown_words("tofu or rice or tofu?") == ("tofu", "or")


def test_a_question_says_most_by_its_rare_words() -> None:
    """By hand: a word in all questions says nothing, one in a few of the five log(6 / (n + 1))."""
    assert VOCABULARY.unknown_share("is it rice?") == 0
    mean = (2 * math.log(6 / 3) + 4 * math.log(6 / 2)) / 8
    assert VOCABULARY.unknown_share("is it tofu?") == pytest.approx(1)
    assert VOCABULARY.unknown_share("is it rice or soup?") == pytest.approx(mean / (mean + math.log(2) + math.log(3)))
    assert VOCABULARY.unknown_share("是米饭吗") == 1
    assert VOCABULARY.unknown_share("🍕") == 1
    assert VOCABULARY.unknown_share("is it?") == 0


def test_an_answer_is_named_by_its_own_words_before_its_singular() -> None:
    both = replace(OFFERED, answers=("rice", "bell peppers", "peppers", "pepper", "yes", "no"))
    found = np.flatnonzero(both.candidates("rice or pepper?", 0))
    assert [both.answers[number] for number in found] == ["rice", "pepper"]


@pytest.mark.parametrize("question", ["is there no rice?", "isn't it rice?", "is it without rice?", "is it not rice?"])
def test_a_negation_that_is_not_known_turns_the_whole_question_around(question: str) -> None:
    assert VOCABULARY.unknown_share(question) == 1
    assert VOCABULARY.unknown_share("is it rice or not?") < 1
    assert VOCABULARY.unknown_share("yes or no: is it rice?") < 1
    taught = replace(VOCABULARY, words=(*VOCABULARY.words, "no", "isn't", "without", "not"), counts=(*[1] * 12,))
    assert taught.unknown_share(question) == 0


@given(st.text(max_size=30))
def test_any_text_can_be_read(text: str) -> None:
    numbers = VOCABULARY.encode(text)
    assert numbers
    assert all(UNKNOWN <= number < VOCABULARY.size for number in numbers)
    assert 0 <= VOCABULARY.unknown_share(text) <= 1


def test_what_is_written_is_read() -> None:
    assert ReasoningVocabulary.from_text(VOCABULARY.to_text()) == VOCABULARY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": ("a", "a")}, "'a' occurs twice in words"),
        ({"counts": (1,)}, "counts of 1"),
        ({"types": ("dish",)}, "1 types"),
        ({"allowed": ((0,), ())}, "'yes/no'"),
        ({"allowed": ((0,), (4,))}, "'yes/no'"),
        ({"allowed": ((1, 0), (2,))}, "'dish'"),
    ],
)
def test_broken_ones_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(VOCABULARY, **changes)


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"words": [], "questions": 1})])
def test_text_that_is_no_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"vocabulary|Expecting"):
        ReasoningVocabulary.from_text(text)
