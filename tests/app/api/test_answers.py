from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.engine.types import Operation, PhotoToAsk
from app.settings import Settings
from models.reasoning.types import MAX_QUESTION
from tests.app.conftest import Service, problem, serving
from tests.app.fakes import COLOURS, REASONER, FakeEngine, picture
from tests.pictures import encode

pytestmark = pytest.mark.anyio

PNG = {"accept": "image/png"}
# The fake reasoner sees 14 x 14 pixels, here the middle square as it is: half of tomato, half of rice.
DINNER = picture("tomato", "rice", size=(28, 14))
WHAT = {"question": "What is in it?"}


@pytest.fixture
async def asking(settings: Settings) -> AsyncIterator[Service]:
    async with serving(settings, FakeEngine(reasoner=REASONER)) as running:
        yield running


async def _answer(service: Service, data: bytes, **fields: str) -> dict[str, Any]:
    response = await service.client.post("/v1/answers", files={"file": ("dinner.png", data)}, data=fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_question_about_an_uploaded_photo(asking: Service) -> None:
    response = await asking.client.post(
        "/v1/answers", files={"file": DINNER}, data={"question": " is there meat in it? "}
    )
    body = response.json()
    assert response.status_code == 200, body
    assert body["answers"] == [{"answer": "no", "probability": 1}, {"answer": "yes", "probability": 0}]
    assert (body["question_type"], body["known"], body["unknown_words"]) == ("ingredient", True, [])
    assert body["model"] == "fake-answers"
    assert not {"note", "attention", "grid", "region"} & set(body)
    stages = [part.split(";")[0] for part in response.headers["server-timing"].split(", ")]
    assert stages == list(body["took_ms"]) == ["decode", "answer"]
    assert response.headers["vary"] == "Accept"
    operation, payload = asking.engine.encoded[-1]
    assert operation is Operation.ANSWER
    assert isinstance(payload, PhotoToAsk)
    assert payload.pixels.shape == (14, 14, 3)
    assert payload.question == "is there meat in it?"
    assert (payload.options.top_k, payload.options.attention) == (5, False)


async def test_a_question_about_a_stored_photo(asking: Service) -> None:
    await asking.put_image("p", DINNER)
    response = await asking.client.post("/v1/answers", json={"image_id": "p", "top_k": 2, **WHAT})
    body = response.json()
    assert response.status_code == 200, body
    assert [each["answer"] for each in body["answers"]] == ["tomato", "rice"]
    assert list(body["took_ms"]) == ["fetch", "decode", "answer"]
    problem(await asking.client.post("/v1/answers", json={"image_id": "nobody", **WHAT}), 404, "unknown-item")
    problem(await asking.client.post("/v1/answers", json={"image_id": "a/b", **WHAT}), 422, "invalid-id")


async def test_where_the_model_looked(asking: Service) -> None:
    body = await _answer(asking, DINNER, question="is there rice in it?", attention="true")
    assert body["grid"] == {"rows": 7, "columns": 7}
    assert body["region"] == {"left": 0.25, "top": 0, "right": 0.75, "bottom": 1}
    attention = np.array(body["attention"])
    assert attention.shape == (7, 7)
    assert attention.sum() == pytest.approx(1, abs=1e-3)
    assert attention[:, 4:].sum() > 0.8


async def test_the_figure(asking: Service) -> None:
    await asking.put_image("p", DINNER)
    upload = await asking.client.post("/v1/answers", files={"file": DINNER}, data=WHAT, headers=PNG)
    stored = await asking.client.post("/v1/answers", json={"image_id": "p", **WHAT}, headers=PNG)
    for response in (upload, stored):
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "image/png"
        assert "draw;dur=" in response.headers["server-timing"]
    assert upload.content == stored.content
    figure = Image.open(BytesIO(upload.content)).convert("RGB")
    assert figure.size == (8 + 2 * 408, 8 + 200 + 2 * 34 + 8)  # the photo and one look; two lines below
    assert figure.getpixel((8 + 20, 8 + 100)) == COLOURS["tomato"]
    looked = np.asarray(figure)[8 + 100, 8 + 408 :, 0]
    assert looked[150] > 150 > 60 > looked[20]
    response = await asking.client.post(
        "/v1/answers", files={"file": DINNER}, data=WHAT, headers={"accept": "image/webp"}
    )
    problem(response, 406, "not-acceptable")


@pytest.mark.parametrize(
    ("question", "unknown", "note"),
    [
        ("what is the capital of France", ["the", "capital", "of", "france"], "it doesn't know 'the', 'capital', 'of'"),
        ("Was gibt es heute zu essen?", None, "'was', 'gibt', 'es', 'heute', 'zu', .... The answers are guesses"),
        ("里面有米饭吗?", ["里面有米饭吗"], "it doesn't know '里面有米饭吗'"),
        ("🍕🍝?!", [], "the question holds no words"),
        ("is it \x07 \u202e it", [], None),
    ],
)
async def test_a_question_that_the_model_can_not_answer_gets_guesses_and_is_told(
    asking: Service, question: str, unknown: list[str] | None, note: str | None
) -> None:
    body = await _answer(asking, DINNER, question=question)
    assert body["answers"]
    assert body["known"] is (note is None)
    if unknown is not None:
        assert body["unknown_words"] == unknown
    assert (note or "") in body.get("note", "")
    figure = await asking.client.post("/v1/answers", files={"file": DINNER}, data={"question": question}, headers=PNG)
    assert figure.status_code == 200


@pytest.mark.parametrize("upload", [True, False])
@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("question", "", "the question is empty"),
        ("question", " \n\t ", "the question is empty"),
        ("question", "why " * 1250, "has 4999 characters; at most 500"),
        ("question", None, "field required"),
        ("top_k", 0, "greater than or equal to 1"),
        ("top_k", 51, "less than or equal to 50"),
        ("top_k", "many", "valid integer"),
        ("attention", "maybe", "valid boolean"),
        ("temperature", 1, "there is no such"),
    ],
)
async def test_what_is_wrong_is_named(asking: Service, field: str, value: object, detail: str, upload: bool) -> None:
    await asking.put_image("p", DINNER)
    before = len(asking.engine.encoded)
    fields = {name: each for name, each in {**WHAT, field: value}.items() if each is not None}
    if upload:
        form = {name: str(each) for name, each in fields.items()}
        response = await asking.client.post("/v1/answers", files={"file": DINNER}, data=form)
    else:
        response = await asking.client.post("/v1/answers", json={"image_id": "p", **fields})
    error = problem(response, 422, "invalid-request")["errors"][0]
    assert error["field"] == field
    assert detail in error["detail"]
    assert len(asking.engine.encoded) == before


