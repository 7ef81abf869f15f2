from __future__ import annotations

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.engine.types import Done, Operation, PhotoToCaption
from app.settings import Settings
from index.types import Kind
from tests.app.conftest import Service, problem, serving
from tests.app.fakes import CAPTIONER, COLOURS, FakeEngine, picture
from tests.pictures import encode, png_bomb

pytestmark = pytest.mark.anyio

PNG = {"accept": "image/png"}
# The fake captioner sees 14 x 14 pixels, here the middle square as it is: half of tomato, half of rice.
DINNER = picture("tomato", "rice", size=(28, 14))


@pytest.fixture
async def without(settings: Settings) -> AsyncIterator[Service]:
    async with serving(settings, FakeEngine(captioner=None)) as running:
        yield running


async def _captions(service: Service, data: bytes, **fields: str) -> dict[str, Any]:
    response = await service.client.post("/v1/captions", files={"file": ("dinner.png", data)}, data=fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_an_uploaded_photo_is_captioned(service: Service) -> None:
    response = await service.client.post("/v1/captions", files={"file": DINNER}, data={"style": "general"})
    body = response.json()
    assert response.status_code == 200, body
    caption = body["captions"][0]
    assert (caption["text"], caption["style"]) == ("a photo of tomato and rice", "general")
    assert [word["text"] for word in caption["words"]] == ["a", "photo", "of", "tomato", "and", "rice"]
    assert caption["log_probability"] == pytest.approx(-0.7)
    for word in caption["words"]:
        assert word["probability"] == pytest.approx(math.exp(word["log_probability"]))
        assert "attention" not in word
    assert body["model"] == "fake-captions"
    assert "grid" not in body
    assert "region" not in body
    stages = [part.split(";")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == list(body["took_ms"]) == ["decode", "caption"]
    assert response.headers["vary"] == "Accept"


async def test_the_captioners_own_preprocessing_is_used(service: Service) -> None:
    await _captions(service, DINNER)
    operation, payload = service.engine.encoded[-1]
    assert operation is Operation.CAPTION
    assert isinstance(payload, PhotoToCaption)
    assert payload.pixels.shape == (14, 14, 3)
    assert payload.options.beams == 5
    assert (payload.options.num_captions, payload.options.max_words, payload.options.attention) == (1, 24, False)


async def test_a_stored_photo_is_captioned(service: Service) -> None:
    await service.put_image("p", DINNER)
    response = await service.client.post("/v1/captions", json={"image_id": "p", "beams": 3, "num_captions": 2})
    body = response.json()
    assert response.status_code == 200, body
    assert [each["text"] for each in body["captions"]] == ["tomato rice", "rice tomato"]
    assert {each["style"] for each in body["captions"]} == {"dish"}
    scores = [each["log_probability"] for each in body["captions"]]
    assert scores == sorted(scores, reverse=True)
    assert list(body["took_ms"]) == ["fetch", "decode", "caption"]


async def test_where_the_model_looked(service: Service) -> None:
    body = await _captions(service, DINNER, style="dish", attention="true")
    assert body["grid"] == {"rows": 7, "columns": 7}
    assert body["region"] == {"left": 0.25, "top": 0, "right": 0.75, "bottom": 1}
    tomato, rice = (np.array(word["attention"]) for word in body["captions"][0]["words"])
    assert tomato.shape == rice.shape == (7, 7)
    assert tomato.sum() == pytest.approx(1, abs=1e-3)
    assert tomato[:, :3].sum() > 0.8
    assert rice[:, 4:].sum() > 0.8
    for value in tomato.ravel():
        assert round(value, 5) == value


async def test_the_figure_of_the_best_caption(service: Service) -> None:
    await service.put_image("p", DINNER)
    upload = await service.client.post("/v1/captions", files={"file": DINNER}, headers=PNG)
    stored = await service.client.post("/v1/captions", json={"image_id": "p"}, headers=PNG)
    for response in (upload, stored):
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "image/png"
        assert response.headers["vary"] == "Accept"
        assert "draw;dur=" in response.headers["server-timing"]
    assert upload.content == stored.content
    figure = Image.open(BytesIO(upload.content))
    assert figure.size == (8 + 3 * 248, 8 + 120 + 34 + 8)  # the photo and two words
    assert figure.getpixel((8 + 20, 8 + 60)) == COLOURS["tomato"]


async def test_the_accept_header_chooses(service: Service) -> None:
    files = {"file": DINNER}
    for accept, kind in (
        ("*/*", "application/json"),
        ("application/json;q=0.4, image/png;q=0.5", "image/png"),
        ("image/png;q=0.4, application/json", "application/json"),
    ):
        response = await service.client.post("/v1/captions", files=files, headers={"accept": accept})
        assert (response.status_code, response.headers["content-type"]) == (200, kind)
    before = len(service.engine.encoded)
    response = await service.client.post("/v1/captions", files=files, headers={"accept": "image/webp"})
    assert "application/json or image/png" in problem(response, 406, "not-acceptable")["detail"]
    assert len(service.engine.encoded) == before


@pytest.mark.parametrize("upload", [True, False])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beams", 0),
        ("beams", 1000),
        ("beams", -1),
        ("beams", "many"),
        ("num_captions", 0),
        ("num_captions", 6),
        ("num_captions", 21),
        ("max_words", 0),
        ("max_words", 51),
        ("style", "poem"),
        ("attention", "maybe"),
        ("temperature", 1),
    ],
)
async def test_what_is_wrong_is_named(service: Service, field: str, value: object, upload: bool) -> None:
    await service.put_image("p", DINNER)
    if upload:
        response = await service.client.post("/v1/captions", files={"file": DINNER}, data={field: str(value)})
    else:
        response = await service.client.post("/v1/captions", json={"image_id": "p", field: value})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == field


