"""The plain types of the models room: what encoders take and give. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32Array: TypeAlias = NDArray[np.float32]
UInt8Array: TypeAlias = NDArray[np.uint8]

ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]


class ModelError(Exception):
    """A model can't do what was asked; the message is one clear sentence for the user."""


class EncoderUnavailableError(ModelError):
    """The encoder can't be loaded: unknown name, missing or changed files, no network."""


@dataclass(frozen=True, slots=True)
class RecipeText:
    """The text of a recipe as an encoder sees it: any non-empty subset of three components.

    Raises:
        ValueError: all three components are empty (blank lines count as empty and are dropped).
    """

    title: str = ""
    ingredients: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title.strip())
        for name in ("ingredients", "instructions"):
            lines = tuple(line.strip() for line in getattr(self, name) if line.strip())
            object.__setattr__(self, name, lines)
        if not (self.title or self.ingredients or self.instructions):
            raise ValueError("a recipe needs a title, an ingredient or an instruction")


@dataclass(frozen=True, slots=True)
class ImagePreprocess:
    """How a picture becomes the pixels that a vision tower takes (see :mod:`models.preprocess`).

    ``size`` is the side of the square in pixels; ``mean`` and ``std`` apply to values in [0, 1].
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_mode: ResizeMode = "shortest"
    interpolation: Interpolation = "bicubic"
    fill: int = 0


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What is worth knowing about a loaded encoder.

    ``fingerprint`` (hex sha256) covers weights, preprocessing and tokenizer, not the runtime: two encoders
    with one fingerprint give the same vectors, so an index filled by one may be searched with the other.
    ``runtime`` computes it: ``torch`` or ``openvino``.
    """

    name: str
    fingerprint: str
    dim: int
    preprocess: ImagePreprocess
    device: str
    parameters: int
    licence: str
    description: str = ""
    runtime: str = "torch"


class JointEncoder(Protocol):
    """Photos, texts and recipes as unit-norm float32 rows of one width, ``info.dim``.

    Every method takes a non-empty batch and returns an array of shape (n, dim). Methods are pure functions of
    their input (evaluation mode, no randomness), and a row does not depend on its neighbours in the batch
    beyond float rounding. Not thread-safe: a lane of the engine owns its encoder.
    """

    @property
    def info(self) -> EncoderInfo: ...

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        """Preprocessed pictures, uint8 (n, size, size, 3) as :func:`models.preprocess.to_pixels` makes them."""
        ...

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        """Decoded RGB pictures of any size."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Free text, phrases or tags. Raises ValueError on a blank text."""
        ...

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        """Recipes, whole or in part."""
        ...
