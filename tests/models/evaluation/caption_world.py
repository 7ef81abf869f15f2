"""A world of one-coloured photos whose colour says what stands in their captions, and a captioner that reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.captioning.types import Caption, CaptionedWord, CaptionerInfo, CaptionOptions, CaptionStyle
from models.evaluation.caption_neighbours import NeighbourSource
from models.types import Float32Array, ImagePreprocess, UInt8Array

ANIMALS = ("dog", "cat", "horse", "bird", "child")
PLACES = ("grass", "snow", "sand", "a street", "a red sofa")
SPLITS = ("train", "train", "val")
SIDE = 8


def colour(animal: int, place: int) -> tuple[int, int, int]:
    return 40 * animal + 20, 40 * place + 20, 128


def captions_of(animal: int, place: int) -> list[str]:
    what, where = ANIMALS[animal], PLACES[place]
    return [f"A {what} runs over {where} .", f"The {what} is running across {where}.", f"A {what} on {where}"]


def write_captions(folder: Path, splits: Sequence[str] = SPLITS) -> Path:
    """``captions.jsonl`` with a photo of every animal in every place, the splits taking turns."""
    lines = []
    for number in range(len(ANIMALS) * len(PLACES)):
        animal, place = divmod(number, len(PLACES))
        record = {"id": f"photo-{number}", "image": f"images/{number}.png", "split": splits[number % len(splits)]}
        lines.append(record | {"captions": captions_of(animal, place)})
        _draw(folder / f"images/{number}.png", colour(animal, place))
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_titles(folder: Path, splits: Sequence[str] = SPLITS) -> Path:
    """``recipes.jsonl`` of the same photos, the animal and the place as a title; one recipe has no photo."""
    lines: list[dict[str, object]] = [{"id": "unseen", "title": "Nothing to see", "split": "val"}]
    for number in range(len(ANIMALS) * len(PLACES)):
        animal, place = divmod(number, len(PLACES))
        title = f"{ANIMALS[animal]} with {PLACES[place]}".title()
        image = f"images/{number}.png"
        lines.append({"id": f"dish-{number}", "title": title, "image": image, "split": splits[number % len(splits)]})
        _draw(folder / image, colour(animal, place))
    (folder / "recipes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


class ColourCaptioner:
    """Says the first caption of what the colour means; animals that are not ``known`` get no caption at all."""

    def __init__(self, known: int = len(ANIMALS), styles: tuple[CaptionStyle, ...] = ("general", "dish")) -> None:
        self._known = known
        self.asked: list[CaptionOptions] = []
        self.info = CaptionerInfo(
            name="colours",
            fingerprint="ab12",
            preprocess=ImagePreprocess(size=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3),
            styles=styles,
            grid=None,
            vocabulary=20,
            device="cpu",
            parameters=0,
            licence="none",
        )

    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        assert pixels.shape[1:] == (SIDE, SIDE, 3)
        self.asked.append(options)
        return [self._caption(picture, options) for picture in pixels]

    def _caption(self, picture: UInt8Array, options: CaptionOptions) -> list[Caption]:
        animal, place = (round((int(value) - 20) / 40) for value in picture[0, 0, :2])
        if animal >= self._known:
            return []
        title = f"{ANIMALS[animal]} with {PLACES[place]}"
        text = title if options.style == "dish" else captions_of(animal, place)[0]
        return [Caption(text, tuple(CaptionedWord(word, -0.1) for word in text.split()), -1.0)]


def mean_colours(photos: Sequence[Path]) -> Float32Array:
    """Unit-norm vectors whose inner product is largest for equal colours."""
    rows = []
    for path in photos:
        with Image.open(path) as image:
            rows.append(np.asarray(image, dtype=np.float32)[0, 0] - 110)
    found = np.array(rows)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


COLOURS = NeighbourSource("mean colours", mean_colours)


def _draw(path: Path, rgb: tuple[int, int, int]) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (SIDE, SIDE), rgb).save(path)