async def test_the_limits_themselves_are_taken(service: Service) -> None:
    await _captions(service, DINNER, beams="1", num_captions="1", max_words="1")
    body = await _captions(service, DINNER, beams="20", num_captions="20", max_words="50", style="general")
    assert len(body["captions"]) == 20


async def test_what_the_captioner_can_not_do_is_refused_before_decoding(settings: Settings) -> None:
    engine = FakeEngine(captioner=replace(CAPTIONER, styles=("general",), grid=None))
    async with serving(settings, engine) as service:
        assert (await _captions(service, DINNER))["captions"][0]["style"] == "general"
        done = len(engine.encoded)
        for data, headers, field in (
            ({"style": "dish"}, {}, "style"),
            ({"attention": "true"}, {}, "attention"),
            ({}, PNG, "Accept"),
        ):
            response = await service.client.post("/v1/captions", files={"file": b"?"}, data=data, headers=headers)
            body = problem(response, 422, "invalid-request")
            assert body["errors"][0]["field"] == field
            assert "fake-captions has no" in body["detail"]
        assert len(engine.encoded) == done


async def test_without_a_captioner_the_remedy_is_named(without: Service) -> None:
    response = await without.client.post("/v1/captions", files={"file": DINNER})
    assert "TASTESPACE_CAPTIONER" in problem(response, 409, "captioner-unavailable")["detail"]
    response = await without.client.post("/v1/search/images", files={"file": DINNER})
    assert response.status_code == 200


