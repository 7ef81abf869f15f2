from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.reasoning_metrics import (
    expected_calibration_error,
    majority_answers,
    other_photos,
    soft_score,
)
from models.reasoning.questions import Question


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(0, 3))
def test_a_derangement(photos: list[int], seed: int) -> None:
    found = other_photos(photos, seed)
    if found is None:
        assert not photos or 2 * max(Counter(photos).values()) > len(photos)
        return
    assert Counter(found) == Counter(photos)
    assert all(mine != other for mine, other in zip(photos, found, strict=True))
    assert found == other_photos(photos, seed)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_calibration_error_against_bins_by_hand(pairs: list[tuple[float, float]]) -> None:
    expected = 0.0
    for number in range(15):
        own = [(p, s) for p, s in pairs if min(int(p * 15), 14) == number]
        expected += abs(sum(p - s for p, s in own)) / len(pairs)
    given, right = [p for p, _ in pairs], [s for _, s in pairs]
    assert expected_calibration_error(given, right) == pytest.approx(expected)


def test_calibration_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match="1 probabilities and 2 scores"):
        expected_calibration_error([0.5], [1, 0])


def test_the_majority_answer_by_scores_and_then_by_name() -> None:
    def question(kind: str, answers: dict[str, float]) -> Question:
        return Question("q", Path("p"), "?", answers, kind, "train")

    asked = [question("a", {"x": 1.0, "y": 0.6}), question("a", {"y": 0.6}), question("b", {"q": 1.0, "p": 1.0})]
    assert majority_answers(asked) == {"a": "y", "b": "p"}
    assert soft_score({"x": 0.3}, "x") == 0.3
    assert soft_score({"x": 0.3}, "z") == 0
