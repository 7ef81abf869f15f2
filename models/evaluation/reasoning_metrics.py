"""Measures of answers, and the shuffled photos that they are held against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from models.reasoning.questions import Question

P = TypeVar("P", bound=Hashable)


def soft_score(answers: Mapping[str, float], given: str) -> float:
    """The score of a given answer, in [0, 1]; 0 where nobody gave it (Antol et al. 2015, accuracy of VQA)."""
    return answers.get(given, 0.0)


def majority_answers(questions: Sequence[Question]) -> dict[str, str]:
    """For each type the answer with the highest sum of scores, of equal ones the first by name."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for question in questions:
        for answer, score in question.answers.items():
            sums[question.type][answer] += score  # type: ignore[assignment]
    return {kind: min(counts, key=lambda answer: (-counts[answer], answer)) for kind, counts in sums.items()}


def other_photos(photos: Sequence[P], seed: int = 0) -> list[P] | None:
    """For each place a photo out of the same list that is another one, each place's photo used once: a derangement.

    Places are ordered by a random order of the photos and moved on by as many as the most frequent photo has, so that
    none meets its own. None where that can't be: one photo has more than half of the places.
    """
    counts = Counter(photos)
    most = max(counts.values(), default=0)
    if 2 * most > len(photos) or not photos:
        return None
    names = list(counts)
    rank = {names[place]: number for number, place in enumerate(np.random.default_rng(seed).permutation(len(names)))}
    order = sorted(range(len(photos)), key=lambda place: rank[photos[place]])
    found = list(photos)
    for number, place in enumerate(order):
        found[place] = photos[order[(number + most) % len(order)]]
    return found
