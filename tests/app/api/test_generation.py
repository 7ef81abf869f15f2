from __future__ import annotations

import asyncio
import base64
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.engine.types import Failed, Operation, Outcome, Payload
from app.settings import Settings
from index.jobs import JobState
from models.generation.provenance import read_provenance
from models.generation.types import MAX_SEED, GeneratorInfo, PictureRequest
from models.types import UInt8Array
from tests.app.conftest import Service, problem, serving, until
from tests.app.fakes import COLOURS, GENERATOR, FakeEngine, drawing_of, picture, text_vector

pytestmark = pytest.mark.anyio

URL = "/v1/images/generations"
ASYNC = {"prefer": "respond-async"}


@pytest.fixture
async def drawing(settings: Settings) -> AsyncIterator[Service]:
    async with serving(settings, FakeEngine(generator=GENERATOR)) as running:
        yield running


async def _draw(service: Service, **wanted: Any) -> dict[str, Any]:
    response = await service.client.post(URL, json=wanted)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def _image(picture: dict[str, Any]) -> Image.Image:
    image = Image.open(BytesIO(base64.b64decode(picture["b64_json"])))
    image.load()
    return image


def _pixels(picture: dict[str, Any]) -> UInt8Array:
    return np.asarray(_image(picture))


def _expected(prompt: str, seed: int, **values: Any) -> UInt8Array:
    return drawing_of(PictureRequest(prompt, text_vector(prompt), seed=seed, size=32, **values)).pixels


async def _job(service: Service, response: httpx.Response) -> dict[str, Any]:
    """The job of a 202, when it has ended."""
    assert response.status_code == 202, response.text
    where = response.headers["location"]

    async def ended() -> bool:
        return (await service.client.get(where)).json()["finished_at"] is not None

    await until(ended)
    job: dict[str, Any] = (await service.client.get(where)).json()
    return job


async def test_a_prompt_is_drawn(drawing: Service) -> None:
    before = int(time.time())
    response = await drawing.client.post(URL, json={"prompt": " tomato ", "seed": 7})
    body = response.json()
    assert response.status_code == 200, body
    assert before <= body["created"] <= time.time()
    assert (body["model"], body["size"], body["output_format"]) == ("fake-pictures", "32x32", "png")
    (picture,) = body["data"]
    assert set(picture) == {"b64_json", "seed", "score"}
    assert picture["seed"] == 7
    assert 0 < picture["score"] <= 1
    np.testing.assert_array_equal(_pixels(picture), _expected("tomato", 7))
    assert "candidates" not in body
    assert list(body["took_ms"]) == ["encode", "draw", "score", "write"]
    assert response.headers["server-timing"].startswith("encode;dur=")
    assert response.headers["vary"] == "Prefer"


async def test_a_picture_depends_on_its_seed_alone(drawing: Service) -> None:
    three = (await _draw(drawing, prompt="tomato rice", seed=1, n=3))["data"]
    assert [each["seed"] for each in three] == [1, 2, 3]
    assert [each["seed"] for each in (await _draw(drawing, prompt="x", seed=MAX_SEED, n=2))["data"]] == [MAX_SEED, 0]
    for each in three:
        (alone,) = (await _draw(drawing, prompt="tomato rice", seed=each["seed"]))["data"]
        assert alone["b64_json"] == each["b64_json"]
        assert alone["score"] == pytest.approx(each["score"])
    by_chance = [(await _draw(drawing, prompt="tomato"))["data"][0] for _ in range(2)]
    assert by_chance[0]["seed"] != by_chance[1]["seed"]
    (again,) = (await _draw(drawing, prompt="tomato", seed=by_chance[0]["seed"]))["data"]
    assert again["b64_json"] == by_chance[0]["b64_json"]


