"""Plates of coloured soup: photos of them, generators of them, and what looks at them, all made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps

from models.evaluation.generator_backbone import square_photo
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest, check_request
from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array
from tests.pictures import plate

COLOURS = ("red", "green", "blue", "yellow", "black", "orange")
SIDE = 24
TRAIN_OF_EACH, VAL_OF_EACH = 7, 2


def write_plates(folder: Path) -> Path:
    """Photos of soup of six colours: 42 to train on, 12 to measure by."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for split, each in (("train", TRAIN_OF_EACH), ("val", VAL_OF_EACH)):
        for number in range(each):
            for colour in COLOURS:
                name = f"{split}-{colour}-{number}.png"
                plate(colour, size=(72, 48), seed=number + (100 if split == "val" else 0)).save(folder / name)
                lines.append({"id": name, "title": f"{colour.title()} Soup", "image": name, "split": split})
    (folder / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def plate_pixels(colour: str, seed: int, side: int) -> UInt8Array:
    """A photo like those of :func:`write_plates`, cut to a square."""
    whole = plate(colour, size=(72, 48), seed=seed % 97)
    return np.asarray(ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def colour_of(text: str) -> str:
    return text.split()[0].lower()


class GridBackbone:
    """Features are the colours of a picture's 5 x 5 parts, sentences the colour that a text begins with."""

    name, digest, width = "grid", "ab" * 32, 75

    def __init__(self) -> None:
        self.looks = 0

    def features(self, pixels: UInt8Array) -> Float32Array:
        self.looks += len(pixels)
        small = [Image.fromarray(each).resize((5, 5), Image.Resampling.BOX) for each in pixels]
        return np.stack([np.asarray(each, dtype=np.float32).ravel() / 255 for each in small])

    def sentences(self, texts: Sequence[str]) -> Float32Array:
        return np.eye(len(COLOURS), dtype=np.float32)[[COLOURS.index(colour_of(text)) for text in texts]]


class PlateGenerator:
    """Draws what is asked for, with crumbs by the seed; of a wrong colour where the seed can't be divided by ``right``.

    With ``copies_of`` it only retrieves: a training photo of the colour, by the seed.
    """

    def __init__(self, *, right: int = 1, copies_of: Path | None = None) -> None:
        self.info = GeneratorInfo("plates", "cd" * 32, "", 0, (SIDE, 48), "text", False, "cpu", 0, "none")
        self.requests: list[PictureRequest] = []
        self._right, self._copies_of = right, copies_of

    def draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        for request in requests:
            check_request(self.info, request)
        self.requests += requests
        return [DrawnPicture(self._pixels(request), request.seed) for request in requests]

    def _pixels(self, request: PictureRequest) -> UInt8Array:
        colour = colour_of(request.text)
        if self._copies_of is not None:
            name = f"train-{colour}-{request.seed % TRAIN_OF_EACH}.png"
            return square_photo(self._copies_of / name, request.size)
        asked = colour if colour in COLOURS else "red"
        shown = asked if request.seed % self._right == 0 else COLOURS[COLOURS.index(asked) - 1]
        return plate_pixels(shown, request.seed, request.size)


class SoupEncoder:
    """A joint encoder: photos by the colour of their middle, texts by the colour that they begin with."""

    def __init__(self) -> None:
        half = (0.5, 0.5, 0.5)
        self.info = EncoderInfo("soups", "ef" * 32, 3, ImagePreprocess(8, half, half), "cpu", 0, "none", "by hand")

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        raise NotImplementedError

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        middles = [image.getpixel((image.width // 2, image.height // 2)) for image in images]
        return _unit(np.array(middles, dtype=np.float32))

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        words = [colour_of(text) for text in texts]
        return _unit(np.array([ImageColor.getrgb(word if word in COLOURS else "red") for word in words], np.float32))

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        return self.encode_texts([recipe.title for recipe in recipes])


def _unit(rows: Float32Array) -> Float32Array:
    centred = rows - 127.5
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True), dtype=np.float32)
