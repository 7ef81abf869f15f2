"""What nobody should send: every case gets a clear 4xx, and the service goes on unharmed."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any
from urllib.parse import quote

import pytest

from tests.app.conftest import Service, problem
from tests.app.fakes import picture

pytestmark = pytest.mark.anyio

JSON_HEADERS = {"Content-Type": "application/json"}


async def _unharmed(service: Service) -> None:
    await service.put_recipe("still-here", title="tomato soup")
    response = await service.client.post("/v1/search/recipes", json={"text": "tomato", "k": 1})
    assert [hit["id"] for hit in response.json()["hits"]] == ["still-here"]
    assert (await service.client.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1,]", "not valid JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"title": NaN}', "NaN"),
        (b'{"title": "x", "extra": {"a": Infinity}}', "Infinity"),
        (b'{"title": "x", "extra": {"a": -Infinity}}', "-Infinity"),
        (b'{"title": "x", "extra": {"a": 1e999}}', "too large"),
        (b'{"title": "x", "extra": {"a": ' + b"9" * 5000 + b"}}", "not valid JSON"),
        (b'{"title": "x \\ud800"}', "surrogate"),
        (b'{"title": "x \\u0000"}', "NUL"),
        (b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"title": "x", "extra": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}", ""),
        (b"5", ""),
        (b"null", ""),
        (b'"text"', ""),
    ],
    ids=lambda value: repr(value[:24]),
)
async def test_bodies_that_are_no_recipe(service: Service, content: bytes, words: str) -> None:
    for method, path in (("POST", "/v1/recipes"), ("PUT", "/v1/recipes/x"), ("POST", "/v1/search/recipes")):
        response = await service.client.request(method, path, content=content, headers=JSON_HEADERS)
        body = problem(response, 422, "invalid-request")
        assert words in body["detail"]
        assert len(body["detail"]) < 500
    await _unharmed(service)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "body"),
        ({"title": "", "ingredients": [" "], "instructions": []}, "body"),
        ({"title": 5}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "x", "ingredients": "one string"}, "ingredients"),
        ({"title": "x", "ingredients": [{"name": "salt"}]}, "ingredients.0"),
        ({"title": "x", "ingredients": ["y"] * 501}, "ingredients"),
        ({"title": "x", "tags": ["t" * 101]}, "tags.0"),
        ({"title": "x", "tags": ["a\u0000b"]}, "tags"),
        ({"title": "x", "tags": [""]}, "tags.0"),
        ({"title": "x", "extra": []}, "extra"),
        ({"title": "x", "extra": {"a": "y" * 70_000}}, "extra"),
        ({"title": "x", "ingredient": []}, "ingredient"),
    ],
)
async def test_recipes_with_wrong_fields(service: Service, fields: dict[str, Any], field: str) -> None:
    response = await service.client.put("/v1/recipes/x", json=fields)
    body = problem(response, 422, "invalid-request")
    assert body["errors"][0]["field"] == field
    problem(await service.client.get("/v1/recipes/x"), 404, "unknown-item")


@pytest.mark.parametrize("tag", ["a\u200bb", "a\u0001b", "\u2060"])
async def test_tags_with_invisible_characters(service: Service, tag: str) -> None:
    response = await service.client.put("/v1/recipes/x", json={"title": "x", "tags": [tag]})
    assert "tag" in problem(response, 422, "invalid-request")["detail"]
    response = await service.client.post("/v1/search/recipes", json={"text": "x", "filter": {"tags_all": [tag]}})
    problem(response, 422, "invalid-request")
    response = await service.client.get("/v1/recipes", params={"tag": tag})
    problem(response, 422, "invalid-request")


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"k": 0}, "k"),
        ({"k": -1}, "k"),
        ({"k": 10**9}, "k"),
        ({"k": 1001}, "k"),
        ({"k": 1.5}, "k"),
        ({"k": "ten"}, "k"),
        ({"k": None}, "k"),
        ({"k": 10**400}, "k"),
        ({"offset": -1}, "offset"),
        ({"offset": 10**9}, "offset"),
        ({"filter": []}, "filter"),
        ({"filter": {"tag": ["x"]}}, "filter.tag"),
        ({"filter": {"tags_all": "x"}}, "filter.tags_all"),
        ({"limit": 3}, "limit"),
    ],
)
async def test_windows_and_filters_out_of_range(service: Service, window: dict[str, Any], field: str) -> None:
    for kind in ("recipes", "images"):
        response = await service.client.post(f"/v1/search/{kind}", json={"text": "x"} | window)
        assert problem(response, 422, "invalid-request")["errors"][0]["field"] == field


async def test_listings_take_no_more_conditions_than_searches(service: Service) -> None:
    for kind in ("recipes", "images"):
        for name, most in (("tag", 100), ("ingredient", 50)):
            few, many = ({name: [f"x{n}" for n in range(count)]} for count in (most, most + 1))
            assert (await service.client.get(f"/v1/{kind}", params=few)).status_code == 200
            body = problem(await service.client.get(f"/v1/{kind}", params=many), 422, "invalid-request")
            assert body["errors"][0]["field"] == name
        for tag in ("", " ", "x" * 101):
            body = problem(await service.client.get(f"/v1/{kind}", params={"tag": tag}), 422, "invalid-request")
            assert body["errors"][0]["field"] == "tag.0"


@pytest.mark.parametrize(
    "tags",
    [
        '{"include": []}',
        '{"exclude": ["a"]}',
        '{"include": [{"tag": "a", "weight": NaN}]}',
        '{"include": [{"tag": "a", "weight": Infinity}]}',
        '{"include": [{"tag": "a", "weight": 0}]}',
        '{"include": [{"tag": "a", "weight": -1}]}',
        '{"include": [{"tag": "a", "weight": 1e9}]}',
        '{"include": [{"tag": "a", "weight": "heavy"}]}',
        '{"include": [{"weight": 1}]}',
        '{"include": [" "]}',
        '{"include": [5]}',
        '{"include": "pasta"}',
    ],
)
async def test_tag_sums_that_are_none(service: Service, tags: str) -> None:
    response = await service.client.post("/v1/search/images", content=f'{{"tags": {tags}}}', headers=JSON_HEADERS)
    problem(response, 422, "invalid-request")


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
async def test_texts_that_are_no_query(service: Service, text: str) -> None:
    response = await service.client.post("/v1/search/images", json={"text": text})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "text"


@pytest.mark.parametrize("path", ["/v1/recipes/{}", "/v1/images/{}", "/v1/images/{}/file", "/v1/recipes/{}/images/x"])
@pytest.mark.parametrize(
    ("item_id", "slug"),
    [
        ("a/b", "invalid-id"),
        ("a%2Fb", "invalid-id"),
        ("a%2fb", "invalid-id"),
        ("search", "invalid-id"),
        ("file", "invalid-id"),
        ("a%00b", "invalid-id"),
        ("%20a", "invalid-id"),
        ("a%0Ab", "invalid-id"),
        ("x" * 129, "invalid-id"),
        ("%E2%80%8Ba", "invalid-id"),
    ],
)
async def test_ids_that_are_none(service: Service, path: str, item_id: str, slug: str) -> None:
    response = await service.client.request("DELETE" if "recipes" in path else "GET", path.format(item_id))
    if item_id == "a/b":
        assert response.status_code in (404, 405)
    else:
        problem(response, 422, slug)


async def test_an_encoded_slash_reaches_no_other_route(service: Service) -> None:
    await service.put_recipe("a", title="x")
    await service.put_image("b", picture("rice"), recipe_ids=["a"])
    problem(await service.client.delete("/v1/recipes/a%2Fimages%2Fb"), 422, "invalid-id")
    problem(await service.client.get("/v1/images/b%2Ffile"), 422, "invalid-id")
    assert (await service.client.get("/v1/images/b")).json()["recipe_ids"] == ["a"]


@pytest.mark.parametrize("item_id", ["crème brûlée", "スープ", "a b&c?d#e%f", "-", "🍜", "a+b", ";", "a\\b"])
async def test_unicode_ids_work_everywhere(service: Service, item_id: str) -> None:
    await service.put_recipe(item_id, title="x")
    await service.put_image(item_id, picture("rice"), recipe_ids=[item_id])
    client, name = service.client, quote(item_id, safe="")
    recipe, image = (await client.get(f"/v1/recipes/{name}")).json(), (await client.get(f"/v1/images/{name}")).json()
    assert recipe["id"] == image["id"] == item_id
    assert recipe["image_ids"] == image["recipe_ids"] == [item_id]
    assert (await client.get(recipe["links"]["self"])).json() == recipe
    assert (await client.get(image["links"]["recipes"][0])).json() == recipe
    assert (await client.get(recipe["links"]["images"][0])).content == picture("rice")


async def test_an_id_is_the_same_in_every_normal_form(service: Service) -> None:
    await service.put_recipe("cre\u0301me", title="x")
    assert (await service.client.get("/v1/recipes/cr%C3%A9me")).json()["id"] == "cr\u00e9me"
    assert (await service.client.get("/v1/recipes/cre%CC%81me")).status_code == 200


def _bomb() -> bytes:
    """A PNG of 13,000 x 13,000 pixels in a few kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 13_000, 13_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 13_000 // 8) * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [b"", b"text named .jpg", picture("rice")[:60], b"\xff\xd8\xff", _bomb(), b"GIF89a", b"<svg/>", b"RIFF0000WEBP"],
    ids=["empty", "text", "truncated", "jpeg-start", "bomb", "gif-start", "svg", "webp-start"],
)
async def test_files_that_are_no_picture(service: Service, data: bytes) -> None:
    for path in ("/v1/search/recipes", "/v1/search/images"):
        problem(await service.client.post(path, files={"file": ("x.jpg", data)}), 422, "invalid-picture")
    problem(await service.client.post("/v1/images", files={"files": ("x.jpg", data)}), 422, "invalid-picture")
    problem(await service.client.put("/v1/images/i", files={"file": ("x.jpg", data)}), 422, "invalid-picture")
    assert list(service.runtime.blobs) == []
    await _unharmed(service)


