"""Pictures over real HTTP by a real, tiny generator: it has learnt nothing, but keeps every promise."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models.generation.provenance import read_provenance
from models.registry import load_encoder
from models.types import EncoderInfo
from tests.e2e.service import Service, tastespace
from tests.models.generation.samples import save_tiny
from tests.paths import MODEL_CACHE

pytestmark = [pytest.mark.e2e, pytest.mark.weights]

URL = "/v1/images/generations"


@pytest.fixture(scope="module")
def encoder() -> EncoderInfo:
    return load_encoder("tastespace-lite", cache=MODEL_CACHE).info


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderInfo) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("drawing")
    save_tiny(folder / "generator", encoder)
    running = Service(folder, generator=f"latent:{folder / 'generator'}", builtin_catalogue="false", queue_items="128")
    running.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-4000:]


@pytest.fixture
def client(drawing: Service) -> Iterator[httpx.Client]:
    with drawing.client() as connected:
        yield connected


def _draw(client: httpx.Client, **wanted: Any) -> dict[str, Any]:
    response = client.post(URL, json=wanted)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _apart(left: bytes, right: bytes) -> int:
    """The largest difference of two pictures; batches of other sizes may round otherwise."""
    pixels = [np.asarray(_open(data)).astype(int) for data in (left, right)]
    return int(np.abs(pixels[0] - pixels[1]).max())


def test_a_seed_is_a_picture(client: httpx.Client) -> None:
    body = _draw(client, prompt="tomato soup", seed=5, n=3)
    pictures = [base64.b64decode(each["b64_json"]) for each in body["data"]]
    assert (body["size"], [each["seed"] for each in body["data"]]) == ("32x32", [5, 6, 7])
    alone = base64.b64decode(_draw(client, prompt="tomato soup", seed=6)["data"][0]["b64_json"])
    assert _apart(alone, pictures[1]) <= 2 < _apart(pictures[0], pictures[1])
    other = base64.b64decode(_draw(client, prompt="chocolate cake", seed=6)["data"][0]["b64_json"])
    assert _apart(alone, other) > 2
    without = base64.b64decode(
        _draw(client, prompt="tomato soup", seed=6, negative_prompt="basil")["data"][0]["b64_json"]
    )
    assert without != alone
    said = read_provenance(_open(alone))
    assert said is not None
    assert (said.prompt, said.seed) == ("tomato soup", 6)


def test_urls_jobs_and_stored_pictures(client: httpx.Client) -> None:
    client.put("/v1/recipes/soup", json={"title": "Tomato soup", "ingredients": ["tomatoes"]})
    wanted = {"recipe_id": "soup", "seed": 1, "n": 2, "candidates": 20, "output_format": "jpeg", "store": True}
    body = _draw(client, **wanted, response_format="url")
    scores = [each["score"] for each in body["candidates"]]
    assert [each["score"] for each in body["data"]] == sorted(scores, reverse=True)[:2]
    file = client.get(body["data"][0]["url"])
    assert (file.status_code, file.headers["content-type"]) == (200, "image/jpeg")
    stored = client.get(f"/v1/images/{body['data'][0]['id']}").json()
    assert (stored["generated"], stored["title"]) == (True, "Tomato soup")
    assert client.get(stored["links"]["file"]).content == file.content

    response = client.post(URL, json=wanted, headers={"prefer": "respond-async"})
    assert response.status_code == 202, response.text
    deadline = time.monotonic() + 60
    while (job := client.get(response.headers["location"]).json())["finished_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert job["state"] == "succeeded", job
    drawn = client.get(job["links"]["result"]).json()["data"]
    assert [each["seed"] for each in drawn] == [each["seed"] for each in body["data"]]
    assert client.get(f"/v1/images/{drawn[0]['id']}").json()["generated"]
    photos = client.post("/v1/search/images", json={"text": "soup", "filter": {"generated": False}}).json()
    assert photos["hits"] == []


def test_two_hundred_at_once_are_served_or_told_when_to_come_back(drawing: Service, client: httpx.Client) -> None:
    with httpx.Client(base_url=drawing.url, timeout=120, limits=httpx.Limits(max_connections=200)) as crowd:

        def ask(number: int) -> httpx.Response:
            return crowd.post(URL, json={"prompt": f"dish {number % 7}", "seed": number, "n": 1 + number % 3})

        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(ask, range(200)))
    for number, response in enumerate(answers):
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            continue
        assert response.status_code == 200, response.text
        assert [each["seed"] for each in response.json()["data"]] == list(range(number, number + 1 + number % 3))
    assert sum(response.status_code == 200 for response in answers) >= 40
    assert _draw(client, prompt="afterwards")["data"]
    lanes = {lane["lane"]: lane for lane in client.get("/v1/models").json()["lanes"]}
    assert (lanes["generator"]["queued_items"], lanes["generator"]["running_items"]) == (0, 0)


def test_the_command_line_draws_the_same(drawing: Service, client: httpx.Client) -> None:
    folder = drawing.data_dir
    done = tastespace(
        folder, "generate", "tomato soup", "ramen", "--out", "drawn-here", "--seed", "6", "--n", "2", "--json",
        "--generator", "generator", "--contact-sheet", "sheet.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert [(record["prompt"], record["seed"]) for record in records] == [
        ("tomato soup", 6), ("tomato soup", 7), ("ramen", 6), ("ramen", 7),
    ]  # fmt: skip
    over_http = base64.b64decode(_draw(client, prompt="tomato soup", seed=6)["data"][0]["b64_json"])
    assert _apart((folder / records[0]["file"]).read_bytes(), over_http) <= 2
    assert _open((folder / "sheet.png").read_bytes()).width == 8 + 2 * (32 + 8)


def test_a_generator_of_another_encoder_stops_the_start_in_one_sentence(tmp_path: Path, encoder: EncoderInfo) -> None:
    save_tiny(tmp_path / "generator", replace(encoder, fingerprint="0" * 64))
    running = Service(tmp_path, generator=f"latent:{tmp_path / 'generator'}", builtin_catalogue="false")
    with pytest.raises(AssertionError, match=r"Tastespace can't start: the generator .* was trained on vectors of"):
        running.start()