async def test_the_nearest_of_the_candidates_are_answered(drawing: Service) -> None:
    body = await _draw(drawing, prompt="tomato", seed=8, n=2, candidates=7)
    # The fake draws the less by chance, the smaller the rest of the seed by 7.
    assert [each["seed"] for each in body["data"]] == [14, 8]
    scores = [each["score"] for each in body["data"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["seed"] for each in body["candidates"]] == list(range(8, 15))
    assert sorted((each["score"] for each in body["candidates"]), reverse=True)[:2] == scores
    (alone,) = (await _draw(drawing, prompt="tomato", seed=14))["data"]
    assert alone["b64_json"] == body["data"][0]["b64_json"]


async def test_how_many_candidates_there_are_without_a_word_is_set(settings: Settings) -> None:
    generous = settings.model_copy(update={"generator_candidates": 4})
    async with serving(generous, FakeEngine(generator=GENERATOR)) as service:
        assert len((await _draw(service, prompt="tomato", n=2))["candidates"]) == 8
        assert "candidates" not in await _draw(service, prompt="tomato", n=2, seed=3)
        assert "candidates" not in await _draw(service, prompt="tomato", n=2, candidates=2)


async def test_a_stored_recipe_and_one_that_is_not(drawing: Service) -> None:
    await drawing.put_recipe("stew", title="meat stew", ingredients=["meat"])
    (stored,) = (await _draw(drawing, recipe_id="stew", seed=0))["data"]
    whole = {"title": "meat stew", "ingredients": ["meat"]}
    (sent,) = (await _draw(drawing, recipe=whole, seed=0))["data"]
    assert stored["revised_prompt"] == sent["revised_prompt"] == "meat stew"
    for each in (stored, sent):
        assert (_pixels(each) == COLOURS["meat"]).all()
        said = read_provenance(_image(each))
        assert said is not None
        assert (said.prompt, said.modality) == ("meat stew", "recipe")
    requests = [item for operation, item in drawing.engine.encoded if operation is Operation.DRAW]
    assert {item.modality for item in requests if isinstance(item, PictureRequest)} == {"recipe"}
    (untitled,) = (await _draw(drawing, recipe={"ingredients": ["rice", "salt"]}))["data"]
    assert untitled["revised_prompt"] == "rice, salt"
    problem(await drawing.client.post(URL, json={"recipe_id": "gone"}), 404, "unknown-item")
    problem(await drawing.client.post(URL, json={"recipe_id": "gone"}, headers=ASYNC), 404, "unknown-item")
    problem(await drawing.client.post(URL, json={"recipe_id": "a/b"}), 422, "invalid-id")


async def test_what_not_to_draw(drawing: Service) -> None:
    (picture,) = (await _draw(drawing, prompt="tomato rice", negative_prompt="rice", seed=0))["data"]
    assert (_pixels(picture) == COLOURS["tomato"]).all()
    assert (await _draw(drawing, prompt="tomato", negative_prompt=" ", seed=0))["data"]


async def test_less_noise_is_more_typical(drawing: Service) -> None:
    typical, plain = [
        (await _draw(drawing, prompt="tomato", seed=6, truncation=truncation))["data"][0] for truncation in (0.1, 1)
    ]
    assert typical["score"] > plain["score"]


async def test_every_size_and_format(drawing: Service) -> None:
    for output, kind in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
        body = await _draw(
            drawing, prompt="tomato", seed=6, size="16x16", output_format=output, truncation=0.5, negative_prompt="rice"
        )
        image = _image(body["data"][0])
        assert (image.format, image.size, body["size"], body["output_format"]) == (kind, (16, 16), "16x16", output)
        said = read_provenance(image)
        assert said is not None
        assert (said.model, said.prompt, said.seed) == ("fake-pictures", "tomato", 6)
        assert (said.fingerprint, said.negative_prompt, said.truncation) == ("d" * 64, "rice", 0.5)
        assert (said.modality, said.selection) == ("text", "")
    assert (await _draw(drawing, prompt="x", size="auto"))["size"] == "32x32"


async def test_a_url_leads_to_the_file_until_it_expires(settings: Settings) -> None:
    brief = settings.model_copy(update={"drawn_lifetime_s": 600.0})
    async with serving(brief, FakeEngine(generator=GENERATOR)) as service:
        wanted = {"prompt": "tomato", "seed": 1, "n": 2, "output_format": "jpeg"}
        body = await _draw(service, **wanted, response_format="url")
        for picture in body["data"]:
            assert "b64_json" not in picture
            assert abs(picture["expires_at"] - time.time() - 600) < 60
            assert picture["url"].startswith("http://test/v1/images/generations/files/")
        found = [await service.client.get(each["url"]) for each in body["data"]]
        assert [each.headers["content-type"] for each in found] == ["image/jpeg"] * 2
        with_bytes = (await _draw(service, **wanted))["data"]
        assert [base64.b64decode(each["b64_json"]) for each in with_bytes] == [each.content for each in found]
        url = body["data"][0]["url"]
        files = service.runtime.drawing.files
        late = replace(files, clock=lambda: time.time() + 601)
        assert late.read(url.rpartition("/")[2]) is None
        assert late.sweep() == 2
        problem(await service.client.get(url), 404, "not-found")
        for name in ("x.png", "%00.png", f"{'0' * 32}.json"):
            problem(await service.client.get(f"{URL}/files/{name}"), 404, "not-found")
        problem(await service.client.get(f"{URL}/files/..%2Fcatalogue.sqlite"), 422, "invalid-id")
        assert (await service.client.get("/v1/images")).json()["items"] == []


async def test_a_file_is_there_for_as_long_as_was_said(drawing: Service) -> None:
    generation, folder = drawing.runtime.drawing, drawing.runtime.settings.drawn_dir

    def clock() -> float:
        """It goes on while the file is written, and while what follows takes its time."""
        return 2000.0 if folder.is_dir() else 1000.0

    generation.files = replace(generation.files, clock=clock)
    (picture,) = (await _draw(drawing, prompt="tomato", response_format="url", store=True))["data"]
    assert picture["expires_at"] == 1000 + drawing.runtime.settings.drawn_lifetime_s


async def test_stored_pictures_are_marked_and_can_be_left_out(drawing: Service) -> None:
    await drawing.put_image("photo", picture("tomato"))
    drawn = base64.b64decode((await _draw(drawing, prompt="tomato"))["data"][0]["b64_json"])
    await drawing.put_image("brought-back", drawn)
    prompt = "tomato " * 100
    body = await _draw(drawing, prompt=prompt, n=2, seed=0, store=True)
    ids = [each["id"] for each in body["data"]]
    assert len(set(ids)) == 2
    for each in body["data"]:
        stored = (await drawing.client.get(f"/v1/images/{each['id']}")).json()
        assert stored["generated"]
        assert stored["title"] == prompt[:500].strip()
        file = await drawing.client.get(stored["links"]["file"])
        assert file.content == base64.b64decode(each["b64_json"])
    ids.append("brought-back")
    for generated, found in ((None, {"photo", *ids}), (False, {"photo"}), (True, set(ids))):
        wanted = {"text": "tomato", "filter": {} if generated is None else {"generated": generated}}
        hits = (await drawing.client.post("/v1/search/images", json=wanted)).json()["hits"]
        assert {hit["id"] for hit in hits} == found


async def test_where_one_picture_can_not_be_stored_none_is(drawing: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, calls = drawing.engine, itertools.count()

    async def submit(operation: Operation, items: Sequence[Payload], **values: Any) -> list[Outcome[Any]]:
        outcomes = await FakeEngine.submit(engine, operation, items, **values)
        # The pictures are encoded twice: to be scored, and to be stored.
        if operation is Operation.ENCODE_PIXELS and next(calls) % 2:
            outcomes[-1] = Failed("the picture is unfit")
        return outcomes

    monkeypatch.setattr(engine, "submit", submit)
    wanted = {"prompt": "tomato rice", "n": 3, "seed": 1, "store": True}
    body = problem(await drawing.client.post(URL, json=wanted), 422, "encoding-failed")
    assert "the picture is unfit" in body["detail"]
    job = await _job(drawing, await drawing.client.post(URL, json=wanted, headers=ASYNC))
    assert (job["state"], job["detail"], job["progress"]["created"]) == ("failed", "the picture is unfit", 0)
    assert (await drawing.client.get("/v1/images")).json()["items"] == []


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({}, "body", "exactly one of prompt, recipe_id, recipe"),
        ({"prompt": "x", "recipe_id": "y"}, "body", "exactly one of"),
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"prompt": " \n "}, "prompt", "at least 1 character"),
        ({"prompt": "x" * 10_000}, "prompt", "at most 4000"),
        ({"prompt": "tomato\u0007soup"}, "prompt", "U+0007 at place 7"),
        ({"prompt": "tomato\u0085soup"}, "prompt", "U+0085"),
        ({"prompt": "tomato\u0000soup"}, "prompt", "NUL"),
        ({"prompt": "x", "negative_prompt": "\u001b"}, "negative_prompt", "U+001B"),
        ({"prompt": "x", "n": 0}, "n", "greater than or equal to 1"),
        ({"prompt": "x", "n": 1000}, "n", "less than or equal to 10"),
        ({"prompt": "x", "n": 2, "candidates": 1}, "candidates", "at least n, which is 2"),
        ({"prompt": "x", "candidates": 1000}, "candidates", "less than or equal to 80"),
        ({"prompt": "x", "size": "1024x1024"}, "size", "auto or one of 32x32, 16x16"),
        ({"prompt": "x", "size": "32X32"}, "size", "one of 32x32"),
        ({"prompt": "x", "size": 32}, "size", "string"),
        ({"prompt": "x", "response_format": "file"}, "response_format", "b64_json"),
        ({"prompt": "x", "output_format": "gif"}, "output_format", "png"),
        ({"prompt": "x", "seed": -1}, "seed", "greater than or equal to 0"),
        ({"prompt": "x", "seed": 2**32}, "seed", "less than or equal to"),
        ({"prompt": "x", "truncation": 0}, "truncation", "greater than 0"),
        ({"prompt": "x", "truncation": 1.5}, "truncation", "less than or equal to 1"),
        ({"prompt": "x", "model": "dall-e-3"}, "model", "fake-pictures"),
        ({"prompt": "x", "quality": "hd"}, "quality", "no such field"),
    ],
)
async def test_a_wrong_field_is_named(drawing: Service, wanted: dict[str, Any], field: str, words: str) -> None:
    for headers in ({}, ASYNC):
        body = problem(await drawing.client.post(URL, json=wanted, headers=headers), 422, "invalid-request")
        assert body["errors"][0]["field"] == field
        assert words in body["detail"]
        assert len(body["detail"]) < 300
    assert drawing.engine.encoded == []


