"""Photo <-> recipe retrieval without a trained network: ridge regression, CCA, nearest neighbours over frozen features.

What they need to be told (penalty, dimensions, neighbours) is chosen on a held-out fifth of ``train``. Features are
cached as those of ``tastespace train joint`` are; a recipe is the mean line of each of its three components.

python -m benchmarks.frozen_baselines --data ../shared/data/epicurious --cache runs/features
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.data import RecipeExample, read_recipes
from models.joint.lines import LineKind
from models.joint.towers import TEXT_WIDTH, build_clip, lite_preprocess
from models.metrics import RetrievalMetrics, ranks, retrieval_metrics
from models.training.dataset import LineTable
from models.training.features import FeatureCache
from models.training.joint import with_photo

Rows = NDArray[np.float64]
Pair = tuple[Rows, Rows]  # queries and gallery of photos and recipes, row by row
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_DIMENSIONS = (64, 128, 256, 384)
_NEIGHBOURS = (5, 10, 20, 50)


@dataclass(frozen=True, slots=True)
class Features:
    """``photos`` (n, 1280) and ``recipes`` (n, 1152), row i of one belonging to row i of the other."""

    photos: Rows
    recipes: Rows

    def take(self, rows: NDArray[np.int64]) -> Features:
        return Features(self.photos[rows], self.recipes[rows])


Method = Callable[[Features, Features], Iterator[tuple[str, Pair, Pair]]]


def read_features(examples: Sequence[RecipeExample], cache: FeatureCache) -> Features:
    table = LineTable.build(examples, cache)
    recipes = np.zeros((len(examples), 3 * TEXT_WIDTH))
    for row in range(len(examples)):
        for place, kind in enumerate((LineKind.TITLE, LineKind.INGREDIENT, LineKind.INSTRUCTION)):
            lines = table.rows(row, (kind,))
            if len(lines):
                recipes[row, place * TEXT_WIDTH : (place + 1) * TEXT_WIDTH] = table.features[lines].mean(axis=0)
    photos = cache.image_features([example.image for example in examples if example.image], "whole")
    return Features(photos.astype(np.float64), recipes)


def ridge(train: Features, test: Features) -> Iterator[tuple[str, Pair, Pair]]:
    """Each side is regressed on the other; the query's prediction is compared with the gallery."""
    for penalty in _PENALTIES:
        to_recipe = _regress(train.photos, train.recipes, penalty)(test.photos)
        to_photo = _regress(train.recipes, train.photos, penalty)(test.recipes)
        recipes, photos = test.recipes - train.recipes.mean(axis=0), test.photos - train.photos.mean(axis=0)
        yield f"penalty {penalty:g}", (to_recipe, recipes), (to_photo, photos)


def cca(train: Features, test: Features) -> Iterator[tuple[str, Pair, Pair]]:
    """Canonical correlation analysis, regularised (Hotelling 1936; Hardoon et al. 2004, section 4.1)."""
    for penalty in _PENALTIES:
        whiten_photo, whiten_recipe = _whitener(train.photos, penalty), _whitener(train.recipes, penalty)
        photos, recipes = train.photos - train.photos.mean(axis=0), train.recipes - train.recipes.mean(axis=0)
        left, strength, right = np.linalg.svd(
            whiten_photo.T @ (photos.T @ recipes / len(photos)) @ whiten_recipe, full_matrices=False
        )
        for dim in _DIMENSIONS:
            # Weighed by their correlation: what both sides hardly share says little.
            photo = (test.photos - train.photos.mean(axis=0)) @ whiten_photo @ left[:, :dim] * strength[:dim]
            recipe = (test.recipes - train.recipes.mean(axis=0)) @ whiten_recipe @ right[:dim].T * strength[:dim]
            yield f"penalty {penalty:g}, {dim} dimensions", (photo, recipe), (recipe, photo)


def neighbours(train: Features, test: Features) -> Iterator[tuple[str, Pair, Pair]]:
    """A photo stands for the mean of the recipes of the training photos most like it, and the other way round."""
    for count in _NEIGHBOURS:
        to_recipe = _neighbour_mean(test.photos, train.photos, train.recipes, count)
        to_photo = _neighbour_mean(test.recipes, train.recipes, train.photos, count)
        recipes, photos = test.recipes - train.recipes.mean(axis=0), test.photos - train.photos.mean(axis=0)
        yield f"{count} neighbours", (to_recipe, recipes), (to_photo, photos)


METHODS: dict[str, Method] = {"ridge": ridge, "CCA": cca, "nearest neighbours": neighbours}


def measure(pairs: tuple[Pair, Pair]) -> tuple[RetrievalMetrics, RetrievalMetrics]:
    """Both directions, by cosine."""
    first, second = (
        retrieval_metrics(ranks(_unit(queries).astype(np.float32), _unit(gallery).astype(np.float32)))
        for queries, gallery in pairs
    )
    return first, second


def _score(both: tuple[RetrievalMetrics, RetrievalMetrics]) -> float:
    return sum(metrics.r1 + metrics.r5 + metrics.r10 for metrics in both)


def _regress(source: Rows, target: Rows, penalty: float) -> Callable[[Rows], Rows]:
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    x, y = source - centre, target - offset
    # The penalty is relative to the mean variance, so that one range serves features of any scale.
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += penalty * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, x.T @ y)
    return lambda rows: (rows - centre) @ weights


def _whitener(rows: Rows, penalty: float) -> Rows:
    centred = rows - rows.mean(axis=0)
    covariance = centred.T @ centred / len(rows)
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 0) + penalty * values.mean()), dtype=np.float64)


def _neighbour_mean(queries: Rows, known: Rows, answers: Rows, count: int) -> Rows:
    centre = known.mean(axis=0)
    likeness = _unit(queries - centre) @ _unit(known - centre).T
    nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    return np.asarray((answers - answers.mean(axis=0))[nearest].mean(axis=1))


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--seed", type=int, default=0, help="which fifth of train is held out")
    options = parser.parse_args()

    cache = FeatureCache(options.cache, build_clip(), lite_preprocess())
    everything = read_recipes(options.data)
    train, val = (
        read_features([each for each in with_photo(everything, split) if each.has_body], cache)
        for split in ("train", "val")
    )
    order = np.random.default_rng(options.seed).permutation(len(train.photos))
    fifth = len(order) // 5
    held_out, rest = train.take(order[:fifth]), train.take(order[fifth:])
    table = Table(title=f"frozen features, {len(train.photos):,} training pairs, gallery {len(val.photos):,}")
    for column in (
        "method",
        "chosen",
        "photo -> recipe medR",
        "R@1",
        "R@5",
        "R@10",
        "recipe -> photo medR",
        "R@1",
        "R@5",
        "R@10",
    ):
        table.add_column(column, justify="right" if column[0] in "pRr" else "left")
    for name, method in METHODS.items():
        tried = {setting: _score(measure((first, second))) for setting, first, second in method(rest, held_out)}
        chosen = max(tried, key=lambda setting: tried[setting])
        both = next(measure((first, second)) for setting, first, second in method(train, val) if setting == chosen)
        cells = [f"{value:.1f}" for each in both for value in (each.medr, each.r1, each.r5, each.r10)]
        table.add_row(name, chosen, *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
