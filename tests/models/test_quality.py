"""The shipped weights on real photos: a floor far below what they reach, which only a broken encoder misses."""

import json
import shutil
from pathlib import Path

import pytest

from models.evaluation.retrieval import evaluate_retrieval
from models.registry import load_encoder
from tests.paths import collection


@pytest.mark.data
@pytest.mark.weights
def test_the_shipped_weights_find_recipes_for_real_photos(tmp_path: Path, model_cache: Path) -> None:
    source = collection("epicurious")
    with (source / "recipes.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    chosen = [record for record in records if record["split"] == "val"][:60]
    (tmp_path / "recipes.jsonl").write_text("\n".join(map(json.dumps, chosen)))
    for record in chosen:
        target = tmp_path / record["image"]
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source / record["image"], target)
    record = evaluate_retrieval(load_encoder("tastespace-lite", cache=model_cache), tmp_path).to_json()
    for direction in ("image_to_recipe", "recipe_to_image"):
        assert record[direction]["r10"] > 60  # of 60; chance is 17
        assert record["variants"]["ingredients"]["galleries"][0][direction]["r10"] > 40
