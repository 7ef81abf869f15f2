"""Bad input over real HTTP: each a clear 4xx problem, and the service unharmed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.e2e.service import Service
from tests.pictures import encode, jpeg, plate, png_bomb

pytestmark = [pytest.mark.e2e, pytest.mark.weights]

PICTURES_REFUSED = {
    "empty": b"",
    "truncated": jpeg()[:400],
    "text": b"this is no picture",
    "html": b"<html><script>alert(1)</script></html>",
    "bomb": png_bomb(),
    "zeros": bytes(4096),
}


def animated_gif() -> bytes:
    buffer = io.BytesIO()
    plate("red").save(buffer, "GIF", save_all=True, append_images=[plate("blue"), plate("green")])
    return buffer.getvalue()


PICTURES_TAKEN = {
    "cmyk": encode(plate().convert("CMYK")),
    "grey16": encode(Image.new("I;16", (64, 64), 30_000), "PNG"),
    "palette": encode(plate().convert("P"), "PNG", transparency=0),
    "alpha": encode(plate().convert("RGBA"), "PNG"),
    "one bit": encode(plate().convert("1"), "PNG"),
    "animated": animated_gif(),
    "webp": encode(plate(), "WEBP"),
    "1x1": encode(Image.new("RGB", (1, 1)), "PNG"),
    "thin": encode(Image.new("RGB", (3000, 1)), "PNG"),
}


def assert_problem(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert response.status_code in statuses, f"{response.status_code}: {response.text[:500]}"
    assert response.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert "Traceback" not in response.text
    return problem


@pytest.fixture(autouse=True)
def unharmed(client: httpx.Client) -> Iterator[None]:
    """After each test the service is as ready as before."""
    yield
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("name", PICTURES_REFUSED)
def test_refused_pictures(client: httpx.Client, name: str) -> None:
    body = PICTURES_REFUSED[name]
    assert_problem(client.post("/v1/search/recipes", files={"file": ("dish.jpg", body)}), 400, 413, 415, 422)
    assert_problem(client.post("/v1/images", files={"files": ("dish.jpg", body)}), 400, 413, 415, 422)


@pytest.mark.parametrize("name", PICTURES_TAKEN)
def test_unusual_pictures_are_taken(client: httpx.Client, name: str) -> None:
    response = client.post("/v1/search/recipes", files={"file": ("dish", PICTURES_TAKEN[name])}, data={"k": "1"})
    assert response.status_code == 200, response.text
    assert len(response.json()["hits"]) == 1


def test_exif_rotation_is_honoured(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = encode(plate(size=(300, 200)), "JPEG", exif=exif)
    image = client.post("/v1/images", files={"files": ("turned.jpg", body)}).json()
    assert (image["width"], image["height"]) == (200, 300)


def test_one_bad_file_leaves_its_neighbours(client: httpx.Client) -> None:
    files = [("files", ("a.jpg", jpeg(seed=11))), ("files", ("b.jpg", b"no")), ("files", ("c.jpg", jpeg(seed=12)))]
    response = client.post("/v1/images", files=files)
    assert response.status_code == 207
    statuses = [item["status"] for item in response.json()["results"]]
    assert statuses[0] in (200, 201)
    assert 400 <= statuses[1] < 500
    assert statuses[2] in (200, 201)


def test_body_of_100_megabytes(service: Service) -> None:
    with service.client() as client:
        try:
            response = client.post("/v1/search/recipes", files={"file": ("big.jpg", bytes(100_000_000))})
        except httpx.WriteError:
            return  # refused while we still sent: the answer was lost with the connection
        assert_problem(response, 413)


SEARCHES_REFUSED: dict[str, bytes] = {
    "not json": b"{nope",
    "not an object": b"[1, 2]",
    "no source": b"{}",
    "two sources": b'{"text": "soup", "image_id": "x"}',
    "blank text": b'{"text": "   "}',
    "k zero": b'{"text": "soup", "k": 0}',
    "k huge": b'{"text": "soup", "k": 1000000000}',
    "k text": b'{"text": "soup", "k": "many"}',
    "negative offset": b'{"text": "soup", "offset": -1}',
    "unknown field": b'{"text": "soup", "flavour": "umami"}',
    "invalid utf-8": b'{"text": "\xff\xfe"}',
}


@pytest.mark.parametrize("name", SEARCHES_REFUSED)
@pytest.mark.parametrize("what", ["recipes", "images"])
def test_refused_searches(client: httpx.Client, name: str, what: str) -> None:
    headers = {"content-type": "application/json"}
    response = client.post(f"/v1/search/{what}", content=SEARCHES_REFUSED[name], headers=headers)
    assert_problem(response, 400, 422)


@pytest.mark.parametrize(
    "tags",
    [
        b'{"include": [{"tag": "pasta", "weight": NaN}]}',
        b'{"include": [{"tag": "pasta", "weight": Infinity}]}',
        b'{"include": [{"tag": "pasta", "weight": 0}]}',
        b'{"include": ["pasta"], "exclude": ["pasta"]}',
        b'{"include": []}',
        b'{"include": [""]}',
    ],
)
def test_refused_tags(client: httpx.Client, tags: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert_problem(client.post("/v1/search/images", content=b'{"tags": %s}' % tags, headers=headers), 400, 422)


def test_unknown_ids(client: httpx.Client) -> None:
    assert_problem(client.get("/v1/recipes/nobody"), 404)
    assert_problem(client.delete("/v1/images/nobody"), 404)
    assert_problem(client.get("/v1/images/nobody/file"), 404)
    assert_problem(client.post("/v1/search/recipes", json={"image_id": "nobody"}), 404)
    assert_problem(client.get("/v1/nothing"), 404)
    assert_problem(client.put("/v1/search/recipes", json={}), 405)


def test_empty_recipe_and_wrong_types(client: httpx.Client) -> None:
    assert_problem(client.post("/v1/recipes", json={}), 422)
    assert_problem(client.post("/v1/recipes", json={"title": "  ", "ingredients": [" "]}), 422)
    assert_problem(client.post("/v1/recipes", json={"title": 7}), 422)
    assert_problem(client.post("/v1/recipes", content=b"title", headers={"content-type": "text/plain"}), 415, 422)


@pytest.mark.parametrize("name", ["a%2Fb", "search%2Fx", "%20x", "x%00y", "x" * 129, "%E2%80%AE", "..%2F..%2Fetc"])
def test_refused_ids(client: httpx.Client, name: str) -> None:
    assert_problem(client.put(f"/v1/recipes/{name}", json={"title": "Soup"}), 404, 405, 422)


def test_unicode_ids_are_one_in_every_normal_form(client: httpx.Client) -> None:
    composed, decomposed = "cr%C3%A8me", "cre%CC%80me"
    assert client.put(f"/v1/recipes/{decomposed}", json={"title": "Crème"}).status_code in (200, 201)
    assert client.get(f"/v1/recipes/{composed}").json()["id"] == "crème"
