"""Photos that are used more than once, and photos and recipes of the training split that a measured split has, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data import RecipeExample
from models.photos import OnPhotos, open_photo, photo_digest
from models.words.names import tokens

_SIDE = 16
#: Of the 256 bits of two photos at most so many differ where one is a copy of the other in another size or quality.
_NEAR_BITS = 20
#: Standard deviation of the grey values, of 255, below which a photo shows next to nothing.
_LEAST_CONTRAST = 12.0


def by_photo(recipes: Sequence[RecipeExample]) -> list[list[RecipeExample]]:
    """The recipes of each photo (the same bytes are the same photo), in the order of their first; those without a photo
    are left out. Raises DataError where a photo can't be read."""
    groups: dict[str, list[RecipeExample]] = defaultdict(list)
    for recipe in recipes:
        if recipe.image is not None:
            groups[photo_digest(recipe.image)].append(recipe)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Looks:
    """What photos look like at a glance: ``hashes`` bool (n, 256), see :func:`difference_hash`; ``blank`` bool (n,),
    whether there is hardly anything but one grey."""

    hashes: NDArray[np.bool_]
    blank: NDArray[np.bool_]

    @classmethod
    def of(cls, photos: Sequence[Path], on_photos: OnPhotos | None = None) -> Looks:
        """Look at photos. Raises DataError where one can't be decoded."""
        report = on_photos or (lambda *_: None)
        hashes = np.zeros((len(photos), _SIDE * _SIDE), dtype=np.bool_)
        blank = np.zeros(len(photos), dtype=np.bool_)
        for row, path in enumerate(photos):
            grey = open_photo(path).convert("L")
            hashes[row] = difference_hash(grey)
            blank[row] = float(np.asarray(grey).std()) < _LEAST_CONTRAST
            report("photos", row + 1, len(photos))
        return cls(hashes, blank)


def leaks(
    train: Sequence[Sequence[RecipeExample]],
    held_out: Sequence[Sequence[RecipeExample]],
    train_looks: Looks,
    held_out_looks: Looks,
) -> NDArray[np.bool_]:
    """Of each training photo whether it, or a recipe of it, is nearly a held-out one: all but the same picture, the
    same words in the title, or the same ingredients."""
    titles = {_title(recipe) for group in held_out for recipe in group}
    lists = {recipe.text.ingredients for group in held_out for recipe in group if recipe.text.ingredients}
    known = [any(_title(recipe) in titles or recipe.text.ingredients in lists for recipe in group) for group in train]
    return _near(train_looks.hashes, held_out_looks.hashes) | np.array(known, dtype=np.bool_)


def difference_hash(image: Image.Image) -> NDArray[np.bool_]:
    """256 bits: whether each of 16 x 16 places of the grey picture is darker than the one to its right."""
    grey = np.asarray(image.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.BOX), dtype=np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def _title(recipe: RecipeExample) -> frozenset[str]:
    return frozenset(tokens(recipe.text.title))


def _near(rows: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each row whether it differs from any of the others in few bits."""
    if not len(rows) or not len(others):
        return np.zeros(len(rows), dtype=np.bool_)
    ones, twos = rows.astype(np.float32), others.astype(np.float32)
    differing = ones.sum(axis=1)[:, None] + twos.sum(axis=1)[None] - 2 * ones @ twos.T
    return np.asarray((differing <= _NEAR_BITS).any(axis=1))