async def test_what_other_clients_send_is_taken(drawing: Service) -> None:
    for prompt in ("トマトスープ 🍅", "Борщ\tс грибами\n", "x" * 4000):
        assert len((await _draw(drawing, prompt=prompt, model="fake-pictures", user="someone"))["data"]) == 1
    problem(await drawing.client.post(URL, content=b"x"), 415, "unsupported-media-type")
    problem(await drawing.client.get(URL), 422, "invalid-id")
    assert (await drawing.client.put(f"{URL}/files/x.png")).status_code == 405


async def test_without_a_generator_it_is_said_how_to_get_one(service: Service) -> None:
    for headers in ({}, ASYNC):
        body = problem(
            await service.client.post(URL, json={"prompt": "x"}, headers=headers), 409, "generator-unavailable"
        )
        assert "TASTESPACE_GENERATOR" in body["detail"]
    assert (await service.client.get("/v1/models")).json()["generator"] is None


async def test_generators_that_read_text_or_know_no_negatives(settings: Settings) -> None:
    plain: GeneratorInfo = replace(GENERATOR, conditions="text", encoder="", dim=0, negative=False)
    async with serving(settings, FakeEngine(generator=plain)) as service:
        body = problem(
            await service.client.post(URL, json={"prompt": "x", "negative_prompt": "y"}), 422, "invalid-request"
        )
        assert body["errors"][0]["field"] == "negative_prompt"
        (picture,) = (await _draw(service, prompt="meat", seed=0))["data"]
        assert (_pixels(picture) == COLOURS["meat"]).all()
        request = service.engine.encoded[1][1]
        assert isinstance(request, PictureRequest)
        assert request.vector is None
        model = (await service.client.get("/v1/models")).json()["generator"]
        assert (model["sizes"], model["conditions"], model["negative"]) == (["32x32", "16x16"], "text", False)


