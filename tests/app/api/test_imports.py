from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.app.api.test_tagging import write_head
from tests.app.conftest import Service, problem, serving, until
from tests.app.fakes import picture

pytestmark = pytest.mark.anyio


def _lines(count: int) -> str:
    lines = [{"id": f"r{n}", "title": f"soup number {n}", "ingredients": ["water"], "tags": []} for n in range(count)]
    return "\n".join(json.dumps(line) for line in lines)


def _zip(files: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


async def _is(service: Service, address: str, state: str) -> bool:
    return bool((await service.client.get(address)).json()["state"] == state)


async def _ended(service: Service, address: str) -> dict[str, Any]:
    async def ended() -> bool:
        return (await service.client.get(address)).json()["finished_at"] is not None

    await until(ended)
    body: dict[str, Any] = (await service.client.get(address)).json()
    return body


async def test_an_archive_is_imported_in_the_background(service: Service) -> None:
    lines = [
        {"id": "a", "title": "tomato soup", "ingredients": ["tomato"], "image": "images/a.png"},
        {"id": "b", "title": "rice", "ingredients": ["rice"], "image": "images/b.png"},
        {"id": "c", "title": ""},
    ]
    data = _zip(
        {
            "recipes.jsonl": "\n".join(json.dumps(line) for line in lines),
            "images/a.png": picture("tomato"),
            "images/b.png": b"broken",
        }
    )
    response = await service.client.post("/v1/imports", files={"file": ("my recipes.zip", data)})
    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == body["links"]["self"]
    assert (body["state"], body["source"]) == ("queued", "my recipes.zip")
    body = await _ended(service, body["links"]["self"])
    assert body["state"] == "succeeded", body
    assert body["progress"]["created"] == 3
    assert body["progress"]["failed"] >= 1
    assert any("image" in error["detail"] for error in body["errors"])
    assert (await service.client.get("/v1/recipes/a")).json()["image_ids"]
    assert (await service.client.get("/v1/recipes/b")).status_code == 200
    assert list(service.runtime.settings.uploads_dir.iterdir()) == []
    listed = (await service.client.get("/v1/jobs")).json()["items"]
    assert [job["id"] for job in listed] == [body["id"]]


async def test_the_same_archive_twice_changes_nothing(service: Service) -> None:
    data = _zip({"recipes.jsonl": _lines(5)})
    for outcome in ("created", "unchanged"):
        response = await service.client.post("/v1/imports", files={"file": ("x.zip", data)}, data={"format": "folder"})
        body = await _ended(service, response.headers["location"])
        assert body["progress"][outcome] == 5, body


async def test_an_archive_that_holds_nothing_fails_with_a_sentence(service: Service) -> None:
    response = await service.client.post("/v1/imports", files={"file": ("x.zip", _zip({"readme": "hello"}))})
    body = await _ended(service, response.headers["location"])
    assert body["state"] == "failed"
    assert "nothing that can be imported" in body["detail"]
    assert str(service.runtime.settings.data_dir) not in body["detail"]


async def test_an_archive_may_come_as_bare_bytes(service: Service) -> None:
    headers = {"Content-Type": "application/zip"}
    data = _zip({"recipes.jsonl": _lines(3)})
    response = await service.client.post("/v1/imports", content=data, headers=headers)
    assert response.status_code == 202
    assert (await _ended(service, response.headers["location"]))["progress"]["created"] == 3
    problem(await service.client.post("/v1/imports", content=b"no zip", headers=headers), 422, "invalid-request")
    assert list(service.runtime.settings.uploads_dir.iterdir()) == []


async def test_what_is_no_archive_is_refused_at_once(service: Service) -> None:
    client = service.client
    problem(await client.post("/v1/imports", files={"file": ("x.zip", b"no zip")}), 422, "invalid-request")
    file = {"file": ("x.zip", _zip({"a": b"x"}))}
    problem(await client.post("/v1/imports", files=file, data={"format": "cake"}), 422, "invalid-request")
    problem(await client.post("/v1/imports", content=b"x"), 415, "unsupported-media-type")
    assert not service.runtime.settings.uploads_dir.exists() or not list(service.runtime.settings.uploads_dir.iterdir())


async def test_archives_may_be_larger_than_other_bodies(service: Service) -> None:
    data = _zip({"recipes.jsonl": _lines(2), "padding.bin": b"\0" * (3 << 20)})
    assert len(data) > service.runtime.settings.max_body_bytes
    response = await service.client.post("/v1/imports", files={"file": ("x.zip", data)})
    assert response.status_code == 202
    assert (await _ended(service, response.headers["location"]))["progress"]["created"] == 2


async def test_archives_have_a_limit_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, builtin_catalogue=False, max_body_mb=1, import_max_mb=2)
    async with serving(settings) as service:
        data = _zip({"padding": b"\0" * (3 << 20)})
        problem(await service.client.post("/v1/imports", files={"file": ("x.zip", data)}), 413, "too-large")


