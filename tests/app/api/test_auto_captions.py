"""Captions of stored photos: own ones, those of the captioner, and searching them as text."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.engine.types import Done, Failed, Operation, Outcome, Payload
from app.settings import Settings
from models.captioning.types import Caption
from tests.app.conftest import Service, problem, serving, until
from tests.app.fakes import CAPTIONER, FakeEngine, picture

pytestmark = pytest.mark.anyio

DISH = {"text": "tomato", "style": "dish", "model": "fake-captions"}
PLATE = picture("tomato")


def own(text: str) -> dict[str, str | None]:
    return {"text": text, "style": None, "model": None}


async def _upload(service: Service, *said: dict[str, Any], **form: str) -> httpx.Response:
    files = [("files", (f"{place}.png", PLATE)) for place in range(max(1, len(said)))]
    metadata = {"metadata": json.dumps(said)} if said else {}
    return await service.client.post("/v1/images", files=files, data={**metadata, **form})


async def _listed(service: Service, *captions: str) -> list[str]:
    response = await service.client.get("/v1/images", params={"caption": list(captions)})
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


def _captioned(engine: FakeEngine) -> int:
    return sum(operation is Operation.CAPTION for operation, _ in engine.encoded)


@pytest.fixture
async def without_captioner(tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(data_dir=tmp_path / "none", builtin_catalogue=False, import_roots=(tmp_path,))
    async with serving(settings, FakeEngine(captioner=None)) as running:
        yield running


# --- one's own ----------------------------------------------------------------------------------------------


async def test_own_captions_are_stored_and_tidied(service: Service) -> None:
    body = (await _upload(service, {"id": "p", "captions": [" cafe\u0301\n in town", "two", "two"]})).json()
    assert body["captions"] == [own("caf\u00e9 in town"), own("two")]
    assert (await service.client.get("/v1/images/p")).json()["captions"] == body["captions"]
    assert _captioned(service.engine) == 0


async def test_a_photo_stored_again_without_its_captions_loses_them(service: Service) -> None:
    await service.put_image("p", PLATE, captions=["one"])
    assert (await service.put_image("p", PLATE)).json()["captions"] == []


async def test_a_patch_keeps_captions_unless_it_names_them(service: Service) -> None:
    await _upload(service, {"id": "p", "captions": ["mine"]}, auto_captions="true")
    body = (await service.client.patch("/v1/images/p", json={"title": "Plate"})).json()
    assert (body["revision"], body["captions"]) == (2, [own("mine"), DISH])
    body = (await service.client.patch("/v1/images/p", json={"captions": ["tomato"]})).json()
    assert body["captions"] == [own("tomato")]
    assert (await service.client.patch("/v1/images/p", json={"captions": None})).json()["captions"] == []


@pytest.mark.parametrize(
    ("captions", "field"),
    [
        ([""], "captions.0"),
        (["fine", " \t"], "captions.1"),
        (["x" * 1001], "captions.0"),
        ([str(number) for number in range(21)], "captions"),
        (["a\u0007b"], "captions"),
        (["\u200b"], "captions"),
        ("one", "captions"),
        ([{"text": "one"}], "captions.0"),
    ],
)
async def test_a_bad_caption_is_named(service: Service, captions: Any, field: str) -> None:
    await service.put_image("p", PLATE)
    for response in (
        await _upload(service, {"id": "q", "captions": captions}),
        await service.client.patch("/v1/images/p", json={"captions": captions}),
    ):
        assert field in problem(response, 422, "invalid-request")["detail"].lower()
    assert await _listed(service) == ["p"]


# --- the captioner's ----------------------------------------------------------------------------------------


async def test_an_upload_can_ask_for_a_caption(service: Service) -> None:
    said = {"id": "p", "captions": ["on a table"]}
    body = (await _upload(service, said, auto_captions="true")).json()
    assert body["captions"] == [own("on a table"), DISH]
    assert _captioned(service.engine) == 1
    general = (await _upload(service, said, auto_captions="true", auto_captions_style="general")).json()
    assert general["captions"][1] == {"text": "a photo of tomato", "style": "general", "model": DISH["model"]}
    assert (await _upload(service, said, auto_captions="false")).json()["captions"] == [own("on a table")]


async def test_the_photo_goes_to_each_model_in_its_own_size(service: Service) -> None:
    await _upload(service, auto_captions="1")
    shapes = {
        operation: (payload if operation is Operation.ENCODE_PIXELS else payload.pixels).shape  # type: ignore[union-attr]
        for operation, payload in service.engine.encoded
    }
    assert shapes == {Operation.ENCODE_PIXELS: (16, 16, 3), Operation.CAPTION: (14, 14, 3)}


async def test_the_same_upload_again_changes_nothing(service: Service) -> None:
    said = {"captions": ["on a table"]}
    first = (await _upload(service, {"id": "p"} | said, auto_captions="true")).json()
    again = (await _upload(service, {"id": "p"} | said, auto_captions="true")).json()
    assert again == first
    response = await service.client.put(
        "/v1/images/p", files={"file": PLATE}, data={"metadata": json.dumps(said), "auto_captions": "true"}
    )
    assert response.json() == first


async def test_identical_pictures_are_captioned_once(service: Service) -> None:
    response = await _upload(service, {"id": "a"}, {"id": "b"}, auto_captions="true")
    assert response.json()["stored"] == 2
    assert _captioned(service.engine) == 1
    assert await _listed(service, "tomato") == ["a", "b"]


async def test_a_photo_with_the_most_captions_takes_no_more(service: Service) -> None:
    said = {"id": "p", "captions": [str(number) for number in range(20)]}
    body = problem(await _upload(service, said, auto_captions="true"), 422, "invalid-request")
    assert body["errors"][0]["field"] == "captions"
    assert await _listed(service) == []


class _PartlyBlind(FakeEngine):
    """Captions no photo that shows no meat; of meat alone it finds nothing to say."""

    async def submit(self, operation: Operation, items: Sequence[Payload], **options: Any) -> list[Outcome[Any]]:
        outcomes = await super().submit(operation, items, **options)
        return [self._seen(outcome) if operation is Operation.CAPTION else outcome for outcome in outcomes]

    def _seen(self, outcome: Outcome[tuple[Caption, ...]]) -> Outcome[tuple[Caption, ...]]:
        assert isinstance(outcome, Done)
        if outcome.value[0].text == "meat":
            return Done(())
        return outcome if "meat" in outcome.value[0].text else Failed("the captioner can't see")


async def test_a_photo_that_can_not_be_captioned_is_not_stored(settings: Settings) -> None:
    async with serving(settings, _PartlyBlind()) as service:
        files = [("files", (f"{food}.png", picture(*food.split("-")))) for food in ("rice", "meat", "meat-rice")]
        response = await service.client.post("/v1/images", files=files, data={"auto_captions": "1"})
        results = response.json()["results"]
        assert [result["status"] for result in results] == [422, 422, 201]
        assert [result["problem"]["type"] for result in results[:2]] == ["/problems/captioning-failed"] * 2
        assert results[0]["problem"]["detail"] == "the captioner can't see"
        assert len(await _listed(service)) == 1


async def test_a_captioner_that_is_down_is_said_and_nothing_stored(service: Service) -> None:
    service.engine.captioner_down = True
    problem(await _upload(service, auto_captions="1"), 503, "unavailable")
    assert await _listed(service) == []
    assert (await _upload(service)).status_code == 201


async def test_without_a_captioner_there_is_one_clear_error(without_captioner: Service, tmp_path: Path) -> None:
    post = without_captioner.client.post
    archive = _zip(plate=PLATE)
    zipped: dict[str, Any] = {"content": archive, "headers": {"Content-Type": "application/zip"}}
    for response in (
        await _upload(without_captioner, auto_captions="1"),
        await post("/v1/imports", files={"file": ("x.zip", archive)}, data={"auto_captions": "1"}),
        await post("/v1/imports?auto_captions=1", **zipped),
        await post("/v1/imports", json={"folder": str(tmp_path), "auto_captions": True}),
    ):
        assert "TASTESPACE_CAPTIONER" in problem(response, 409, "captioner-unavailable")["detail"]
    assert without_captioner.engine.encoded == []
    assert (await without_captioner.client.get("/v1/jobs")).json()["items"] == []
    assert (await _upload(without_captioner, {"captions": ["mine"]})).json()["captions"] == [own("mine")]


async def test_a_style_that_the_captioner_lacks_is_refused(settings: Settings) -> None:
    async with serving(settings, FakeEngine(captioner=replace(CAPTIONER, styles=("general",)))) as service:
        form = {"auto_captions": "1", "auto_captions_style": "dish"}
        assert "auto_captions_style" in problem(await _upload(service, **form), 422, "invalid-request")["detail"]
        response = await service.client.post("/v1/imports", files={"file": ("x.zip", _zip(a=PLATE))}, data=form)
        assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "auto_captions_style"
        assert service.engine.encoded == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"auto_captions": "maybe"}, "auto_captions"),
        ({"auto_captions_style": "dish"}, "auto_captions=true"),
        ({"auto_captions": "1", "auto_captions_style": "haiku"}, "auto_captions_style"),
    ],
)
async def test_what_is_asked_wrongly_is_named(service: Service, form: dict[str, str], said: str) -> None:
    archive = _zip(a=PLATE)
    for response in (
        await _upload(service, **form),
        await service.client.put("/v1/images/p", files={"file": PLATE}, data=form),
        await service.client.post("/v1/imports", files={"file": ("x.zip", archive)}, data=form),
        await service.client.post(
            "/v1/imports", params=form, content=archive, headers={"Content-Type": "application/zip"}
        ),
    ):
        assert said in problem(response, 422, "invalid-request")["detail"]


# --- imports ------------------------------------------------------------------------------------------------


def _zip(**pictures: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in pictures.items():
            archive.writestr(f"{name}.png", data)
    return buffer.getvalue()


async def _end(service: Service, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 202, response.text
    where = response.headers["location"]

    async def ended() -> bool:
        return (await service.client.get(where)).json()["state"] not in ("queued", "running")

    await until(ended)
    job: dict[str, Any] = (await service.client.get(where)).json()
    return job


async def test_every_way_of_importing_can_ask_for_captions(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "plate.png").write_bytes(PLATE)
    archive = _zip(plate=PLATE)
    form = {"auto_captions": "true", "auto_captions_style": "general"}
    async with serving(settings.model_copy(update={"import_roots": (tmp_path,)})) as service:
        post = service.client.post
        file = {"file": ("x.zip", archive)}
        jobs = [
            await _end(service, await post("/v1/imports", files=file, data=form)),
            await _end(
                service,
                await post("/v1/imports", params=form, content=archive, headers={"Content-Type": "application/zip"}),
            ),
            await _end(service, await post("/v1/imports", json={"folder": str(folder), "format": "pictures"} | form)),
        ]
        assert [job["progress"]["created"] for job in jobs] == [1, 0, 0]
        assert [job["progress"]["updated"] for job in jobs[:2]] == [0, 0]
        assert await _listed(service, "photo of tomato") == ["plate"]
        assert (await _end(service, await post("/v1/imports", files=file)))["progress"]["updated"] == 1
        assert await _listed(service, "photo") == []


async def test_a_job_that_is_taken_up_without_a_captioner_fails_with_its_reason(settings: Settings) -> None:
    async with serving(settings) as service:
        service.engine.gate = asyncio.Event()
        response = await service.client.post(
            "/v1/imports", files={"file": ("x.zip", _zip(a=PLATE))}, data={"auto_captions": "1"}
        )

        async def waiting() -> bool:
            return service.engine.waiting > 0

        await until(waiting)
    async with serving(settings, FakeEngine(captioner=None)) as service:
        job = await _end(service, response)
        assert job["state"] == "failed"
        assert "TASTESPACE_CAPTIONER" in job["detail"]


# --- search -------------------------------------------------------------------------------------------------


async def test_captions_are_searched_as_text(service: Service) -> None:
    await service.put_image("dogs", PLATE, captions=["Two dogs' race", "on green grass"])
    await service.put_image("cat", picture("rice"), captions=["A cat on a mat"])
    await service.put_image("bare", picture("meat"))
    assert await _listed(service, "two dog") == ["dogs"]
    assert await _listed(service, "two dogs", "GRASS") == ["dogs"]
    assert await _listed(service, "dogs two") == []
    assert await _listed(service, "race on") == []
    for wanted, found in (
        ({"captions_all": ["dogs", "grass"]}, {"dogs"}),
        ({"captions_any": ["cat", "dog"]}, {"dogs", "cat"}),
        ({"captions_none": ["dog"]}, {"cat", "bare"}),
        ({"captions_any": ["on"], "captions_none": ["mat"]}, {"dogs"}),
    ):
        response = await service.client.post("/v1/search/images", json={"text": "x", "filter": wanted})
        assert response.status_code == 200, response.text
        assert {hit["id"] for hit in response.json()["hits"]} == found


async def test_bad_caption_conditions_are_named(service: Service) -> None:
    recipes = {"text": "x", "filter": {"captions_any": ["dog"]}}
    body = problem(await service.client.post("/v1/search/recipes", json=recipes), 422, "invalid-request")
    assert "captions_any is a condition on photos" in body["detail"]
    images = {"text": "x", "filter": {"captions_none": ["?!"]}}
    body = problem(await service.client.post("/v1/search/images", json=images), 422, "invalid-request")
    assert body["errors"][0]["field"] == "filter.captions_none.0"
    body = problem(await service.client.get("/v1/images?caption=-"), 422, "invalid-request")
    assert body["errors"][0]["field"] == "caption.0"
