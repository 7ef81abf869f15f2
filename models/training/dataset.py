"""Cached features as a training set, and the sampling of batches from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import DataError, RecipeExample
from models.joint.lines import LineKind, recipe_lines
from models.joint.towers import TEXT_WIDTH
from models.tagging.vocabulary import visible_tags
from models.training.features import FeatureCache, Float16Array
from models.training.labels import Labels
from models.types import Float32Array

# Lines of one kind that a training step reads of a recipe, drawn anew each time: less work, and an augmentation.
_MAX_SAMPLED = {LineKind.TITLE: 1, LineKind.INGREDIENT: 12, LineKind.INSTRUCTION: 8}
# How often a whole recipe is shown whole; else a random non-empty proper subset of its components is.
_WHOLE = 0.6


@dataclass(frozen=True, slots=True)
class LineTable:
    """The lines of many recipes, end to end. ``features`` float16 (lines, 384); ``kinds`` int64 (lines,); recipe i
    owns rows ``start[i]`` to ``start[i + 1]``."""

    features: Float16Array
    kinds: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def build(cls, examples: Sequence[RecipeExample], cache: FeatureCache) -> LineTable:
        """Encode (or look up) every line of every example."""
        lines = [recipe_lines(example.text) for example in examples]
        features = cache.text_features([text for recipe in lines for _, text in recipe])
        kinds = np.array([int(kind) for recipe in lines for kind, _ in recipe], dtype=np.int64)
        start = np.cumsum([0] + [len(recipe) for recipe in lines], dtype=np.int64)
        return cls(features, kinds, start)

    def __len__(self) -> int:
        return len(self.start) - 1

    def rows(self, recipe: int, kinds: Sequence[LineKind]) -> NDArray[np.int64]:
        """The rows of a recipe's lines of these kinds."""
        rows = np.arange(self.start[recipe], self.start[recipe + 1])
        return rows[np.isin(self.kinds[rows], [int(kind) for kind in kinds])]

    def gather(self, chosen: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """Rows per recipe -> padded float32 (n, lines, 384) and int64 kinds (n, lines)."""
        width = max(len(rows) for rows in chosen)
        lines = np.zeros((len(chosen), width, TEXT_WIDTH), dtype=np.float32)
        kinds = np.zeros((len(chosen), width), dtype=np.int64)
        for i, rows in enumerate(chosen):
            lines[i, : len(rows)] = self.features[rows]
            kinds[i, : len(rows)] = self.kinds[rows]
        return torch.from_numpy(lines), torch.from_numpy(kinds)


@dataclass(frozen=True, slots=True)
class Batch:
    """``images`` (n, 1280), or (n, 0) where there are no cached views; ``lines`` (n, lines, 384) with ``kinds``;
    ``texts`` (n, 384), a title, tag or ingredient of the same example; ``titles`` (n, 384), its title (else its first
    line); ``labels`` bool (n, classes)."""

    images: Tensor
    lines: Tensor
    kinds: Tensor
    texts: Tensor
    titles: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        fields = (self.images, self.lines, self.kinds, self.texts, self.titles, self.labels)
        return Batch(*(tensor.to(device) for tensor in fields))


class TrainingSet:
    """Photos in several views, the lines of their recipes, short texts and class labels.

    Raises:
        DataError: no example has a photo.
    """

    def __init__(
        self, examples: Sequence[RecipeExample], labels: Labels, cache: FeatureCache, views: Sequence[str]
    ) -> None:
        photos = [example.image for example in examples if example.image is not None]
        if len(photos) != len(examples) or not examples:
            raise DataError("training needs examples that all have a photo")
        self.views = [cache.image_features(photos, view) for view in views]
        self.table = LineTable.build(examples, cache)
        self.labels = labels
        self.class_features = torch.from_numpy(cache.text_features(labels.names).astype(np.float32))
        tags = [visible_tags(example.tags) for example in examples]
        self._tag_start = np.cumsum([0] + [len(own) for own in tags])
        self._tags = cache.text_features([tag for own in tags for tag in own])

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """A batch of these examples, each in a mix of views, with a random subset of its lines and a random text."""
        images = self._images(rows, rng)
        lines, kinds = self.table.gather([sample_lines(self.table, int(row), rng) for row in rows])
        texts = np.stack([self._text(int(row), rng) for row in rows]).astype(np.float32)
        titles = np.stack([self._title(int(row)) for row in rows]).astype(np.float32)
        return Batch(
            torch.from_numpy(images),
            lines,
            kinds,
            torch.from_numpy(texts),
            torch.from_numpy(titles),
            torch.from_numpy(self.labels.hot[rows]),
        )

    def _images(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Float32Array:
        """A random point between the features of two random views: features of more views than were computed."""
        if not self.views:
            return np.empty((len(rows), 0), dtype=np.float32)
        first, second = (self._stack(rng.integers(0, len(self.views), len(rows)), rows) for _ in range(2))
        share = rng.random((len(rows), 1), dtype=np.float32)
        return first + share * (second - first)

    def _stack(self, views: NDArray[np.int64], rows: NDArray[np.int64]) -> Float32Array:
        return np.stack([self.views[view][row] for view, row in zip(views, rows, strict=True)]).astype(np.float32)

    def _text(self, row: int, rng: np.random.Generator) -> Float16Array:
        """Most often the title; in 25 of 100 draws a tag and in 15 an ingredient (in 40 where it has no tags)."""
        draw = rng.random()
        tags = np.arange(self._tag_start[row], self._tag_start[row + 1])
        if draw < 0.25 and len(tags):
            tag: Float16Array = self._tags[rng.choice(tags)]
            return tag
        ingredients = self.table.rows(row, (LineKind.INGREDIENT,))
        if draw < 0.4 and len(ingredients):
            ingredient: Float16Array = self.table.features[rng.choice(ingredients)]
            return ingredient
        return self._title(row)

    def _title(self, row: int) -> Float16Array:
        title = self.table.rows(row, (LineKind.TITLE,))
        first: Float16Array = self.table.features[title[0] if len(title) else self.table.start[row]]
        return first


def sample_lines(table: LineTable, recipe: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Component dropout: the rows of a random non-empty subset of a recipe's components (all, most often)."""
    by_kind = {kind: table.rows(recipe, (kind,)) for kind in _MAX_SAMPLED}
    present = [kind for kind, rows in by_kind.items() if len(rows)]
    keep = present
    if len(present) > 1 and rng.random() > _WHOLE:
        mask = int(rng.integers(1, 2 ** len(present) - 1))
        keep = [kind for bit, kind in enumerate(present) if mask >> bit & 1]
    return np.concatenate([_at_most(by_kind[kind], _MAX_SAMPLED[kind], rng) for kind in keep])


def split_lines(
    table: LineTable, recipe: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Two disjoint parts of one recipe by component; None where it has one component only."""
    by_kind = {kind: table.rows(recipe, (kind,)) for kind in _MAX_SAMPLED}
    present = [kind for kind, rows in by_kind.items() if len(rows)]
    if len(present) < 2:
        return None
    mask = int(rng.integers(1, 2 ** len(present) - 1))
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for bit, kind in enumerate(present):
        parts[mask >> bit & 1].append(_at_most(by_kind[kind], _MAX_SAMPLED[kind], rng))
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def _at_most(rows: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= limit else np.sort(rng.choice(rows, limit, replace=False))