async def test_folders_only_below_an_allowed_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "inner").mkdir(parents=True)
    outside.mkdir()
    (root / "inner" / "recipes.jsonl").write_text(_lines(3))
    (root / "link").symlink_to(outside)
    settings = Settings(data_dir=tmp_path / "data", builtin_catalogue=False, import_roots=(root,))
    async with serving(settings) as service:
        response = await service.client.post("/v1/imports", json={"folder": str(root / "inner")})
        assert response.status_code == 202
        assert (await _ended(service, response.headers["location"]))["progress"]["created"] == 3
        for folder in (outside, root / "link", root / ".." / "outside", root / "none", "/", "relative", "a\0b"):
            content = json.dumps({"folder": str(folder)}).replace("\\u0000", "%00")
            headers = {"Content-Type": "application/json"}
            problem(await service.client.post("/v1/imports", content=content, headers=headers), 403, "forbidden")
        problem(await service.client.post("/v1/imports", json={"folder": ""}), 422, "invalid-request")
        problem(await service.client.post("/v1/imports", json={}), 422, "invalid-request")


async def test_folders_are_refused_where_none_is_allowed(service: Service, tmp_path: Path) -> None:
    problem(await service.client.post("/v1/imports", json={"folder": str(tmp_path)}), 403, "forbidden")


async def test_a_running_import_can_be_cancelled(service: Service) -> None:
    service.engine.gate = asyncio.Event()
    data = _zip({"recipes.jsonl": _lines(1000)})
    first = await service.client.post("/v1/imports", files={"file": ("x.zip", data)})
    second = await service.client.post("/v1/imports", files={"file": ("y.zip", data)})
    await until(lambda: _is(service, first.headers["location"], "running"))
    waiting = await service.client.delete(second.headers["location"])
    assert (waiting.status_code, waiting.json()["state"]) == (202, "cancelled")
    asked = await service.client.post(first.headers["location"] + "/cancel")
    assert asked.json()["cancel_requested"] is True
    await asyncio.sleep(1.5)  # until the runner has seen it
    service.engine.gate.set()
    body = await _ended(service, first.headers["location"])
    assert body["state"] == "cancelled"
    assert body["progress"]["done"] < 1000
    assert list(service.runtime.settings.uploads_dir.iterdir()) == []


async def test_an_import_goes_on_after_a_restart(settings: Settings) -> None:
    async with serving(settings) as service:
        service.engine.gate = asyncio.Event()
        data = _zip({"recipes.jsonl": _lines(200)})
        address = (await service.client.post("/v1/imports", files={"file": ("x.zip", data)})).headers["location"]
        await until(lambda: _is(service, address, "running"))
    async with serving(settings) as service:
        body = await _ended(service, address)
        assert body["state"] == "succeeded"
        assert body["attempts"] == 2
        assert body["progress"]["created"] == 200


async def test_unknown_jobs(service: Service) -> None:
    for method, path in (("GET", "/v1/jobs/x"), ("DELETE", "/v1/jobs/x"), ("POST", "/v1/jobs/x/cancel")):
        problem(await service.client.request(method, path), 404, "unknown-job")
    problem(await service.client.get("/v1/jobs?cursor=nonsense"), 422, "invalid-request")


# --- automatic tags -----------------------------------------------------------------------------------------