async def test_what_not_to_draw_is_not_encoded_for_a_generator_that_reads_text(settings: Settings) -> None:
    reader: GeneratorInfo = replace(GENERATOR, conditions="text", encoder="", dim=0)
    async with serving(settings, FakeEngine(generator=reader)) as service:
        await _draw(service, prompt="meat", negative_prompt="rice", seed=0)
        texts = [work for operation, work in service.engine.encoded if operation is Operation.ENCODE_TEXT]
        (request,) = [work for _, work in service.engine.encoded if isinstance(work, PictureRequest)]
    assert texts == ["meat"]
    assert (request.negative_text, request.negative_vector) == ("rice", None)


async def test_what_a_model_refuses_or_can_not_do_now(drawing: Service) -> None:
    body = problem(await drawing.client.post(URL, json={"prompt": "undrawable"}), 422, "drawing-failed")
    assert "can't be drawn" in body["detail"]
    problem(await drawing.client.post(URL, json={"prompt": "unfit"}), 422, "encoding-failed")
    wanted = {"prompt": "x", "negative_prompt": "unfit"}
    assert "negative_prompt" in problem(await drawing.client.post(URL, json=wanted), 422, "encoding-failed")["detail"]
    drawing.engine.saturated = True
    response = await drawing.client.post(URL, json={"prompt": "x"})
    problem(response, 503, "at-capacity")
    assert response.headers["retry-after"] == "3"
    drawing.engine.saturated, drawing.engine.unavailable = False, True
    problem(await drawing.client.post(URL, json={"prompt": "x"}), 503, "unavailable")


