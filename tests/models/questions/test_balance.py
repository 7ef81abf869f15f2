from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from models.questions.balance import distractors, even_out, most_of_each, negatives

NAMES = ("a", "b", "c", "d", "e", "f")


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=80))
def test_no_answer_is_left_too_frequent(answers: list[str]) -> None:
    items = dict(enumerate(answers))
    kept = even_out(items, random.Random(0))
    counts = Counter(items[item] for item in kept)
    assert kept == sorted(kept)
    assert set(counts) == set(answers)
    n = len(counts)
    share = 1 / n if n <= 2 else 1.5 / n
    rarest = min(Counter(answers).values())
    assert max(counts.values()) <= max(share * len(kept), rarest) + 1e-9


def test_of_two_answers_each_has_half() -> None:
    assert most_of_each([70, 30]) == 30
    assert most_of_each([]) == 0


def test_nothing_is_lost_where_all_is_even() -> None:
    items = {number: NAMES[number % 6] for number in range(60)}
    assert even_out(items, random.Random(1)) == list(items)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_negatives_are_without_the_ingredient_and_each_is_used_once(seed: int) -> None:
    rng = random.Random(seed)
    there = {photo: set(rng.sample(NAMES, 2)) for photo in range(30)}
    positives = [(photo, name) for photo, names in there.items() for name in sorted(names)]
    absent = {name: [photo for photo in there if name not in there[photo]] for name in NAMES}
    contexts = [f"kind {photo % 3}" for photo in there]
    found = negatives(positives, absent, contexts, random.Random(seed))
    given = [each for each in found if each is not None]
    assert len(set(given)) == len(given)
    for (_, name), each in zip(positives, found, strict=True):
        assert each is None or (each[1] == name and name not in there[each[0]])
    assert found == negatives(positives, absent, contexts, random.Random(seed))


def test_photos_with_many_a_yes_get_many_a_no() -> None:
    """So that the photo alone does not tell: without it a photo of much would mostly be answered by yes."""
    rng = random.Random(0)
    there = {photo: set(rng.sample(NAMES, 1 + 2 * (photo % 2))) for photo in range(200)}
    positives = [(photo, name) for photo, names in there.items() for name in sorted(names)]
    absent = {name: [photo for photo in there if name not in there[photo]] for name in NAMES}
    found = negatives(positives, absent, [""] * 200, random.Random(0))
    surplus = Counter(photo for photo, _ in positives)
    surplus.subtract(Counter(each[0] for each in found if each))
    assert sum(abs(value) for value in surplus.values()) < 0.4 * len(positives)


def test_none_is_left_where_all_have_it() -> None:
    assert negatives([(0, "a"), (1, "a")], {"a": []}, ["", ""], random.Random(0)) == [None, None]
    assert negatives([(0, "a")], {}, [""], random.Random(0)) == [None]


def test_wrong_options_are_as_frequent_as_right_ones() -> None:
    rng = random.Random(3)
    right = rng.choices(NAMES, weights=[5, 4, 3, 3, 2, 2], k=600)
    absent = [[name for name in NAMES if name != answer] for answer in right]
    found = distractors(right, absent, 3, random.Random(0))
    wrong = Counter(name for options in found if options for name in options)
    for options, answer in zip(found, right, strict=True):
        assert options is not None
        assert len(set(options)) == 3
        assert answer not in options
    for name, count in Counter(right).items():
        assert 0.2 <= count / (count + wrong[name]) <= 0.31


def test_too_few_wrong_ones_make_no_choice() -> None:
    assert distractors(["a", "b"], [["b"], ["a", "c"]], 2, random.Random(0)) == [None, None]