@pytest.fixture
def with_head(tmp_path: Path) -> Settings:
    """Settings of a service that has a tagger for its encoder."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "plate.png").write_bytes(picture("meat", "rice"))
    return Settings(
        data_dir=tmp_path / "data",
        builtin_catalogue=False,
        tags=write_head(tmp_path / "tags"),
        import_roots=(tmp_path,),
    )


async def _auto_tags(service: Service, response: httpx.Response) -> list[str]:
    """The automatic tags of the one photo that the import brought, which is deleted then."""
    assert response.status_code == 202, response.text
    assert (await _ended(service, response.headers["location"]))["state"] == "succeeded"
    (item,) = (await service.client.get("/v1/images")).json()["items"]
    await service.client.delete(f"/v1/images/{item['id']}")
    return sorted(item["auto_tags"])


async def test_every_way_of_importing_can_ask_for_tags(with_head: Settings, tmp_path: Path) -> None:
    data = _zip({"plate.png": picture("meat", "rice")})
    file = {"file": ("x.zip", data)}
    zipped: dict[str, Any] = {"content": data, "headers": {"Content-Type": "application/zip"}}
    folder = str(tmp_path / "pictures")
    async with serving(with_head) as service:
        post = service.client.post
        least: dict[str, float]
        for least, expected in (({}, ["Meat", "Rice"]), ({"auto_tags_min": 1.0}, [])):
            asked = {"auto_tags": "true"} | {name: str(value) for name, value in least.items()}
            assert await _auto_tags(service, await post("/v1/imports", files=file, data=asked)) == expected
            assert await _auto_tags(service, await post("/v1/imports", params=asked, **zipped)) == expected
            body = {"folder": folder, "auto_tags": True} | least
            assert await _auto_tags(service, await post("/v1/imports", json=body)) == expected
        assert await _auto_tags(service, await post("/v1/imports", files=file)) == []


async def test_what_is_wrong_with_automatic_tags_is_named_at_once(
    with_head: Settings, settings: Settings, tmp_path: Path
) -> None:
    data = _zip({"plate.png": picture("meat")})
    file = {"file": ("x.zip", data)}
    zipped: dict[str, Any] = {"content": data, "headers": {"Content-Type": "application/zip"}}
    folder = str(tmp_path / "pictures")
    async with serving(with_head) as service:
        post = service.client.post
        for response, field in (
            (await post("/v1/imports", files=file, data={"auto_tags": "maybe"}), "auto_tags"),
            (await post("/v1/imports", files=file, data={"auto_tags": "1", "auto_tags_min": "nan"}), "auto_tags_min"),
            (await post("/v1/imports?auto_tags=1&auto_tags_min=2", **zipped), "auto_tags_min"),
            (await post("/v1/imports?auto_tag=1", **zipped), "auto_tag"),
            (await post("/v1/imports?auto_tags=1", files=file), "auto_tags"),
            (await post("/v1/imports?auto_tags=1", json={"folder": folder}), "auto_tags"),
            (await post("/v1/imports", json={"folder": folder, "auto_tags": "yes please"}), "auto_tags"),
        ):
            assert problem(response, 422, "invalid-request")["errors"][0]["field"] == field
        body = problem(await post("/v1/imports", files=file, data={"auto_tags_min": "0.5"}), 422, "invalid-request")
        assert "auto_tags=true" in body["detail"]
        assert (await service.client.get("/v1/jobs")).json()["items"] == []
    async with serving(settings) as service:
        for response in (
            await service.client.post("/v1/imports", files=file, data={"auto_tags": "true"}),
            await service.client.post("/v1/imports?auto_tags=true", **zipped),
        ):
            assert "tastespace train tags" in problem(response, 409, "tagger-unavailable")["detail"]
        assert not settings.uploads_dir.exists() or not list(settings.uploads_dir.iterdir())


async def test_an_import_that_goes_on_after_a_restart_goes_on_with_its_tags(with_head: Settings) -> None:
    data = _zip({"plate.png": picture("meat", "rice")})

    async def interrupted(service: Service) -> httpx.Response:
        service.engine.gate = asyncio.Event()
        response = await service.client.post("/v1/imports", files={"file": ("x.zip", data)}, data={"auto_tags": "true"})
        await until(lambda: _is(service, response.headers["location"], "running"))
        return response

    async with serving(with_head) as service:
        response = await interrupted(service)
    async with serving(with_head) as service:
        assert await _auto_tags(service, response) == ["Meat", "Rice"]
        response = await interrupted(service)
    # Weights that ship fit no fake encoder, so there is no head any more.
    async with serving(with_head.model_copy(update={"tags": None})) as service:
        body = await _ended(service, response.headers["location"])
        assert body["state"] == "failed"
        assert "tastespace train tags" in body["detail"]
        assert (await service.client.get("/v1/images")).json()["items"] == []