async def test_a_job_answers_what_the_call_would_have(drawing: Service) -> None:
    wanted = {"prompt": "tomato", "seed": 8, "n": 2, "candidates": 20, "store": True}
    response = await drawing.client.post(URL, json=wanted, headers={"prefer": "wait=10, Respond-Async"})
    assert response.headers["preference-applied"] == "respond-async"
    assert response.headers["vary"] == "Prefer"
    assert response.json()["source"] == "tomato"
    job = await _job(drawing, response)
    assert (job["kind"], job["state"], job["detail"]) == ("drawing", "succeeded", "drew 20, kept 2")
    assert (job["progress"]["done"], job["progress"]["total"], job["progress"]["created"]) == (20, 20, 2)
    result = await drawing.client.get(job["links"]["result"])
    assert result.status_code == 200, result.text
    body = result.json()
    direct = await _draw(drawing, **wanted)
    for name in ("model", "size", "output_format"):
        assert body[name] == direct[name]
    assert [(each["seed"], each["b64_json"]) for each in body["data"]] == [
        (each["seed"], each["b64_json"]) for each in direct["data"]
    ]
    assert [each["seed"] for each in body["candidates"]] == list(range(8, 28))
    assert (await drawing.client.get(f"/v1/images/{body['data'][0]['id']}")).json()["generated"]
    by_url = (await drawing.client.get(f"{job['links']['result']}?response_format=url")).json()["data"][0]
    assert (await drawing.client.get(by_url["url"])).content == base64.b64decode(body["data"][0]["b64_json"])
    # When a job's worker dies after it stored, and the job is run again, nothing is there twice.
    images = (await drawing.client.get("/v1/images")).json()["items"]
    assert len(images) == 4
    for path in drawing.runtime.settings.drawn_dir.glob("*.png"):
        path.unlink()
    problem(await drawing.client.get(job["links"]["result"]), 404, "not-found")


