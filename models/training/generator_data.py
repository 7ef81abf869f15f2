"""What a generator learns from: latents of photos in several views, and the vectors that it is told of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import RecipeExample
from models.generation.autoencoder import PictureAutoencoder, from_pixels
from models.generation.conditions import ConditionCentring
from models.generation.types import MODALITIES
from models.training.features import FeatureStore
from models.training.generator_config import ConditionMix
from models.training.photo_vectors import photo_vectors
from models.training.picture_data import OnPictures, PictureTable, Rows
from models.types import Float32Array, JointEncoder, RecipeText, UInt8Array

Float16Array: TypeAlias = NDArray[np.float16]
_BATCH, _TEXTS_PER_PART, _VECTOR_BATCH = 64, 2048, 64
_VIEWS_SEED = 20_250


@dataclass(frozen=True, slots=True)
class GeneratorBatch:
    """Latents (n, channels, grid, grid) and what is told of each, (n, dim)."""

    latents: Tensor
    condition: Tensor


class TrainingPictures:
    """Latents and vectors of the photos of one split.

    Args:
        latents: float16 (views, n, channels, grid, grid).
        vectors: unit-norm float32 (kinds, n, dim) in the order of ``MODALITIES``.
    """

    def __init__(self, latents: Float16Array, vectors: Float32Array) -> None:
        if latents.shape[1] != vectors.shape[1]:
            raise ValueError(f"there are latents of {latents.shape[1]} photos and vectors of {vectors.shape[1]}")
        self._latents, self._vectors = latents, torch.from_numpy(vectors)

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
        latents = torch.from_numpy(self._latents[views, rows].astype(np.float32)).to(device)
        vectors = self._vectors[kinds, torch.from_numpy(rows)].to(device)
        condition = centring(vectors, kinds.to(device))
        noise = torch.from_numpy(rng.standard_normal(tuple(condition.shape), dtype=np.float32)).to(device)
        return GeneratorBatch(latents.contiguous(memory_format=torch.channels_last), condition + mix.noise * noise)


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
    report = on_progress or (lambda *_: None)
    name = hashlib.sha256(f"{digest}/{table.digest}/{views}".encode()).hexdigest()[:16]
    path = folder / f"latents-{name}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        config = autoencoder.config
        shape = (views, len(table), config.channels, config.grid, config.grid)
        temporary = path.with_suffix(".tmp")
        kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        for view in range(views):
            for start in range(0, len(table), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(table)))
                kept[view, rows] = _encode(autoencoder, _view(table, rows, view))
                report("latents", view * len(table) + int(rows[-1]) + 1, views * len(table))
        kept.flush()
        temporary.replace(path)
    latents: Float16Array = np.load(path, mmap_mode="r")
    return latents


def _view(table: PictureTable, rows: Rows, view: int) -> UInt8Array:
    if view < 2:
        return table.middle_squares(rows, mirrored=view == 1)
    return table.framed_squares(rows, np.random.default_rng([_VIEWS_SEED, view, int(rows[0])]))


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
