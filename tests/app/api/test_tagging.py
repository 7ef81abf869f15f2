from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.engine.types import Operation, Outcome, Payload
from app.importers.run import run_import
from app.services.items import Automatic, AutoTags
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
        data_dir=tmp_path / "tagging", builtin_catalogue=False, decode_threads=2, tags=write_head(tmp_path / "tags")
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


async def test_what_was_encoded_before_a_failure_is_kept(tagging: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    await tagging.put_image("x", picture("tomato"))
    submit = tagging.engine.submit

    async def fails_at_the_second(operation: Operation, items: Sequence[Payload], **how: Any) -> list[Outcome[Any]]:
        tagging.engine.saturated = bool(tagging.engine.encoded) and tagging.engine.encoded[-1][0] is operation
        return await submit(operation, items, **how)

    monkeypatch.setattr(tagging.engine, "submit", fails_at_the_second)
    body = {"image_id": "x", "vocabulary": [f"food {number}" for number in range(100)]}
    problem(await tagging.client.post("/v1/tags", json=body), 503, "at-capacity")
    monkeypatch.undo()
    tagging.engine.saturated = False
    before = len(tagging.engine.encoded)
    assert (await tagging.client.post("/v1/tags", json=body)).status_code == 200
    assert len(tagging.engine.encoded) == before + 36  # not the 64 of the first call


async def test_only_so_many_texts_are_kept(tagging: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.tagging.CACHED_TEXTS", 3)
    for vocabulary in (["a", "b", "c", "d"], ["d", "c"], ["e"]):
        await _tags(tagging, picture("tomato"), vocabulary=vocabulary)
    before = len(tagging.engine.encoded)
    await _tags(tagging, picture("tomato"), vocabulary=["c", "d", "e"])
    assert len(tagging.engine.encoded) == before + 1  # the photo alone: the latest three were there
    await _tags(tagging, picture("tomato"), vocabulary=["a"])
    assert len(tagging.engine.encoded) == before + 3


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
    body = problem(response, 422, "encoding-failed")
    assert ("'unfit'" in body["detail"], body["errors"][0]["field"]) == (True, "vocabulary")
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


async def _upload(service: Service, data: bytes, metadata: object = None, **form: str) -> dict[str, Any]:
    said = {} if metadata is None else {"metadata": json.dumps(metadata)}
    response = await service.client.post("/v1/images", files={"files": ("p.png", data)}, data={**said, **form})
    assert response.status_code in (200, 201), response.text
    body: dict[str, Any] = response.json()
    return body


async def test_an_upload_can_ask_for_tags(tagging: Service) -> None:
    fields = {"id": "p", "tags": ["dinner", "PASTA"], "extra": {"mine": 1}}
    body = await _upload(tagging, picture("tomato", "pasta"), [fields], auto_tags="true")
    assert body["tags"] == ["dinner", "PASTA", "Tomato"]
    assert body["auto_tags"] == ["Tomato"]
    assert body["extra"]["mine"] == 1
    listed = (await tagging.client.get("/v1/images", params={"tag": "tomato"})).json()["items"]
    assert [item["id"] for item in listed] == ["p"]
    found = await tagging.client.post("/v1/search/images", json={"text": "x", "filter": {"tags_all": ["Tomato"]}})
    assert [hit["id"] for hit in found.json()["hits"]] == ["p"]


async def test_the_same_upload_again_changes_nothing(tagging: Service) -> None:
    fields = {"id": "p", "tags": ["dinner"]}
    first = await _upload(tagging, picture("tomato", "pasta"), [fields], auto_tags="1")
    again = await _upload(tagging, picture("tomato", "pasta"), [fields], auto_tags="1")
    assert (again["revision"], again["tags"]) == (first["revision"], first["tags"])
    response = await tagging.client.put(
        "/v1/images/p",
        files={"file": picture("tomato", "pasta")},
        data={"metadata": json.dumps({"tags": ["dinner"]}), "auto_tags": "true"},
    )
    assert response.json()["revision"] == first["revision"]


async def test_the_least_probability_can_be_chosen(tagging: Service) -> None:
    every = await _upload(tagging, picture("tomato"), auto_tags="true", auto_tags_min="0")
    assert set(every["auto_tags"]) == set(NAMES)
    assert (await _upload(tagging, picture("tomato"), auto_tags="true", auto_tags_min="1"))["tags"] == []
    assert (await _upload(tagging, picture("tomato"), auto_tags="false"))["auto_tags"] == []


async def test_a_tag_that_was_taken_away_is_no_longer_automatic(tagging: Service) -> None:
    await _upload(tagging, picture("tomato", "pasta"), [{"id": "p"}], auto_tags="true")
    body = (await tagging.client.patch("/v1/images/p", json={"tags": ["Tomato", "mine"]})).json()
    assert (body["tags"], body["auto_tags"]) == (["Tomato", "mine"], ["Tomato"])


async def test_several_uploads_are_tagged_each_by_what_it_shows(tagging: Service) -> None:
    files = [
        ("files", ("a.png", picture("tomato"))),
        ("files", ("b.png", b"broken")),
        ("files", ("c.png", picture("rice"))),
    ]
    response = await tagging.client.post(
        "/v1/images", files=files, data={"auto_tags": "true", "metadata": json.dumps([{"id": "a"}, {}, {"id": "c"}])}
    )
    assert [result["status"] for result in response.json()["results"]] == [201, 422, 201]
    assert (await tagging.client.get("/v1/images/a")).json()["tags"] == ["Tomato"]
    assert (await tagging.client.get("/v1/images/c")).json()["tags"] == ["Rice"]


async def test_automatic_tags_that_can_not_be_had_are_an_error(service: Service, tagging: Service) -> None:
    files = {"files": picture("tomato")}
    body = problem(
        await service.client.post("/v1/images", files=files, data={"auto_tags": "true"}), 409, "tagger-unavailable"
    )
    assert "tastespace train tags" in body["detail"]
    assert service.engine.encoded == []
    response = await tagging.client.post("/v1/images", files=files, data={"auto_tags_min": "0.5"})
    assert "auto_tags=true" in problem(response, 422, "invalid-request")["detail"]
    response = await tagging.client.post("/v1/images", files=files, data={"auto_tags": "maybe"})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "auto_tags"


async def test_an_import_can_ask_for_tags(tagging: Service, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "one.png").write_bytes(picture("meat"))
    (folder / "two.png").write_bytes(picture("berry", "salad"))
    report = await run_import(folder, tagging.runtime, folder_tags=False, automatic=Automatic(AutoTags()))
    assert report.images.created == 2
    items = (await tagging.client.get("/v1/images")).json()["items"]
    assert sorted(sorted(item["auto_tags"]) for item in items) == [["Berry", "Salad"], ["Meat"]]
    again = await run_import(folder, tagging.runtime, folder_tags=False, automatic=Automatic(AutoTags()))
    assert again.images.unchanged == 2
