"""The ways to answer a query that are measured: the strategies of the algebra, and what they must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.evaluation.queries import Query
from index.algebra import DEFAULT_BALANCE, Modality, Strategy, Term, plan
from index.types import Float32Array

Score = Callable[[Query], Float32Array]

#: Baselines that are given the whole target set, which no query of a user holds; the best of them counts.
FULL_TARGET = ("text_full_target", "text_full_target_phrase", "text_full_target_centred")


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """All vectors that queries are made of. ``photos``: (n, dim), the gallery; ``words``: of tags; ``phrases``: of
    whole target sets as :func:`phrase` writes them; ``text_mean``: (dim,), of common food words."""

    photos: Float32Array
    words: Mapping[str, Float32Array]
    phrases: Mapping[str, Float32Array]
    text_mean: Float32Array


@dataclass(frozen=True, slots=True)
class Method:
    """``score`` gives every photo of the gallery a number, the higher the better. ``balance``: the strategy's, if it
    has one."""

    name: str
    is_baseline: bool
    score: Score
    balance: float | None = None


def phrase(target: frozenset[str]) -> str:
    """A set of tags as one text."""
    return ", ".join(sorted(target))


def strategy_method(world: World, strategy: Strategy, balance: float | None) -> Method:
    """``photo - removed + added`` by a strategy of the algebra; ``balance`` None is its default."""

    def score(query: Query) -> Float32Array:
        terms = [_photo(world, query), *_edit(world, query)]
        return plan(strategy, terms, balance=balance, text_mean=world.text_mean).scores(world.photos)

    return Method(strategy.value, False, score, DEFAULT_BALANCE[strategy] if balance is None else balance)


def strategies(world: World) -> list[Method]:
    """Every strategy at its default balance."""
    return [strategy_method(world, strategy, None) for strategy in Strategy]


def baselines(world: World, seed: int) -> list[Method]:
    """What every strategy is held against, all by the cosine to one vector."""
    rng = np.random.default_rng(seed)

    def text(query: Query) -> list[Term]:
        # Where nothing is added, to leave out is all that the text says.
        return [term for term in _edit(world, query) if term.weight > 0] or _edit(world, query)

    return [
        _baseline(world, "image_only", lambda query: [_photo(world, query)]),
        _baseline(world, "text_only", text),
        _baseline(world, "text_full_target", lambda query: _full(world, query)),
        _baseline(world, "text_full_target_phrase", lambda query: [Term(world.phrases[phrase(query.target)])]),
        _baseline(
            world, "text_full_target_centred", lambda query: _full(world, query), strategy=Strategy.TEXT_DIFFERENCE
        ),
        _baseline(world, "average", lambda query: [_photo(world, query), *text(query)]),
        Method("random", True, lambda _: rng.random(len(world.photos), dtype=np.float32)),
    ]


def _baseline(
    world: World, name: str, terms: Callable[[Query], Sequence[Term]], *, strategy: Strategy = Strategy.WEIGHTED_SUM
) -> Method:
    def score(query: Query) -> Float32Array:
        given = terms(query)
        if all(term.weight < 0 for term in given):
            return -plan(strategy, [Term(term.vector) for term in given]).scores(world.photos)
        return plan(strategy, given, text_mean=world.text_mean).scores(world.photos)

    return Method(name, True, score)


def _photo(world: World, query: Query) -> Term:
    return Term(world.photos[query.reference], modality=Modality.IMAGE)


def _edit(world: World, query: Query) -> list[Term]:
    added = [Term(world.words[query.added], 1.0, query.added)] if query.added else []
    removed = [Term(world.words[query.removed], -1.0, query.removed)] if query.removed else []
    return added + removed


def _full(world: World, query: Query) -> list[Term]:
    return [Term(world.words[tag], label=tag) for tag in sorted(query.target)]
