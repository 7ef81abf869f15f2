"""Tagged photos of one colour each, and an encoder that sees colours: a world in which tags can be learnt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array

DIM = 32
SIDE = 4
COLOURS = {"Tomato": (220, 30, 30), "Salad": (40, 170, 50), "Pasta": (240, 210, 90), "Blini": (60, 40, 160)}


def word_vector(word: str) -> Float32Array:
    seed = int.from_bytes(hashlib.sha256(word.casefold().encode()).digest()[:4], "little")
    vector = np.random.default_rng(seed).normal(size=DIM)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class ColourEncoder:
    """Implements :class:`models.types.JointEncoder`: a photo is the words of the colours that it is near to."""

    def __init__(self, fingerprint: str = "c" * 64) -> None:
        preprocess = ImagePreprocess(SIDE, (0.5,) * 3, (0.5,) * 3, resize_mode="squash")
        self.info = EncoderInfo("colours", fingerprint, DIM, preprocess, "cpu", 0, "none")
        self.photos = 0

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        self.photos += len(pixels)
        palette = np.array(list(COLOURS.values()), dtype=np.float32)
        words = np.stack([word_vector(name) for name in COLOURS])
        flat = pixels.reshape(len(pixels), -1, 1, 3).astype(np.float32)
        near = np.exp(-((flat - palette) ** 2).sum(-1) / 4000).mean(axis=1) + 0.01
        return _unit(near @ words)

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        return _unit(np.stack([np.sum([word_vector(word) for word in text.split()], axis=0) for text in texts]))

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        raise NotImplementedError


def write_world(folder: Path, *, train: int = 80, val: int = 40) -> Path:
    """Photos of two colours each; their recipes have the colours' tags, one in five lacks one, and all are Kosher.
    Every tenth photo has no tags, and every photo comes with a twin of the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(train + val):
        source = number - number % 2
        rng = np.random.default_rng(source)
        names = list(rng.choice(list(COLOURS), 2, replace=False))
        image = Image.new("RGB", (12, 8), COLOURS[names[0]])
        image.paste(COLOURS[names[1]], (0, 0, 6, 8))
        image.putpixel((0, 0), (source % 256, source // 256, 0))
        image.save(folder / f"{number}.png")
        tags = [name for name in names if rng.random() > 0.2] + ["Kosher"]
        lines.append(
            {
                "id": str(number),
                "title": f"dish {number}",
                "tags": [] if source % 20 == 0 else tags,
                "image": f"{number}.png",
                "split": "train" if number < train else "val",
            }
        )
    (folder / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def _unit(rows: np.ndarray) -> Float32Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
