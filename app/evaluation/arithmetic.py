"""How good tag arithmetic is: strategies and baselines on a benchmark made from tagged photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation.methods import Method, World, baselines, phrase, strategies, strategy_method
from app.evaluation.photos import OnProgress, TaggedPhoto, encode_texts, read_tagged_photos
from app.evaluation.queries import Edit, Query, build_queries
from app.evaluation.ranking import (
    Float64Array,
    RankingMetrics,
    best,
    bootstrap_difference,
    mean_metrics,
    measures,
)
from app.evaluation.report import ArithmeticReport, Comparison, FamilyReport, Row
from app.evaluation.visible import visible_ingredients
from app.services.food_words import FOOD_WORDS
from index.algebra import DEFAULT_BALANCE, Strategy
from index.types import Float32Array, Int64Array
from models.data import DataError
from models.photos import encode_photos
from models.types import JointEncoder

#: Photos of the training split that balances are chosen on.
TUNING_PHOTOS = 1_500
_BALANCES = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_MAP10 = 1  # its place among the metrics
_MATTERS_FROM = 2  # tags of a target


@dataclass(frozen=True, slots=True, eq=False)
class Benchmark:
    """The gallery, its vectors and the queries over it."""

    photos: tuple[TaggedPhoto, ...]
    world: World
    queries: dict[Edit, list[Query]]
    report: ArithmeticReport = field(repr=False)


@dataclass(frozen=True, slots=True)
class TuningRow:
    """A strategy at a balance (None: the terms' weights as they are)."""

    strategy: Strategy
    balance: float | None
    overall: RankingMetrics
    matters: RankingMetrics | None


def evaluate_arithmetic(
    encoder: JointEncoder,
    data: Path,
    split: str = "val",
    *,
    queries: int = 2_000,
    jaccard: float = 0.7,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Benchmark:
    """Ask for each photo of ``split`` with one of its ingredient tags swapped (added, removed), and rank the others.

    The gallery is all photos of the split with a tag of :func:`~app.evaluation.visible.visible_ingredients`.
    :func:`~app.evaluation.queries.build_queries` says which queries there are and what is right.

    Args:
        queries: at most so many of each kind of edit.
        on_progress: called with (what, done, total).

    Raises:
        DataError: the data can't be read, or no swap of a tag has a right answer.
        ValueError: ``queries`` or ``jaccard`` is out of range.
    """
    report = on_progress or (lambda *_: None)
    tags = visible_ingredients()
    photos, left_out = read_tagged_photos(data, split, tags)
    asked = {edit: _queries(photos, edit, jaccard, queries, seed) for edit in Edit}
    if not asked[Edit.SWAP]:
        raise DataError(f"split {split!r} of {data} has no photo of which a swapped tag leads to another photo")
    world = _encode(encoder, photos, [query for family in asked.values() for query in family], report)
    families = {
        edit: _measure_family(edit, family, [*strategies(world), *baselines(world, seed)], seed, report)
        for edit, family in asked.items()
        if family
    }
    measured = ArithmeticReport(
        encoder.info.name,
        encoder.info.fingerprint,
        split,
        seed,
        jaccard,
        len(photos),
        left_out,
        tuple(sorted(tags)),
        families,
    )
    return Benchmark(tuple(photos), world, asked, measured)


def tune_arithmetic(
    encoder: JointEncoder,
    data: Path,
    split: str = "train",
    *,
    queries: int = 1_000,
    jaccard: float = 0.7,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> list[TuningRow]:
    """Every strategy at a range of balances, swapping tags of 1,500 photos that ``seed`` draws from ``split``.

    Raises:
        DataError: as :func:`evaluate_arithmetic`.
    """
    report = on_progress or (lambda *_: None)
    photos, _ = read_tagged_photos(data, split, visible_ingredients())
    if len(photos) > TUNING_PHOTOS:
        rows = np.random.default_rng(seed).choice(len(photos), TUNING_PHOTOS, replace=False)
        photos = [photos[row] for row in np.sort(rows)]
    asked = _queries(photos, Edit.SWAP, jaccard, queries, seed)
    if not asked:
        raise DataError(f"split {split!r} of {data} has no photo of which a swapped tag leads to another photo")
    world = _encode(encoder, photos, asked, report)
    matters = _matters(asked)
    tried = [(strategy, balance) for strategy in Strategy for balance in _balances(strategy)]
    table = []
    for done, (strategy, balance) in enumerate(tried):
        values = _values(strategy_method(world, strategy, balance), asked)
        table.append(TuningRow(strategy, balance, *_over(values, matters)))
        report("balances", done + 1, len(tried))
    return table


def _balances(strategy: Strategy) -> tuple[float | None, ...]:
    return _BALANCES if DEFAULT_BALANCE[strategy] is not None else (None, *_BALANCES)


def answers(method: Method, query: Query) -> Int64Array:
    """The rows of the gallery that ``method`` finds, best first, without the reference."""
    return best(method.score(query), query.excluded)


def _queries(photos: Sequence[TaggedPhoto], edit: Edit, jaccard: float, limit: int, seed: int) -> list[Query]:
    sets = [photo.tags for photo in photos]
    return build_queries(sets, [photo.digest for photo in photos], edit, jaccard=jaccard, limit=limit, seed=seed)


def _encode(encoder: JointEncoder, photos: Sequence[TaggedPhoto], asked: Sequence[Query], report: OnProgress) -> World:
    tags = sorted(frozenset().union(*(photo.tags for photo in photos)))
    phrases = sorted({phrase(query.target) for query in asked})
    food = encode_texts(encoder, FOOD_WORDS, report, "food words")
    text_mean: Float32Array = np.stack(list(food.values())).astype(np.float64).mean(axis=0).astype(np.float32)
    return World(
        photos=encode_photos(encoder, [photo.path for photo in photos], report),
        words=encode_texts(encoder, tags, report, "tags"),
        phrases=encode_texts(encoder, phrases, report, "sets of tags"),
        text_mean=text_mean,
    )


def _measure_family(
    edit: Edit, asked: Sequence[Query], methods: Sequence[Method], seed: int, report: OnProgress
) -> FamilyReport:
    matters = _matters(asked)
    values: dict[str, Float64Array] = {}
    rows = []
    for done, method in enumerate(methods):
        values[method.name] = _values(method, asked)
        rows.append(Row(method.name, method.is_baseline, method.balance, *_over(values[method.name], matters)))
        report(f"{edit.value} a tag", done + 1, len(methods))
    masks = [np.ones(len(asked), dtype=np.bool_), *([matters] if matters.any() else [])]
    return FamilyReport(
        edit=edit,
        queries=len(asked),
        matters=int(matters.sum()),
        references=len({query.reference for query in asked}),
        right_answers=float(np.mean([len(query.right) for query in asked])),
        rows=tuple(rows),
        comparisons=tuple(_compare(rows, values, asked, mask, seed) for mask in masks),
    )


def _compare(
    rows: Sequence[Row], values: dict[str, Float64Array], asked: Sequence[Query], mask: NDArray[np.bool_], seed: int
) -> Comparison:
    map10 = {name: value[mask, _MAP10] for name, value in values.items()}
    strategy, baseline = (
        max((row.name for row in rows if row.is_baseline is kind), key=lambda name: map10[name].mean())
        for kind in (False, True)
    )
    groups = [query.reference for query, inside in zip(asked, mask, strict=True) if inside]
    return Comparison(
        strategy, baseline, bootstrap_difference(100 * map10[strategy], 100 * map10[baseline], groups, seed=seed)
    )


def _matters(asked: Sequence[Query]) -> NDArray[np.bool_]:
    return np.array([len(query.target) >= _MATTERS_FROM for query in asked], dtype=np.bool_)


def _values(method: Method, asked: Sequence[Query]) -> Float64Array:
    def rows() -> Iterator[tuple[float, ...]]:
        for query in asked:
            yield measures(answers(method, query), query.right)

    return np.array(list(rows()), dtype=np.float64)


def _over(values: Float64Array, matters: NDArray[np.bool_]) -> tuple[RankingMetrics, RankingMetrics | None]:
    return mean_metrics(values), mean_metrics(values[matters]) if matters.any() else None
