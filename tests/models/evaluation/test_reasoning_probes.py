"""The probes of the joint space and of captioners, over encoders and captioners of colours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data import DataError
from models.evaluation.reasoning_probes import probe_captioner, probe_joint_space
from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array
from tests.models.evaluation.caption_world import ColourCaptioner, write_captions

_SIDE = 8


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr("shutil.which", lambda name, *more: None if name == "java" else found(name, *more))


def unit(number: float) -> Float32Array:
    return np.array([np.cos(number), np.sin(number)], dtype=np.float32)


class NumberEncoder:
    """Photos and recipes are numbered; the number is in the red of the photo, in the title, and nowhere else."""

    info = EncoderInfo("numbers", "ab", 2, ImagePreprocess(_SIDE, (0.5,) * 3, (0.5,) * 3), "cpu", 0, "")

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        return np.stack([unit(int(picture[0, 0, 0]) / 10) for picture in pixels])

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        return np.stack([unit(0.0) for _ in texts])

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        return np.stack([unit(int(each.title.split()[-1]) / 10 if each.title else 0.0) for each in recipes])


def write_numbers(folder: Path, count: int = 20) -> Path:
    lines = []
    for number in range(count):
        Image.new("RGB", (_SIDE, _SIDE), (number, 0, 0)).save(folder / f"{number}.png")
        lines.append({"id": str(number), "title": f"Dish {number}", "ingredients": ["rice"], "instructions": ["Cook."],
                      "image": f"{number}.png", "split": "val"})  # fmt: skip
    lines.append({"id": "no-body", "title": "Dish 99", "image": "0.png", "split": "val"})
    (folder / "recipes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_joint_space_as_it_is_and_with_a_side_missing(tmp_path: Path) -> None:
    record = probe_joint_space(NumberEncoder(), write_numbers(tmp_path)).to_json()
    assert record["pairs"] == 20
    assert record["full"] == {"r10": 100.0, "medr": 1.0}
    assert record["title"] == record["full"]
    assert record["shuffled"]["r10"] < 100
    for blank in ("image_only", "ingredients", "instructions"):
        assert record[blank] == {"r10": 0.0, "medr": 20.0}  # all recipes are alike: ties count against the model
    assert 0 < record["question_only"]["r10"] <= 50


def test_too_few_recipes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than two recipes"):
        probe_joint_space(NumberEncoder(), write_numbers(tmp_path, 1))


def test_a_captioner_as_it_is_unseeing_and_of_other_photos(tmp_path: Path) -> None:
    probe = probe_captioner(ColourCaptioner(), write_captions(tmp_path))
    record = probe.to_json()
    assert record["photos"] == 8
    assert record["style"] == "general"
    assert record["full"]["bleu4"] == pytest.approx(1)
    assert record["full"]["cider"] > record["shuffled"]["cider"]
    assert record["full"]["cider"] > record["question_only"]["cider"]


def test_one_caption_cannot_be_shuffled(tmp_path: Path) -> None:
    data = write_captions(tmp_path)
    lines = (data / "captions.jsonl").read_text().splitlines()
    (data / "captions.jsonl").write_text(next(line for line in lines if '"val"' in line))
    with pytest.raises(DataError, match="at least two"):
        probe_captioner(ColourCaptioner(), data)
