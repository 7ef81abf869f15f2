"""Tags with the shipped weights: they fit the shipped encoder, and say of real photos what is on them."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.evaluation.tag_metrics import average_precision
from models.tagging.head import TagHead
from models.tagging.vocabulary import built_in_vocabulary
from models.tagging.weights import SHIPPED_TAGS, WEIGHTS_FILE, load_tag_weights
from models.tagging.zero_shot import ZeroShotCalibration
from tests.e2e.service import tastespace
from tests.paths import collection
from tests.pictures import jpeg

pytestmark = [pytest.mark.e2e, pytest.mark.weights]


def test_the_shipped_head_fits_the_shipped_encoder(client: httpx.Client) -> None:
    """Where this fails the encoder was replaced: make the head anew with `tastespace train tags`."""
    from models.registry import load_encoder

    info = load_encoder(runtime="torch").info
    head = TagHead.load(info)
    assert head.names == built_in_vocabulary().names
    assert head.groups == built_in_vocabulary().groups
    assert ZeroShotCalibration.load(info).fitted
    manifest, _ = load_tag_weights(SHIPPED_TAGS)
    assert manifest.fingerprint == info.fingerprint
    assert (SHIPPED_TAGS / WEIGHTS_FILE).stat().st_size < 2_000_000
    answer = client.post("/v1/tags", files={"file": ("plate.jpg", jpeg())}).json()
    assert (answer["method"], answer["calibrated"], len(answer["tags"])) == ("head", True, 10)


def test_upload_tags_and_search_by_them(client: httpx.Client) -> None:
    form = {
        "metadata": json.dumps([{"id": "auto-tagged", "tags": ["mine"]}]),
        "auto_tags": "true",
        "auto_tags_min": "0.05",
    }
    response = client.post("/v1/images", files={"files": ("plate.jpg", jpeg("green"))}, data=form)
    assert response.status_code in (200, 201), response.text
    body = response.json()
    assert body["tags"][0] == "mine"
    assert body["auto_tags"]
    assert body["tags"][1:] == body["auto_tags"]
    query = {"image_id": "auto-tagged", "min_probability": 0.05, "k": 100}
    again = client.post("/v1/tags", json=query).json()
    assert [each["tag"] for each in again["tags"]] == body["auto_tags"]
    found = client.get("/v1/images", params={"tag": body["auto_tags"][0], "generated": False}).json()["items"]
    assert "auto-tagged" in [item["id"] for item in found]


def test_any_vocabulary(client: httpx.Client) -> None:
    form = {"vocabulary": json.dumps(["soup", "a bicycle", "green salad"]), "k": "3"}
    answer = client.post("/v1/tags", files={"file": ("plate.jpg", jpeg("green"))}, data=form).json()
    assert (answer["method"], answer["calibrated"]) == ("zero-shot", True)
    assert {each["tag"] for each in answer["tags"]} == {"soup", "a bicycle", "green salad"}


def test_the_command_line_tags_a_picture(tmp_path: Path) -> None:
    (tmp_path / "plate.jpg").write_bytes(jpeg())
    done = tastespace(tmp_path, "tag", "plate.jpg", "--json", "-k", "3")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)[0]["tags"]) == 3


@pytest.mark.data
def test_real_photos_of_desserts_and_salads_are_told_apart(client: httpx.Client) -> None:
    folder = collection("epicurious")
    with (folder / "recipes.jsonl").open(encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if record["split"] == "val"]
    chosen = [record for record in records if len({"Dessert", "Salad"} & set(record["tags"])) == 1][:60]
    scores = []
    for record in chosen:
        photo = folder / record["image"]
        form = {"vocabulary": '["dessert", "salad"]'}
        head = client.post("/v1/tags", files={"file": (photo.name, photo.read_bytes())}, data={"k": "300"}).json()
        zero_shot = client.post("/v1/tags", files={"file": (photo.name, photo.read_bytes())}, data=form).json()
        by_head = {each["tag"]: each["probability"] for each in head["tags"]}
        by_text = {each["tag"]: each["probability"] for each in zero_shot["tags"]}
        scores.append((by_head["Dessert"] - by_head["Salad"], by_text["dessert"] - by_text["salad"]))
    truth = np.array(["Dessert" in record["tags"] for record in chosen])
    for column in np.array(scores).T:
        assert average_precision(truth, column) > 0.9
