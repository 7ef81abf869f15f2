"""Balance: so chosen that neither the question nor the photo alone gives the answer away."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

_MOST_SHARE, _EVEN = 0.06, 1.5
_CANDIDATES = 24
_LEAST_WEIGHT = 0.02


def even_out(answers: Mapping[K, str], rng: random.Random) -> list[K]:
    """The items that stay when the frequent answers are thinned out, in their order.

    No answer is left with more than 1.5 times the share that it would have if all were equally frequent, or with more
    than 6 % where there are many; of two answers each has half. Where that can't be, all are as rare as the rarest.
    """
    counts = Counter(answers.values())
    limit = most_of_each(list(counts.values()))
    by_answer: dict[str, list[K]] = defaultdict(list)
    for item, answer in answers.items():
        by_answer[answer].append(item)
    kept = {item for items in by_answer.values() for item in rng.sample(items, min(limit, len(items)))}
    return [item for item in answers if item in kept]


def most_of_each(counts: Sequence[int]) -> int:
    """The largest number that, put on each of the counts as a limit, keeps every share low enough."""
    if not counts:
        return 0
    share = max(_MOST_SHARE, _EVEN / len(counts) if len(counts) > 2 else 1 / len(counts))
    for limit in range(max(counts), min(counts), -1):
        if limit <= share * sum(min(count, limit) for count in counts):
            return limit
    return min(counts)


def negatives(
    positives: Sequence[tuple[int, str]],
    absent: Mapping[str, Sequence[int]],
    contexts: Sequence[str],
    rng: random.Random,
) -> list[tuple[int, str] | None]:
    """For each photo with an ingredient a photo surely without it, None where there is none left.

    Every other one is a plausible one, a dish of the same context. Among a few drawn at random those photos are taken
    first that have more questions answered by yes than by no.

    Args:
        positives: (photo, ingredient), photos by number.
        absent: for each ingredient the photos that are without it.
        contexts: of each photo the kind of dish, or whatever else makes two dishes alike.
    """
    surplus = Counter(photo for photo, _ in positives)
    pools = {name: _Pool(photos, contexts, rng) for name, photos in absent.items()}
    found: list[tuple[int, str] | None] = [None] * len(positives)
    order = list(range(len(positives)))
    rng.shuffle(order)
    for turn, place in enumerate(order):
        photo, ingredient = positives[place]
        pool = pools.get(ingredient)
        candidates = pool.draw(contexts[photo] if turn % 2 == 0 else None) if pool else []
        if pool is None or not candidates:
            continue
        best = max(candidates, key=lambda candidate: surplus[candidate])
        pool.take(best)
        surplus[best] -= 1
        found[place] = best, ingredient
    return found


class _Pool:
    """Photos without an ingredient, each given out once."""

    def __init__(self, photos: Sequence[int], contexts: Sequence[str], rng: random.Random) -> None:
        self._all = list(photos)
        self._by_context: dict[str, list[int]] = defaultdict(list)
        for photo in photos:
            self._by_context[contexts[photo]].append(photo)
        self._taken: set[int] = set()
        self._rng = rng

    def draw(self, context: str | None) -> list[int]:
        """A few photos not taken yet, in random order; of the context, where it has any."""
        alike = self._free(self._by_context.get(context, [])) if context is not None else []
        return alike or self._free(self._all)

    def take(self, photo: int) -> None:
        self._taken.add(photo)

    def _free(self, photos: Sequence[int]) -> list[int]:
        drawn = self._rng.sample(photos, min(_CANDIDATES, len(photos)))
        free = [photo for photo in drawn if photo not in self._taken]
        return free or [photo for photo in photos if photo not in self._taken][:_CANDIDATES]


def distractors(
    right: Sequence[str], absent: Sequence[Sequence[str]], number: int, rng: random.Random
) -> list[list[str] | None]:
    """Wrong options for each question, None where too few can be had.

    Each ingredient is to be a wrong option ``number`` times as often as a right one, so that among the options none is
    likelier than the others.

    Args:
        right: the answers.
        absent: for each question the ingredients that would be wrong.
    """
    left = {name: float(number * count) for name, count in Counter(right).items()}
    found: list[list[str] | None] = [None] * len(right)
    order = list(range(len(right)))
    rng.shuffle(order)
    for place in order:
        choice = [name for name in absent[place] if name in left and name != right[place]]
        if len(choice) < number:
            continue
        picked: list[str] = []
        while len(picked) < number:
            weights = [0.0 if name in picked else max(left[name], _LEAST_WEIGHT) for name in choice]
            picked += rng.choices(choice, weights)
        for name in picked:
            left[name] -= 1
        found[place] = picked
    return found
