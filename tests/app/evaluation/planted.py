"""A world in which arithmetic is exact: a photo's vector is the sum of an axis for photos and one for each tag."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array

TAGS = ("apple", "basil", "carrot", "egg", "fig")
#: Every pair of tags, one photo each: each swap has exactly one right answer.
PAIRS = tuple(itertools.combinations(TAGS, 2))
_SIZE = 8
_STEP = 20  # between the greys of two photos
_PHOTO, _TEXT, _OTHER = len(TAGS), len(TAGS) + 1, len(TAGS) + 2


class PlantedEncoder:
    """Knows a photo by its grey, and a text by the tags that are words of it."""

    def __init__(self) -> None:
        spec = ImagePreprocess(_SIZE, (0.5,) * 3, (0.5,) * 3)
        self.info = EncoderInfo("planted", "f" * 64, len(TAGS) + 3, spec, "cpu", 0, "none")

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        return np.stack([_sum(_PHOTO, PAIRS[round(int(grey) / _STEP)]) for grey in pixels[:, 0, 0, 0]])

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        words = [[tag for tag in TAGS if tag in text.replace(",", "").split()] for text in texts]
        return np.stack([_sum(_TEXT, tags) if tags else _sum(_TEXT, (), _OTHER) for tags in words])

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        raise NotImplementedError

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        raise NotImplementedError


def write_world(folder: Path, *, splits: Sequence[str] = ("val",)) -> Path:
    """A data folder with a photo for each pair of tags in each split, and one photo without a tag that counts."""
    lines: list[dict[str, object]] = []
    for split in splits:
        for number, pair in enumerate(PAIRS):
            name = f"{split}-{number}.png"
            Image.new("RGB", (_SIZE, _SIZE), (number * _STEP,) * 3).save(folder / name)
            lines.append({"id": f"{split}-{number}", "title": "dish", "tags": [tag.title() for tag in pair]})
            lines[-1] |= {"image": name, "split": split}
        lines.append({"id": f"{split}-untagged", "title": "dish", "tags": ["Vegan", "Garlic"], "split": split})
        lines[-1] |= {"image": f"{split}-0.png"}
    (folder / "recipes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def _sum(axis: int, tags: Sequence[str], *more: int) -> Float32Array:
    vector = np.zeros(len(TAGS) + 3, dtype=np.float32)
    vector[[axis, *more, *(TAGS.index(tag) for tag in tags)]] = 1
    return vector / np.linalg.norm(vector)
