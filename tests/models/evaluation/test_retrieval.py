import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data import DataError
from models.evaluation import retrieval
from models.evaluation.retrieval import RetrievalReport, evaluate_retrieval
from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText, UInt8Array

PREPROCESS = ImagePreprocess(8, (0.5,) * 3, (0.5,) * 3)


class CountingEncoder:
    """Knows number i on sight: photo i is the grey i + 1, and each line of recipe i ends in i. Titles are noise."""

    def __init__(self, dim: int = 64) -> None:
        self.info = EncoderInfo("counting", "f" * 64, dim, PREPROCESS, "cpu", 0, "none")
        self._codes = np.random.default_rng(0).normal(size=(256, dim)).astype(np.float32)
        self._codes /= np.linalg.norm(self._codes, axis=1, keepdims=True)

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        return self._codes[pixels[:, 0, 0, 0] - 1]

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        raise NotImplementedError

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        rows = []
        for recipe in recipes:
            lines = recipe.ingredients + recipe.instructions
            rows.append(self._codes[int(lines[0].split()[-1])] if lines else self._codes[255])
        return np.stack(rows)


def _folder(folder: Path, count: int, **changes: Any) -> Path:
    lines = []
    for i in range(count):
        Image.new("L", (9, 7), i + 1).save(folder / f"{i}.png")
        line = {"id": str(i), "title": f"dish {i}", "ingredients": [f"salt {i}"], "instructions": [f"cook {i}"]}
        lines.append(json.dumps(line | {"image": f"{i}.png", "split": "val"} | changes.get(f"line{i}", {})))
    (folder / "recipes.jsonl").write_text("\n".join(lines))
    return folder


def _metrics(report: RetrievalReport, variant: str, index: int = 0) -> dict[str, Any]:
    record: dict[str, Any] = report.to_json()["variants"][variant]["galleries"][index]
    return record


def test_a_perfect_encoder_is_perfect_where_it_reads(tmp_path: Path) -> None:
    record = evaluate_retrieval(CountingEncoder(), _folder(tmp_path, 30)).to_json()
    perfect = {"medr": 1.0, "r1": 100.0, "r5": 100.0, "r10": 100.0}
    assert record["image_to_recipe"] == record["recipe_to_image"] == perfect
    assert (record["gallery"], record["ties"], record["model"]) == (30, "against the model", "counting")
    assert record["split"] == "val"
    assert set(record["variants"]) == {"whole", "title", "ingredients", "instructions"}
    title = record["variants"]["title"]["galleries"][0]
    assert title["image_to_recipe"] == {"medr": 30.0, "r1": 0.0, "r5": 0.0, "r10": 0.0}  # all titles tie
    assert title["tied_queries"]["image_to_recipe"] == 30


def test_a_recipe_without_the_component_is_left_out_and_counted(tmp_path: Path) -> None:
    bare: dict[str, list[str]] = {"ingredients": [], "instructions": []}
    data = _folder(tmp_path, 12, line0=bare, line1=bare, line2={"instructions": []}, line3={"title": ""})
    variants = evaluate_retrieval(CountingEncoder(), data).to_json()["variants"]
    counted = {name: (variant["pairs"], variant["left_out"]) for name, variant in variants.items()}
    assert counted == {"whole": (10, 2), "title": (11, 1), "ingredients": (10, 2), "instructions": (9, 3)}
    assert variants["whole"]["galleries"][0]["gallery"] == 10


def test_large_splits_are_drawn_by_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "GALLERIES", (20, 60))
    data = _folder(tmp_path, 60)
    encoder = CountingEncoder(dim=4)
    encoder._codes[30:60] += encoder._codes[:30]  # some are hard to tell apart
    report = evaluate_retrieval(encoder, data, seed=3)
    small, large = _metrics(report, "whole"), _metrics(report, "whole", 1)
    assert (small["gallery"], small["draws"]) == (20, 10)
    assert small["std"]["image_to_recipe"]["r1"] >= 0
    assert (large["gallery"], large["draws"]) == (60, 1)
    assert "std" not in large
    assert report == evaluate_retrieval(encoder, data, seed=3)
    assert report.to_json()["gallery"] == 20


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    evaluate_retrieval(
        CountingEncoder(),
        _folder(tmp_path, 70),
        on_progress=lambda what, done, total: seen.update({what: (done, total)}),
    )
    assert seen["photos"] == (70, 70)
    assert seen["recipes (ingredients)"] == (70, 70)


def test_lines_without_photo_do_not_take_part(tmp_path: Path) -> None:
    data = _folder(tmp_path, 5, line4={"image": ""})
    assert evaluate_retrieval(CountingEncoder(), data).to_json()["gallery"] == 4


@pytest.mark.fault
def test_what_cannot_be_measured_is_named(tmp_path: Path) -> None:
    bare: dict[str, list[str]] = {"ingredients": [], "instructions": []}
    with pytest.raises(DataError, match="no line with both a photo and ingredients or instructions"):
        evaluate_retrieval(CountingEncoder(), _folder(tmp_path, 1, line0=bare))
    data = _folder(tmp_path, 3)
    (data / "1.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"1\.png can't be read as a picture"):
        evaluate_retrieval(CountingEncoder(), data)
    (data / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png can't be read as a picture"):
        evaluate_retrieval(CountingEncoder(), data)
