"""Photo <-> recipe retrieval of any joint encoder, as the field reports it: medR and R@1/5/10, both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from models.data import DataError, RecipeExample, read_recipes
from models.metrics import RetrievalMetrics, ranks, retrieval_metrics
from models.photos import encode_photos
from models.types import Float32Array, JointEncoder, RecipeText

GALLERIES = (1_000, 10_000)
DRAWS = 10
_BATCH = 64
_T = TypeVar("_T")
_Text: TypeAlias = "RecipeText | None"
OnEvaluationProgress: TypeAlias = Callable[[str, int, int], None]


def _whole(example: RecipeExample) -> _Text:
    return example.text if example.has_body else None


def _title(example: RecipeExample) -> _Text:
    return RecipeText(title=example.text.title) if example.text.title else None


def _ingredients(example: RecipeExample) -> _Text:
    return RecipeText(ingredients=example.text.ingredients) if example.text.ingredients else None


def _instructions(example: RecipeExample) -> _Text:
    return RecipeText(instructions=example.text.instructions) if example.text.instructions else None


VARIANTS: dict[str, Callable[[RecipeExample], _Text]] = {
    "whole": _whole,
    "title": _title,
    "ingredients": _ingredients,
    "instructions": _instructions,
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One gallery of one variant. With ``draws`` > 1 the metrics are means over them and ``std`` (population
    standard deviations, by metric name) is filled; otherwise it is None."""

    gallery: int
    draws: int
    image_to_recipe: RetrievalMetrics
    recipe_to_image: RetrievalMetrics
    std: dict[str, dict[str, float]] | None

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "image_to_recipe": _metrics_json(self.image_to_recipe),
            "recipe_to_image": _metrics_json(self.recipe_to_image),
            "gallery": self.gallery,
            "draws": self.draws,
            "tied_queries": {
                "image_to_recipe": self.image_to_recipe.ties,
                "recipe_to_image": self.recipe_to_image.ties,
            },
        }
        return record if self.std is None else record | {"std": self.std}


@dataclass(frozen=True, slots=True)
class Variant:
    """A part of the recipe: how many pairs have it, and the measurement for each size of gallery."""

    pairs: int
    left_out: int
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """What :func:`evaluate_retrieval` measured. ``variants`` has "whole" and those parts that occur."""

    model: str
    fingerprint: str
    split: str
    seed: int
    variants: dict[str, Variant]
    runtime: str = "torch"

    def to_json(self) -> dict[str, Any]:
        """The whole recipe on top, in its smallest gallery; everything else under ``variants``."""
        top = self.variants["whole"].measurements[0].to_json()
        return top | {
            "ties": "against the model",
            "model": self.model,
            "fingerprint": self.fingerprint,
            "runtime": self.runtime,
            "split": self.split,
            "seed": self.seed,
            "variants": {
                name: {
                    "pairs": variant.pairs,
                    "left_out": variant.left_out,
                    "galleries": [measurement.to_json() for measurement in variant.measurements],
                }
                for name, variant in self.variants.items()
            },
        }


def evaluate_retrieval(
    encoder: JointEncoder,
    data: Path,
    split: str = "val",
    *,
    seed: int = 0,
    on_progress: OnEvaluationProgress | None = None,
) -> RetrievalReport:
    """Measure ``encoder`` on the lines of ``split`` that have a photo.

    Up to 1,000 pairs are one gallery; more are measured as mean and deviation over 10 seeded draws of 1,000 pairs,
    and of 10,000 where there are as many. Besides the whole recipe (title with ingredients, instructions or both)
    each component is measured alone; a recipe that lacks it is left out there and counted.

    Args:
        on_progress: called with (what, done, total).

    Raises:
        DataError: the data can't be read, a photo is broken, or no pair has a photo and more than a title.
    """
    report = on_progress or (lambda *_: None)
    examples = [example for example in read_recipes(data, split) if example.image is not None]
    if not any(example.has_body for example in examples):
        raise DataError(f"split {split!r} of {data} has no line with both a photo and ingredients or instructions")
    images = encode_photos(encoder, [example.image for example in examples if example.image], report)
    variants = {}
    for name, choose in VARIANTS.items():
        texts = [(row, text) for row, example in enumerate(examples) if (text := choose(example)) is not None]
        if not texts:
            continue
        recipes = _encode_recipes(encoder, [text for _, text in texts], name, report)
        own_images = images[[row for row, _ in texts]]
        measurements = tuple(_measure(own_images, recipes, size, seed) for size in _galleries(len(texts)))
        variants[name] = Variant(len(texts), len(examples) - len(texts), measurements)
    info = encoder.info
    return RetrievalReport(info.name, info.fingerprint, split, seed, variants, info.runtime)


def _galleries(pairs: int) -> list[int]:
    return [min(pairs, GALLERIES[0]), *(size for size in GALLERIES[1:] if pairs >= size)]


def _measure(images: Float32Array, recipes: Float32Array, gallery: int, seed: int) -> Measurement:
    rng = np.random.default_rng([seed, gallery])
    draws = DRAWS if len(images) > gallery else 1
    results: list[tuple[RetrievalMetrics, RetrievalMetrics]] = []
    for _ in range(draws):
        rows = np.arange(gallery) if draws == 1 else rng.choice(len(images), gallery, replace=False)
        image, recipe = images[rows], recipes[rows]
        results.append((retrieval_metrics(ranks(image, recipe)), retrieval_metrics(ranks(recipe, image))))
    if draws == 1:
        return Measurement(gallery, 1, *results[0], None)
    forward, backward = ([result[side] for result in results] for side in (0, 1))
    std = {"image_to_recipe": _deviation(forward), "recipe_to_image": _deviation(backward)}
    return Measurement(gallery, draws, _mean(forward), _mean(backward), std)


def _mean(results: Sequence[RetrievalMetrics]) -> RetrievalMetrics:
    medr, r1, r5, r10 = np.mean([(r.medr, r.r1, r.r5, r.r10) for r in results], axis=0).tolist()
    return RetrievalMetrics(medr, r1, r5, r10, sum(r.ties for r in results))


def _deviation(results: Sequence[RetrievalMetrics]) -> dict[str, float]:
    values = np.std([(r.medr, r.r1, r.r5, r.r10) for r in results], axis=0).tolist()
    return dict(zip(("medr", "r1", "r5", "r10"), values, strict=True))


def _metrics_json(metrics: RetrievalMetrics) -> dict[str, float]:
    return {"medr": metrics.medr, "r1": metrics.r1, "r5": metrics.r5, "r10": metrics.r10}


def _encode_recipes(
    encoder: JointEncoder, texts: Sequence[RecipeText], name: str, report: OnEvaluationProgress
) -> Float32Array:
    rows = []
    for batch in _batches(texts):
        rows.append(encoder.encode_recipes(batch))
        report(f"recipes ({name})", sum(map(len, rows)), len(texts))
    return np.concatenate(rows)


def _batches(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
