from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import Settings, SettingsError
from models.tagging.weights import TagManifest, save_tag_weights
from tests.app.conftest import Service, problem, serving
from tests.app.fakes import COLOURS, DIM, FakeEngine, picture, text_vector, word_vector

pytestmark = pytest.mark.anyio

NAMES = ("Tomato", "Salad", "Pasta", "Rice", "Meat", "Berry")
GROUPS = ("ingredient", "dish", "dish", "ingredient", "ingredient", "ingredient")


def write_head(folder: Path, fingerprint: str = "f" * 64) -> Path:
    """A head that knows the colours of the fake engine: a food that is half of the picture or more is probable."""
    vectors = np.stack([word_vector(name.lower()) for name in NAMES])
    tensors = {
        "head.weight": 20 * vectors.T,
        "head.bias": np.full(len(NAMES), -10, dtype=np.float32),
        "zero_shot.text_mean": np.zeros(DIM, dtype=np.float32),
        "zero_shot.reference": np.zeros(DIM, dtype=np.float32),
    }
    manifest = TagManifest(
        model="tastespace-tags",
        encoder="fake",
        fingerprint=fingerprint,
        dim=DIM,
        names=NAMES,
        groups=GROUPS,
        threshold=0.5,
        zero_shot={"scale": 10.0, "bias": -5.0, "threshold": 0.5},
        licence="none",
    )
    save_tag_weights(folder, tensors, manifest)
    return folder


@pytest.fixture
async def tagging(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(
        data_dir=tmp_path / "data", builtin_catalogue=False, decode_threads=2, tags=write_head(tmp_path / "tags")
    )
    async with serving(settings) as running:
        yield running


async def _tags(service: Service, data: bytes, **fields: Any) -> dict[str, Any]:
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    response = await service.client.post("/v1/tags", files={"file": ("dinner.png", data)}, data=form)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def _names(body: dict[str, Any]) -> list[str]:
    return [each["tag"] for each in body["tags"]]


async def test_an_uploaded_photo_is_tagged_by_the_head(tagging: Service) -> None:
    response = await tagging.client.post("/v1/tags", files={"file": picture("tomato", "pasta")}, data={"k": "3"})
    body = response.json()
    assert response.status_code == 200, body
    assert set(_names(body)[:2]) == {"Tomato", "Pasta"}
    assert len(body["tags"]) == 3
    assert body["tags"][0]["group"] in ("ingredient", "dish")
    probabilities = [each["probability"] for each in body["tags"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert (body["method"], body["calibrated"], body["model"]) == ("head", True, "tastespace-tags")
    stages = [part.split(";")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == list(body["took_ms"]) == ["decode", "encode", "tag"]


async def test_a_stored_photo_is_tagged_without_encoding_it_again(tagging: Service) -> None:
    await tagging.put_image("p", picture("tomato"))
    before = len(tagging.engine.encoded)
    response = await tagging.client.post("/v1/tags", json={"image_id": "p", "k": 1})
    assert _names(response.json()) == ["Tomato"]
    assert len(tagging.engine.encoded) == before


async def test_groups_and_a_least_probability_narrow_the_answer(tagging: Service) -> None:
    body = await _tags(tagging, picture("tomato", "pasta"), groups=["dish"])
    assert _names(body)[0] == "Pasta"
    assert set(_names(body)) == {"Pasta", "Salad"}
    assert set(_names(await _tags(tagging, picture("tomato", "pasta"), min_probability="0.5"))) == {"Tomato", "Pasta"}
    assert _names(await _tags(tagging, picture("tomato"), groups=["diet"])) == []


async def test_a_vocabulary_is_answered_zero_shot(tagging: Service) -> None:
    vocabulary = ["berry", {"tag": "tomato", "group": "red"}, "TOMATO", "parking lot"]
    body = await _tags(tagging, picture("tomato"), vocabulary=vocabulary)
    assert _names(body)[0] == "tomato"
    assert set(_names(body)) == {"berry", "tomato", "parking lot"}
    groups = {each["tag"]: each["group"] for each in body["tags"]}
    assert groups == {"berry": "ingredient", "tomato": "red", "parking lot": "other"}
    assert (body["method"], body["calibrated"], body["model"]) == ("zero-shot", True, "fake")
    expected = 1 / (1 + np.exp(-(10 * word_vector("tomato") @ text_vector("tomato") - 5)))
    assert body["tags"][0]["probability"] == pytest.approx(expected, abs=5e-3)


async def test_the_texts_of_a_vocabulary_are_encoded_once(tagging: Service) -> None:
    vocabulary = [f"food {number}" for number in range(100)]
    await _tags(tagging, picture("tomato"), vocabulary=vocabulary)
    before = len(tagging.engine.encoded)
    await _tags(tagging, picture("meat"), vocabulary=[*vocabulary, "one more"])
    assert len(tagging.engine.encoded) == before + 2  # the photo and the new tag


async def test_zero_shot_by_the_built_in_tags(tagging: Service) -> None:
    body = await _tags(tagging, picture("berry"), method="zero-shot", k=1)
    assert _names(body) == ["Berry"]
    assert body["method"] == "zero-shot"


async def test_another_encoder_has_zero_shot_alone(service: Service) -> None:
    """The shipped weights do not fit the fake engine."""
    await service.put_image("p", picture("tomato"))
    body = problem(await service.client.post("/v1/tags", json={"image_id": "p"}), 409, "tagger-unavailable")
    assert "tastespace train tags" in body["detail"]
    answer = (await service.client.post("/v1/tags", json={"image_id": "p", "vocabulary": ["tomato", "rice"]})).json()
    assert _names(answer) == ["tomato", "rice"]
    assert answer["calibrated"] is False


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"vocabulary": []}, "vocabulary"),
        ({"vocabulary": ["a", " "]}, "vocabulary.1.tag"),
        ({"vocabulary": ["a"] * 1001}, "vocabulary"),
        ({"vocabulary": [{"tag": "a", "kind": "x"}]}, "vocabulary.0.kind"),
        ({"vocabulary": ["a"], "method": "head"}, "method"),
        ({"method": "guess"}, "method"),
        ({"k": 0}, "k"),
        ({"min_probability": 1.5}, "min_probability"),
        ({"groups": []}, "groups"),
        ({"weight": 1}, "weight"),
        ({"image_id": None}, "image_id"),
    ],
)
async def test_what_is_wrong_is_named(tagging: Service, fields: dict[str, Any], field: str) -> None:
    await tagging.put_image("p", picture("tomato"))
    response = await tagging.client.post("/v1/tags", json={"image_id": "p", **fields})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == field