async def test_photos_of_every_kind(service: Service) -> None:
    frames = [Image.new("RGB", (40, 40), COLOURS[name]) for name in ("tomato", "rice")]
    turned = Image.Exif()
    turned[0x0112] = 6
    stripes = Image.open(BytesIO(picture("tomato", "rice", size=(14, 14))))
    for data, text in (
        (encode(Image.new("L", (40, 40), 250), "PNG"), "rice"),
        (encode(Image.new("RGB", (1, 1), COLOURS["meat"]), "PNG"), "meat"),
        (encode(frames[0], "GIF", save_all=True, append_images=frames[1:]), "tomato"),
        (encode(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"), "rice"),
        (encode(stripes, "PNG", exif=turned), "tomato rice"),
    ):
        body = await _captions(service, data, style="dish", attention="true")
        assert body["captions"][0]["text"] == text
        response = await service.client.post("/v1/captions", files={"file": data}, headers=PNG)
        assert response.status_code == 200, response.text
    # What lay on the left lies above once the photo stands upright.
    body = await _captions(service, encode(stripes, "PNG", exif=turned), style="dish", attention="true")
    assert np.array(body["captions"][0]["words"][0]["attention"])[:3].sum() > 0.8


async def test_what_is_no_photo_or_too_much_is_refused(service: Service) -> None:
    client = service.client
    problem(await client.post("/v1/captions", files={"file": b"no picture"}), 422, "invalid-picture")
    problem(await client.post("/v1/captions", files={"file": b""}), 422, "invalid-picture")
    body = problem(await client.post("/v1/captions", files={"file": png_bomb()}), 422, "invalid-picture")
    assert "pixels" in body["detail"]
    problem(await client.post("/v1/captions", files={"file": bytes(3 * 2**20)}), 413, "too-large")
    problem(await client.post("/v1/captions", files={"photo": DINNER}), 422, "invalid-request")
    problem(await client.post("/v1/captions", data={"beams": "3"}), 415, "unsupported-media-type")
    problem(await client.post("/v1/captions", json={}), 422, "invalid-request")
    problem(await client.post("/v1/captions", json={"image_id": "a/b"}), 422, "invalid-id")


async def test_a_photo_that_is_gone(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    problem(await service.client.post("/v1/captions", json={"image_id": "nobody"}), 404, "unknown-item")
    await service.put_image("p", DINNER)
    await service.client.delete("/v1/images/p")
    problem(await service.client.post("/v1/captions", json={"image_id": "p"}), 404, "unknown-item")


@pytest.mark.fault
async def test_a_missing_file_is_told_from_a_photo_that_was_deleted_or_replaced_meanwhile(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.put_image("p", DINNER)
    catalogue, blobs = service.runtime.catalogue, service.runtime.blobs
    old = catalogue.get(Kind.IMAGE, "p")
    path = blobs.path_for_serving(old.picture.blob)
    assert path is not None
    path.unlink()
    body = problem(await service.client.post("/v1/captions", json={"image_id": "p"}), 500, "damaged")
    assert "tastespace doctor" in body["detail"]

    await service.put_image("p", picture("rice"))
    answers = iter([old])
    get = type(catalogue).get
    monkeypatch.setattr(
        type(catalogue), "get", lambda self, kind, item_id: next(answers, None) or get(self, kind, item_id)
    )
    response = await service.client.post("/v1/captions", json={"image_id": "p"})
    assert response.json()["captions"][0]["text"] == "rice"

    await service.client.delete("/v1/images/p")
    answers = iter([old])
    problem(await service.client.post("/v1/captions", json={"image_id": "p"}), 404, "unknown-item")


@pytest.mark.fault
async def test_a_model_that_is_down_full_late_or_at_a_loss(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"file": DINNER}
    service.engine.saturated = True
    assert problem(await service.client.post("/v1/captions", files=files), 503, "at-capacity")
    service.engine.saturated = False
    service.engine.captioner_down = True
    problem(await service.client.post("/v1/captions", files=files), 503, "unavailable")
    assert (await service.client.post("/v1/search/images", files=files)).status_code == 200
    service.engine.captioner_down = False

    async def finds_nothing(*args: object, **how: object) -> list[Done[tuple[()]]]:
        return [Done(())]

    monkeypatch.setattr(service.engine, "submit", finds_nothing)
    problem(await service.client.post("/v1/captions", files=files), 422, "captioning-failed")