async def test_the_limits_themselves_are_taken(asking: Service) -> None:
    body = await _answer(asking, DINNER, question="x" * MAX_QUESTION, top_k="50")
    assert len(body["answers"]) == len(COLOURS)
    assert len((await _answer(asking, DINNER, top_k="1", **WHAT))["answers"]) == 1
    grey = encode(Image.new("L", (40, 40), 128), "PNG")
    assert (await _answer(asking, grey, **WHAT))["answers"]


async def test_what_the_reasoner_can_not_do_is_refused_before_decoding(settings: Settings) -> None:
    engine = FakeEngine(reasoner=replace(REASONER, grid=None, question_types=()))
    async with serving(settings, engine) as service:
        assert (await _answer(service, DINNER, **WHAT))["known"]
        for data, headers, field in (({"attention": "true"}, {}, "attention"), ({}, PNG, "Accept")):
            response = await service.client.post(
                "/v1/answers", files={"file": b"?"}, data={**WHAT, **data}, headers=headers
            )
            body = problem(response, 422, "invalid-request")
            assert body["errors"][0]["field"] == field
            assert "fake-answers has no attention maps" in body["detail"]


async def test_without_a_reasoner_the_remedy_is_named(service: Service) -> None:
    response = await service.client.post("/v1/answers", files={"file": DINNER}, data=WHAT)
    assert "TASTESPACE_REASONER" in problem(response, 409, "reasoner-unavailable")["detail"]


async def test_what_is_no_photo_is_refused(asking: Service) -> None:
    client = asking.client
    problem(await client.post("/v1/answers", files={"file": b"no picture"}, data=WHAT), 422, "invalid-picture")
    problem(await client.post("/v1/answers", files={"photo": DINNER}, data=WHAT), 422, "invalid-request")
    problem(await client.post("/v1/answers", data=WHAT), 415, "unsupported-media-type")
    problem(await client.post("/v1/answers", json=WHAT), 422, "invalid-request")


@pytest.mark.fault
async def test_a_model_that_is_full_down_or_at_a_loss(asking: Service) -> None:
    files = {"file": DINNER}
    response = await asking.client.post("/v1/answers", files=files, data={"question": "is it unfit"})
    assert "unfit" in problem(response, 422, "answering-failed")["detail"]
    asking.engine.saturated = True
    problem(await asking.client.post("/v1/answers", files=files, data=WHAT), 503, "at-capacity")
    asking.engine.saturated = False
    asking.engine.unavailable = True
    problem(await asking.client.post("/v1/answers", files=files, data=WHAT), 503, "unavailable")
