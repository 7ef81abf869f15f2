"""What goes into the catalogue, as services, routes and importers hand it over. Plain dataclasses.

A :class:`Bundle` is the unit of a bulk write: a recipe, its photos, or both, linked with each other. Importers make
bundles; routes make bundles of one part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from index.types import JsonValue, Kind, PictureCaption, Recipe, WriteResult
from models.captioning.types import RequestedStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeItem:
    """A recipe to store.

    ``id`` None: a new one is made. ``revision``: the stored recipe must have it (0: must not exist yet; None: any).
    ``image_ids`` None keeps the links that are there; otherwise they become exactly these.
    """

    recipe: Recipe
    id: str | None = None
    revision: int | None = None
    image_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AutoTags:
    """Let the trained head add tags. ``min_probability`` None: from the threshold that came out of its training."""

    min_probability: float | None = None


@dataclass(frozen=True, slots=True)
class AutoCaptions:
    """Let the captioner add a caption, in a ``style`` of its choice (``auto``) or this one."""

    style: RequestedStyle = "auto"


@dataclass(frozen=True, slots=True)
class Automatic:
    """What all photos of an import are given; None: nothing of that kind."""

    tags: AutoTags | None = None
    captions: AutoCaptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureItem:
    """A photo to store. ``data`` is the file's bytes, or a path that is read when its turn comes.

    ``generated``: drawn by a model; None: if the file says of itself that a generator of this project drew it.
    ``id``, ``revision`` and ``recipe_ids`` as for :class:`RecipeItem`. With ``auto_tags`` the head's tags follow
    ``tags``, and ``extra`` names them. With ``auto_captions`` the captioner's caption follows ``captions``.
    """

    data: bytes | Path
    id: str | None = None
    title: str = ""
    tags: tuple[str, ...] = ()
    generated: bool | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)
    revision: int | None = None
    recipe_ids: tuple[str, ...] | None = None
    captions: tuple[PictureCaption, ...] = ()
    auto_tags: AutoTags | None = None
    auto_captions: AutoCaptions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A recipe with its photos, or either alone.

    The recipe is linked with the photos that could be stored, in their order, after ``recipe.image_ids``: one broken
    photo costs neither the recipe nor the other photos.
    """

    recipe: RecipeItem | None = None
    pictures: tuple[PictureItem, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why an item was not stored. ``slug`` names a problem type of :mod:`app.problems`; ``detail`` is one sentence."""

    slug: str
    detail: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one item: exactly one of ``result`` and ``error`` is set.

    ``id`` is the item's (the made one where it came without), as it was given where it is invalid, or empty.
    """

    kind: Kind
    id: str
    result: WriteResult | None = None
    error: ItemError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOutcome:
    """What became of a bundle, part by part (``pictures`` in the order of the bundle's)."""

    recipe: ItemOutcome | None = None
    pictures: tuple[ItemOutcome, ...] = ()

    @property
    def parts(self) -> tuple[ItemOutcome, ...]:
        return (*self.pictures, *((self.recipe,) if self.recipe else ()))

    @property
    def ok(self) -> bool:
        return all(part.ok for part in self.parts)
