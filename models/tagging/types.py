"""What taggers take and give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from models.types import Float32Array, ModelError


class TagGroup(StrEnum):
    """The kinds of tag that are known by name; a caller's vocabulary may have others."""

    INGREDIENT = "ingredient"
    DISH = "dish"
    COURSE = "course"
    TECHNIQUE = "technique"
    SEASON = "season"
    DIET = "diet"
    OTHER = "other"


class TaggerUnavailableError(ModelError):
    """A trained tagger can't be used: missing or changed files, or made for another encoder."""


@dataclass(frozen=True, slots=True)
class TagScore:
    """A tag of a photo; ``probability`` in [0, 1] is that the photo's cook would have given the tag."""

    tag: str
    group: str
    probability: float


class Tagger(Protocol):
    """Tags as a function of a photo's joint vector. Safe to call from several threads."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def groups(self) -> tuple[str, ...]: ...

    def score(self, vectors: Float32Array) -> Float32Array:
        """Unit-norm (n, dim) -> probabilities float32 (n, tags), each in [0, 1].

        Raises ValueError where the width is not the encoder's or a value is not finite.
        """
        ...
