"""Captions over real HTTP by a real, tiny captioner: it knows three words and has not learnt when to use them."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.service import Service, tastespace
from tests.models.captioning.samples import save_small
from tests.pictures import encode, jpeg, plate, png_bomb

pytestmark = pytest.mark.e2e

PNG = {"accept": "image/png"}


@pytest.fixture(scope="module")
def captioning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("captioning")
    save_small(folder / "captioner")
    running = Service(folder, captioner=f"tell:{folder / 'captioner'}", builtin_catalogue="false")
    running.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-4000:]


@pytest.fixture
def client(captioning: Service) -> Iterator[httpx.Client]:
    with captioning.client() as connected:
        yield connected


def test_a_photo_and_the_same_photo_stored(client: httpx.Client) -> None:
    form = {"beams": "4", "num_captions": "3", "max_words": "4", "attention": "true"}
    response = client.post("/v1/captions", files={"file": ("plate.jpg", jpeg())}, data=form)
    assert response.status_code == 200, response.text
    body = response.json()
    assert 1 <= len(body["captions"]) <= 3
    rows, columns = body["grid"]["rows"], body["grid"]["columns"]
    assert body["region"] == {"left": 0, "top": 0, "right": 1, "bottom": 1}
    for caption in body["captions"]:
        assert 1 <= len(caption["words"]) <= 4
        assert caption["log_probability"] <= sum(word["log_probability"] for word in caption["words"]) + 1e-6
        for word in caption["words"]:
            assert word["text"] in ("a", "dog", "'s")
            assert word["probability"] == pytest.approx(math.exp(word["log_probability"]))
            attention = np.array(word["attention"])
            assert attention.shape == (rows, columns)
            assert attention.sum() == pytest.approx(1, abs=1e-3)
    assert list(body["took_ms"]) == ["decode", "caption"]

    client.post("/v1/images", files={"files": ("plate.jpg", jpeg())}, data={"metadata": '[{"id": "plate"}]'})
    wanted = {"image_id": "plate", "beams": 4, "num_captions": 3, "max_words": 4, "attention": True}
    stored = client.post("/v1/captions", json=wanted).json()
    assert [each["text"] for each in stored["captions"]] == [each["text"] for each in body["captions"]]
    figure = client.post("/v1/captions", json={"image_id": "plate"}, headers=PNG)
    assert figure.headers["content-type"] == "image/png"
    Image.open(io.BytesIO(figure.content)).load()
    assert client.delete("/v1/images/plate").status_code == 204
    assert client.post("/v1/captions", json=wanted).status_code == 404


def test_photos_of_every_kind_are_answered(client: httpx.Client) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [plate("red", size=(64, 48)), plate("green", size=(64, 48))]
    for data in (
        encode(Image.new("L", (80, 60), 120), "PNG"),
        encode(Image.new("RGB", (1, 1)), "PNG"),
        encode(Image.new("RGB", (6000, 4000), "orange"), "JPEG"),
        encode(Image.new("RGB", (20_000, 1), "orange"), "PNG"),
        encode(plate(), "JPEG", exif=turned),
        encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
    ):
        for headers in ({}, PNG):
            response = client.post("/v1/captions", files={"file": data}, headers=headers)
            assert response.status_code == 200, response.text
    assert client.post("/v1/captions", files={"file": png_bomb()}).status_code == 422
    assert client.post("/v1/captions", files={"file": b"no photo"}).json()["type"] == "/problems/invalid-picture"


def test_wrong_options_name_their_field(client: httpx.Client) -> None:
    files = {"file": jpeg()}
    for field, value in (("beams", "0"), ("beams", "1000"), ("style", "poem"), ("max_words", "99")):
        response = client.post("/v1/captions", files=files, data={field: value})
        assert response.status_code == 422, response.text
        assert response.json()["errors"][0]["field"] == field
    assert client.post("/v1/captions", files=files, headers={"accept": "text/html"}).status_code == 406


def test_requests_of_different_options_at_once_get_what_each_asked_for(client: httpx.Client) -> None:
    def ask(number: int) -> tuple[int, int, bool]:
        options = {"beams": "4", "max_words": str(1 + number % 4)}
        if number % 2:
            options["attention"] = "true"
        response = client.post("/v1/captions", files={"file": jpeg(seed=number)}, data=options)
        words = response.json()["captions"][0]["words"]
        return response.status_code, len(words), "attention" in words[0]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    for number, (status, words, attention) in enumerate(answers):
        assert status == 200
        assert words <= 1 + number % 4
        assert attention == bool(number % 2)


def test_the_command_line_captions_pictures(captioning: Service) -> None:
    folder = captioning.data_dir
    (folder / "plate.jpg").write_bytes(jpeg())
    (folder / "broken.jpg").write_bytes(jpeg()[:200])
    done = tastespace(
        folder, "caption", "broken.jpg", "plate.jpg", "--captioner", "captioner", "--figure", "figures", "--json"
    )
    assert done.returncode == 1, done.stderr
    broken, plate_ = json.loads(done.stdout)
    assert "truncated or corrupt" in broken["error"]
    assert plate_["captions"][0]["words"]
    assert (folder / plate_["figure"]).is_file()
