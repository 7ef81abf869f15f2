"""What generators of pictures take and give. No torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np

from models.types import EncoderInfo, Float32Array, ModelError, UInt8Array

Condition: TypeAlias = Literal["vector", "text"]
Modality: TypeAlias = Literal["text", "recipe", "photo"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
MAX_SEED = 2**32 - 1
DEFAULT_SIZE = 128


class GeneratorUnavailableError(ModelError):
    """A generator can't be used: missing or changed files, or made for another encoder or autoencoder."""


class PictureRequestError(ModelError):
    """The generator can't draw what a request asks: another size, or a condition that it doesn't take."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureRequest:
    """One picture, which depends on nothing but this request.

    Attributes:
        text: the prompt; what a generator that reads text draws, and what a drawn picture says of itself.
        vector: float32 (dim,), the prompt in the joint space; what a generator that reads vectors draws.
        modality: of what ``vector`` was made.
        seed: of the noise, 0 to 2^32 - 1.
        size: side of the square in pixels, one of ``GeneratorInfo.sizes``.
        truncation: scale of the noise, above 0 and at most 1: less of it is more typical and less varied.
        negative_text, negative_vector: what not to draw, where the generator can take it (``GeneratorInfo.negative``);
            the vector is that of a text.

    Raises:
        ValueError: there is no condition, or a value is out of its range; the message names it.
    """

    text: str = ""
    vector: Float32Array | None = None
    modality: Modality = "text"
    seed: int = 0
    size: int = DEFAULT_SIZE
    truncation: float = 1.0
    negative_text: str = ""
    negative_vector: Float32Array | None = None

    def __post_init__(self) -> None:
        if not self.text.strip() and self.vector is None:
            raise ValueError("text and vector are both missing; give one of them")
        for name, vector in (("vector", self.vector), ("negative_vector", self.negative_vector)):
            if vector is not None and (vector.ndim != 1 or not np.isfinite(vector).all()):
                raise ValueError(f"{name} must be one row of finite numbers")
        if self.modality not in MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(MODALITIES)}, not {self.modality!r}")
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"seed must be between 0 and {MAX_SEED}, not {self.seed}")
        if not 0 < self.truncation <= 1:
            raise ValueError(f"truncation must be above 0 and at most 1, not {self.truncation}")
        if self.size < 1:
            raise ValueError(f"size must be at least 1, not {self.size}")


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPicture:
    """A picture, uint8 (size, size, 3), and the seed that it was drawn with."""

    pixels: UInt8Array
    seed: int


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """What is worth knowing about a loaded generator.

    Attributes:
        fingerprint: hex sha256 of weights and settings: equal ones draw equal pictures of equal requests, beyond the
            rounding of the device.
        encoder: fingerprint of the joint encoder whose vectors it takes; empty where it reads text by itself.
        dim: width of those vectors, 0 where it takes none.
        sizes: sides of the squares that it draws, the native one first.
        conditions: ``vector``: requests need one; ``text``: they need text.
        negative: whether it can be told what not to draw.
    """

    name: str
    fingerprint: str
    encoder: str
    dim: int
    sizes: tuple[int, ...]
    conditions: Condition
    negative: bool
    device: str
    parameters: int
    licence: str
    description: str = ""


class Generator(Protocol):
    """Pictures from conditions. Not thread-safe: a lane of the engine owns its generator.

    A picture does not depend on the other requests of a batch beyond float rounding, and all chance in it comes from
    its seed.
    """

    @property
    def info(self) -> GeneratorInfo: ...

    def draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        """A picture for each request, in their order, of at least one.

        Raises:
            PictureRequestError: a request asks for what the generator can't do; see :func:`check_request`.
        """
        ...


def check_encoder(info: GeneratorInfo, encoder: EncoderInfo) -> None:
    """Raises GeneratorUnavailableError where a generator takes vectors, but not those of this encoder."""
    if info.encoder and info.encoder != encoder.fingerprint:
        raise GeneratorUnavailableError(
            f"the generator {info.name} was trained on vectors of the encoder {info.encoder[:12]}, but the encoder in "
            f"use is {encoder.fingerprint[:12]} ({encoder.name}); choose the one that fits the other"
        )


def check_request(info: GeneratorInfo, request: PictureRequest) -> None:
    """Raises PictureRequestError where a generator can't draw what a request asks."""
    if request.size not in info.sizes:
        offered = ", ".join(map(str, info.sizes))
        raise PictureRequestError(f"{info.name} draws no pictures of size {request.size}; it offers {offered}")
    if info.conditions == "vector":
        if request.vector is None:
            raise PictureRequestError(f"{info.name} draws from vectors of the encoder; the request has no vector")
        for name, vector in (("vector", request.vector), ("negative_vector", request.negative_vector)):
            if vector is not None and len(vector) != info.dim:
                raise PictureRequestError(f"{name} has {len(vector)} numbers, {info.name} takes {info.dim}")
    elif not request.text.strip():
        raise PictureRequestError(f"{info.name} draws from text; the request has no text")
    wants_negative = bool(request.negative_text.strip()) or request.negative_vector is not None
    if wants_negative and not info.negative:
        raise PictureRequestError(f"{info.name} can't be told what not to draw; leave out the negative prompt")
    if request.negative_text.strip() and request.negative_vector is None and info.conditions == "vector":
        raise PictureRequestError(f"{info.name} takes vectors; the negative prompt has no vector")
