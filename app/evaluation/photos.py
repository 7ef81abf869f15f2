"""The tagged photos that the benchmark is made of, and their vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from index.types import Float32Array
from models.data import DataError, read_recipes
from models.photos import photo_digest
from models.tagging.vocabulary import tag_keys
from models.types import JointEncoder

OnProgress: TypeAlias = Callable[[str, int, int], None]

_BATCH = 64


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """A photo with those of its tags that count, in lower case, and the sha256 of its file."""

    id: str
    path: Path
    tags: frozenset[str]
    digest: str


def read_tagged_photos(data: Path, split: str, counted: frozenset[str]) -> tuple[list[TaggedPhoto], int]:
    """The photos of a split with a tag of ``counted``, in file order, and how many were left out for having none.

    Raises:
        DataError: the folder can't be read, a photo is missing, or no photo has such a tag.
    """
    examples = [example for example in read_recipes(data, split) if example.image is not None]
    photos = []
    for example in examples:
        tags = tag_keys(example.tags) & counted
        if tags and example.image is not None:
            photos.append(TaggedPhoto(example.id, example.image, tags, photo_digest(example.image)))
    if not photos:
        raise DataError(f"no photo of split {split!r} of {data} has the tag of a visible ingredient")
    return photos, len(examples) - len(photos)


def encode_texts(
    encoder: JointEncoder, texts: Sequence[str], report: OnProgress, stage: str = "texts"
) -> dict[str, Float32Array]:
    """The vector (dim,) of each text."""
    vectors: dict[str, Float32Array] = {}
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        vectors.update(zip(batch, encoder.encode_texts(batch), strict=True))
        report(stage, start + len(batch), len(texts))
    return vectors