async def test_a_job_that_is_cancelled_keeps_nothing(drawing: Service) -> None:
    drawing.engine.gate = asyncio.Event()
    response = await drawing.client.post(URL, json={"prompt": "tomato", "n": 10, "store": True}, headers=ASYNC)
    where = response.headers["location"]

    async def drawn_at() -> bool:
        return drawing.engine.waiting > 0

    await until(drawn_at)
    problem(await drawing.client.get(where.replace("/jobs/", "/images/generations/results/")), 409, "conflict")
    cancelled = await drawing.client.post(f"{where}/cancel")
    assert cancelled.json()["cancel_requested"]

    async def seen() -> bool:
        # The runner sees the wish at its next heartbeat.
        return bool((await drawing.client.get(where)).json()["updated_at"] > cancelled.json()["updated_at"])

    await until(seen)
    drawing.engine.gate.set()
    job = await _job(drawing, response)
    assert (job["state"], job["links"]) == ("cancelled", {"self": where})
    assert list(drawing.runtime.settings.drawn_dir.glob("*")) == []
    assert (await drawing.client.get("/v1/images")).json()["items"] == []


async def test_a_job_that_fails_says_why(drawing: Service) -> None:
    job = await _job(drawing, await drawing.client.post(URL, json={"prompt": "undrawable"}, headers=ASYNC))
    assert (job["state"], job["detail"]) == ("failed", "this can't be drawn")
    where = f"{URL}/results/{job['id']}"
    assert "this can't be drawn" in problem(await drawing.client.get(where), 409, "conflict")["detail"]
    problem(await drawing.client.get(f"{URL}/results/unknown"), 404, "unknown-job")


async def test_a_job_waits_for_no_import_and_is_taken_up_after_a_restart(settings: Settings) -> None:
    engine = FakeEngine(generator=GENERATOR)
    async with serving(settings, engine) as service:
        await service.runtime.jobs.stop()
        response = await service.client.post(URL, json={"prompt": "tomato", "seed": 3}, headers=ASYNC)
        job_id = response.json()["id"]
        assert (await service.runtime.jobs.get(job_id)).state is JobState.QUEUED
    async with serving(settings, FakeEngine(generator=GENERATOR)) as service:
        job = await _job(service, response)
        assert job["state"] == "succeeded"
        body = (await service.client.get(job["links"]["result"])).json()
        np.testing.assert_array_equal(_pixels(body["data"][0]), _expected("tomato", 3))
    async with serving(settings, FakeEngine()) as service:
        assert (await service.client.get(job["links"]["result"])).status_code == 200


async def test_two_hundred_at_once_are_all_answered(drawing: Service) -> None:
    async def ask(number: int) -> tuple[int, httpx.Response]:
        drawing.engine.saturated = number % 10 == 9
        wanted = {"prompt": "tomato rice", "seed": number, "n": 1 + number % 3}
        return number, await drawing.client.post(URL, json=wanted)

    answers = await asyncio.gather(*(ask(number) for number in range(200)))
    for number, response in answers:
        assert response.status_code in (200, 503)
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            continue
        data = response.json()["data"]
        assert [each["seed"] for each in data] == list(range(number, number + 1 + number % 3))
        np.testing.assert_array_equal(_pixels(data[0]), _expected("tomato rice", number))