async def test_what_is_not_there_or_no_picture_is_refused(tagging: Service) -> None:
    problem(await tagging.client.post("/v1/tags", json={"image_id": "nobody"}), 404, "unknown-item")
    problem(await tagging.client.post("/v1/tags", files={"file": b"no picture"}), 422, "invalid-picture")
    problem(
        await tagging.client.post("/v1/tags", content=b"x", headers={"content-type": "text/plain"}),
        415,
        "unsupported-media-type",
    )
    response = await tagging.client.post("/v1/tags", files={"file": picture("rice")}, data={"vocabulary": "tomato"})
    assert "not valid JSON" in problem(response, 422, "invalid-request")["detail"]
    response = await tagging.client.post("/v1/tags", files={"file": picture("rice")}, data={"vocabulary": '["unfit"]'})
    assert "'unfit'" in problem(response, 422, "encoding-failed")["detail"]
    tagging.engine.saturated = True
    response = await tagging.client.post("/v1/tags", files={"file": picture("rice")})
    problem(response, 503, "at-capacity")


@pytest.mark.fault
async def test_weights_that_were_asked_for_and_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    folder = write_head(tmp_path / "tags", fingerprint="e" * 64)
    settings = Settings(data_dir=tmp_path / "data", builtin_catalogue=False, tags=folder)
    with pytest.raises(SettingsError, match=r"TASTESPACE_TAGS is wrong: .* not for fake"):
        async with serving(settings, FakeEngine()):
            pass


def test_the_fake_engine_knows_the_foods_of_this_head() -> None:
    assert {name.lower() for name in NAMES} == set(COLOURS)
