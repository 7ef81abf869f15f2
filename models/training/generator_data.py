"""What a generator learns from: latents of photos in several views, and the vectors that it is told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.data import RecipeExample
from models.generation.autoencoder import PictureAutoencoder, from_pixels
from models.generation.conditions import ConditionCentring
from models.generation.types import MODALITIES
from models.training.features import FeatureStore
from models.training.generator_config import ConditionMix
from models.training.generator_views import Float16Array, reporting, view_arrays
from models.training.photo_vectors import photo_vectors
from models.training.picture_data import OnPictures, PictureTable, Rows
from models.types import Float32Array, JointEncoder, RecipeText, UInt8Array

_TEXTS_PER_PART, _VECTOR_BATCH = 2048, 64


@dataclass(frozen=True, slots=True)
class GeneratorBatch:
    """Latents (n, channels, grid, grid), what is told of each, (n, dim), and, where the flow is aligned, what its inner
    features must predict, (n, features, rows, columns)."""

    latents: Tensor
    condition: Tensor
    targets: Tensor | None = None


class TrainingPictures:
    """Latents and vectors of the photos of one split.

    Args:
        latents: float16 (views, n, channels, grid, grid).
        vectors: unit-norm float32 (kinds, n, dim) in the order of ``MODALITIES``.
        targets: float16 (views, n, features, rows, columns) of the same views, where the flow is aligned.

    Raises:
        ValueError: they are not of equally many photos or views.
    """

    def __init__(self, latents: Float16Array, vectors: Float32Array, targets: Float16Array | None = None) -> None:
        if latents.shape[1] != vectors.shape[1]:
            raise ValueError(f"there are latents of {latents.shape[1]} photos and vectors of {vectors.shape[1]}")
        if targets is not None and targets.shape[:2] != latents.shape[:2]:
            raise ValueError(
                f"there are latents of {latents.shape[:2]} views and photos and targets of {targets.shape[:2]}"
            )
        self._latents, self._vectors, self._targets = latents, torch.from_numpy(vectors), targets

    def __len__(self) -> int:
        return int(self._vectors.shape[1])

    def means(self) -> Tensor:
        """The mean vector of each kind, (kinds, dim)."""
        return self._vectors.mean(1)

    def batch(
        self, rows: Rows, rng: np.random.Generator, centring: ConditionCentring, mix: ConditionMix, device: torch.device
    ) -> GeneratorBatch:
        """Each photo in a view and told of in a way that chance decides."""
        views = rng.integers(0, len(self._latents), len(rows))
        shares = np.array([mix.text, mix.recipe, mix.photo])
        kinds = torch.from_numpy(rng.choice(len(MODALITIES), len(rows), p=shares / shares.sum()))
        latents = _picked(self._latents, views, rows, device)
        targets = None if self._targets is None else _picked(self._targets, views, rows, device)
        vectors = self._vectors[kinds, torch.from_numpy(rows)].to(device)
        condition = centring(vectors, kinds.to(device))
        noise = torch.from_numpy(rng.standard_normal(tuple(condition.shape), dtype=np.float32)).to(device)
        return GeneratorBatch(latents, condition + mix.noise * noise, targets)


def _picked(arrays: Float16Array, views: Rows, rows: Rows, device: torch.device) -> Tensor:
    """float32 (n, channels, h, w), channels last in memory: each row in its view."""
    picked = torch.from_numpy(arrays[views, rows].astype(np.float32)).to(device)
    return picked.contiguous(memory_format=torch.channels_last)


def batches(count: int, size: int, steps: int, seed: Sequence[int]) -> Iterator[Rows]:
    """``steps`` batches of rows, a permutation of all of them after the other; a function of ``seed``."""
    rng = np.random.default_rng(list(seed))
    left = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        while len(left) < size:
            left = np.concatenate([left, rng.permutation(count)])
        yield left[:size]
        left = left[size:]


def picture_latents(
    folder: Path,
    table: PictureTable,
    autoencoder: PictureAutoencoder,
    digest: str,
    views: int,
    on_progress: OnPictures | None = None,
) -> Float16Array:
    """float16 (views, n, channels, grid, grid), mapped into memory: the middle of each photo, its mirror image, then
    squares near the middle that chance cuts; kept in ``folder`` by what they are made of.

    Args:
        digest: of what decides the autoencoder's latents.
    """
    name = hashlib.sha256(f"{digest}/{table.digest}/{views}".encode()).hexdigest()[:16]
    config, report = autoencoder.config, reporting("latents", on_progress)
    shape = (config.channels, config.grid, config.grid)
    return view_arrays(folder / f"latents-{name}.npy", table, views, shape, partial(_encode, autoencoder), report)


@torch.no_grad()
def _encode(autoencoder: PictureAutoencoder, pixels: UInt8Array) -> Float16Array:
    pictures = from_pixels(torch.from_numpy(np.ascontiguousarray(pixels)).to(autoencoder.mean.device))
    return autoencoder.encode(pictures).cpu().numpy().astype(np.float16)


def photo_conditions(
    examples: Sequence[RecipeExample], encoder: JointEncoder, cache: Path, on_progress: OnPictures | None = None
) -> Float32Array:
    """Unit-norm float32 (kinds, n, dim): vectors of the title, of the recipe and of the photo of each example, kept on
    disk by the encoder's fingerprint.

    Raises:
        DataError: a photo can't be read.
        ValueError: an example has no photo.
    """
    photos = [example.image for example in examples if example.image is not None]
    if len(photos) != len(examples):
        raise ValueError("every example must have a photo")
    texts = _TextVectors(encoder, cache, on_progress)
    titles = texts.rows([RecipeText(title=each.text.title) if each.text.title else each.text for each in examples])
    recipes = texts.rows([each.text for each in examples])
    pictures, _ = photo_vectors(encoder, photos, cache, on_progress)
    return np.stack([titles, recipes, pictures])


class _TextVectors:
    """Vectors of titles (as texts) and of whole recipes, from the cache where they are there."""

    def __init__(self, encoder: JointEncoder, cache: Path, on_progress: OnPictures | None) -> None:
        self._encoder, self._report = encoder, on_progress or (lambda *_: None)
        self._store = FeatureStore(cache / f"{encoder.info.fingerprint[:16]}-texts", encoder.info.dim)

    def rows(self, recipes: Sequence[RecipeText]) -> Float32Array:
        keys = [hashlib.sha256(repr(each).encode()).digest() for each in recipes]
        missing = list({k: each for k, each in zip(keys, recipes, strict=True) if k not in self._store}.items())
        for start in range(0, len(missing), _TEXTS_PER_PART):
            part = missing[start : start + _TEXTS_PER_PART]
            encoded = [
                self._encode([each for _, each in part[i : i + _VECTOR_BATCH]])
                for i in range(0, len(part), _VECTOR_BATCH)
            ]
            self._store.add([key for key, _ in part], np.concatenate(encoded).astype(np.float16))
            self._report("texts", start + len(part), len(missing))
        found = self._store.rows(keys).astype(np.float32)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    def _encode(self, recipes: Sequence[RecipeText]) -> Float32Array:
        rows = np.empty((len(recipes), self._encoder.info.dim), dtype=np.float32)
        titles = [i for i, each in enumerate(recipes) if not (each.ingredients or each.instructions)]
        whole = [i for i in range(len(recipes)) if i not in set(titles)]
        if titles:
            rows[titles] = self._encoder.encode_texts([recipes[i].title for i in titles])
        if whole:
            rows[whole] = self._encoder.encode_recipes([recipes[i] for i in whole])
        return rows
