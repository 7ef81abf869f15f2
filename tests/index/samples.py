"""Items and vectors for the tests of this room."""

from __future__ import annotations

import hashlib

import numpy as np

from index.types import Float32Array, Picture, PictureCaption, PutImage, PutRecipe, Recipe

DIM = 8


def unit_rows(n: int, seed: int = 0, dim: int = DIM) -> Float32Array:
    """float32 (n, dim) random unit vectors."""
    rows = np.random.default_rng(seed).standard_normal((n, dim))
    units: Float32Array = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return units


def unit(seed: int = 0, dim: int = DIM) -> Float32Array:
    row: Float32Array = unit_rows(1, seed, dim)[0]
    return row


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def put_recipe(
    item_id: str,
    *,
    title: str = "Soup",
    ingredients: tuple[str, ...] = ("water", "salt"),
    tags: tuple[str, ...] = (),
    images: tuple[str, ...] | None = None,
    revision: int | None = None,
    seed: int = 0,
) -> PutRecipe:
    recipe = Recipe(title=title, ingredients=ingredients, instructions=("Boil.",), tags=tags, extra={"yield": 2})
    return PutRecipe(id=item_id, recipe=recipe, vector=unit(seed), images=images, revision=revision)


def put_image(
    item_id: str,
    *,
    title: str = "",
    tags: tuple[str, ...] = (),
    recipes: tuple[str, ...] | None = None,
    revision: int | None = None,
    blob: str = "blob",
    generated: bool = False,
    captions: tuple[PictureCaption, ...] = (),
    seed: int = 0,
) -> PutImage:
    picture = Picture(
        blob=sha(blob),
        media_type="image/jpeg",
        width=4,
        height=3,
        size=9,
        title=title,
        tags=tags,
        generated=generated,
        captions=captions,
    )
    return PutImage(id=item_id, picture=picture, vector=unit(seed), recipes=recipes, revision=revision)
