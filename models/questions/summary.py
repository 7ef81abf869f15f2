"""What a set of questions holds: per split and type how many, and what the question's type alone would get right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from models.reasoning.questions import Question

ALL = "all"


@dataclass(frozen=True, slots=True)
class TypeSummary:
    """Questions of one type (``all``: of every type) in one split: how many, of how many photos, with how many
    different best answers; the most frequent of those, and its share in [0, 1]."""

    split: str
    type: str
    questions: int
    photos: int
    answers: int
    majority: str
    majority_share: float


@dataclass(frozen=True, slots=True)
class QuestionSummary:
    """Rows by split, then by type, each split beginning with all of its questions."""

    rows: tuple[TypeSummary, ...]

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows]


def summarize(questions: Iterable[Question]) -> QuestionSummary:
    """Count questions and answers."""
    groups: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.split, ""].append(question)
        groups[question.split, question.type].append(question)
    rows = [_row(split, kind or ALL, own) for (split, kind), own in sorted(groups.items(), key=lambda each: each[0])]
    return QuestionSummary(tuple(rows))


def _row(split: str, kind: str, own: list[Question]) -> TypeSummary:
    counts = Counter(question.best_answer for question in own)
    majority = min(counts, key=lambda answer: (-counts[answer], answer))
    photos = len({question.image for question in own})
    return TypeSummary(split, kind, len(own), photos, len(counts), majority, counts[majority] / len(own))
