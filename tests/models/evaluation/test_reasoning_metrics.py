from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.reasoning_metrics import majority_answers, other_photos, soft_score
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


def test_the_majority_answer_by_scores_and_then_by_name() -> None:
    def question(kind: str, answers: dict[str, float]) -> Question:
        return Question("q", Path("p"), "?", answers, kind, "train")

    asked = [question("a", {"x": 1.0, "y": 0.6}), question("a", {"y": 0.6}), question("b", {"q": 1.0, "p": 1.0})]
    assert majority_answers(asked) == {"a": "y", "b": "p"}
    assert soft_score({"x": 0.3}, "x") == 0.3
    assert soft_score({"x": 0.3}, "z") == 0