async def test_bodies_that_are_too_large(service: Service) -> None:
    large = b"x" * (3 << 20)

    async def stream() -> Any:
        for _ in range(3):
            yield b"x" * (1 << 20)

    client = service.client
    problem(await client.post("/v1/recipes", content=large, headers=JSON_HEADERS), 413, "too-large")
    problem(await client.post("/v1/recipes", content=stream(), headers=JSON_HEADERS), 413, "too-large")
    problem(await client.post("/v1/images", files={"files": ("x.jpg", large)}), 413, "too-large")
    problem(await client.post("/v1/search/recipes", files={"file": ("x.jpg", large)}), 413, "too-large")
    await _unharmed(service)


async def test_too_many_files(service: Service) -> None:
    files = [("files", (f"{n}.png", picture("rice"))) for n in range(65)]
    response = await service.client.post("/v1/images", files=files)
    assert response.status_code == 400
    assert "64" in response.json()["detail"]
    problem(await service.client.post("/v1/recipes", json=[{"title": "x"}] * 1001), 422, "invalid-request")


async def test_broken_multipart(service: Service) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (b"", b"garbage", b"--x\r\nbroken", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'):
        response = await service.client.post("/v1/search/recipes", content=content, headers=headers)
        assert response.status_code in (400, 422), content
        assert response.headers["content-type"] == "application/problem+json"
    response = await service.client.post("/v1/images", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert response.status_code in (400, 422)


async def test_wrong_methods_types_and_addresses(service: Service) -> None:
    client = service.client
    response = await client.request("PATCH", "/v1/recipes")
    problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["allow"]
    problem(await client.get("/v1/nothing"), 404, "not-found")
    problem(await client.get("/v2/recipes"), 404, "not-found")
    problem(await client.post("/v1/recipes", content=b"{}"), 415, "unsupported-media-type")
    problem(await client.post("/v1/recipes", data={"title": "x"}), 415, "unsupported-media-type")
    response = await client.post("/v1/recipes", content=b"{}", headers={"Content-Type": "text/csv; charset=x"})
    assert "text/csv" in problem(response, 415, "unsupported-media-type")["detail"]


async def test_link_lists_are_checked(service: Service) -> None:
    response = await service.client.put("/v1/recipes/x", json={"title": "x", "image_ids": ["a/b"]})
    problem(response, 422, "invalid-id")
    metadata = json.dumps({"recipe_ids": ["nobody"]})
    response = await service.client.put("/v1/images/x", files={"file": picture("rice")}, data={"metadata": metadata})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "recipe_ids"
