"""Questions over real HTTP to a real, tiny reasoner, trained here on drawn plates of four colours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from models.training.reasoner import ReasonerTrainingConfig, train_reasoner
from tests.e2e.service import Service, tastespace
from tests.models.training.reasoning_world import COLOURS, write_colours
from tests.pictures import encode, jpeg, plate, png_bomb

pytestmark = pytest.mark.e2e

PNG = {"accept": "image/png"}
WHAT = "what colour is it?"


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("answering")
    write_colours(folder / "colours")
    train_reasoner(
        ReasonerTrainingConfig(
            out=folder / "reasoner", data=folder / "colours", epochs=60, batch_size=16, image_size=64,
            learning_rate=3e-3, dropout=0.1, embedding=16, hidden=32, values=128, attention=16, joint=32,
        )
    )  # fmt: skip
    running = Service(folder, reasoner=f"attend:{folder / 'reasoner'}", captioner="none", builtin_catalogue="false")
    running.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-4000:]


@pytest.fixture
def client(answering: Service) -> Iterator[httpx.Client]:
    with answering.client() as connected:
        yield connected


def _plate(colour: str) -> bytes:
    return encode(plate(colour, size=(96, 64), seed=1000), "PNG")


def test_it_says_what_photos_show(client: httpx.Client) -> None:
    for number, colour in enumerate(COLOURS):
        other = COLOURS[number - 1]
        for question, answer, kind in (
            (WHAT, colour, "colour"),
            (f"Is it {colour}?", "yes", "yes/no"),
            (f"is it {other}", "no", "yes/no"),
        ):
            response = client.post("/v1/answers", files={"file": _plate(colour)}, data={"question": question})
            assert response.status_code == 200, response.text
            body = response.json()
            assert body["answers"][0]["answer"] == answer, (colour, body)
            assert body["question_type"] == kind
            assert sum(each["probability"] for each in body["answers"]) == pytest.approx(1)
            assert list(body["took_ms"]) == ["decode", "answer"]
    models = client.get("/v1/models").json()
    assert models["reasoner"]["question_types"] == ["colour", "yes/no"]
    assert "reasoner" in [lane["lane"] for lane in models["lanes"]]


def test_a_stored_photo_and_where_the_model_looked(client: httpx.Client) -> None:
    photo = _plate("green")
    client.post("/v1/images", files={"files": ("plate.png", photo)}, data={"metadata": '[{"id": "plate"}]'})
    wanted = {"image_id": "plate", "question": WHAT, "attention": True}
    stored = client.post("/v1/answers", json=wanted).json()
    sent = client.post("/v1/answers", files={"file": photo}, data={"question": WHAT, "attention": "true"}).json()
    assert [each["answer"] for each in stored["answers"]] == [each["answer"] for each in sent["answers"]]
    attention = np.array(stored["attention"])
    assert attention.shape == (stored["grid"]["rows"], stored["grid"]["columns"])
    assert attention.sum() == pytest.approx(1, abs=1e-3)
    assert stored["region"] == sent["region"]
    figure = client.post("/v1/answers", json=wanted, headers=PNG)
    assert figure.headers["content-type"] == "image/png"
    Image.open(io.BytesIO(figure.content)).load()
    assert client.delete("/v1/images/plate").status_code == 204
    assert client.post("/v1/answers", json=wanted).status_code == 404


def test_any_question_and_any_photo_get_a_clear_answer(client: httpx.Client) -> None:
    grey = encode(Image.new("L", (80, 60), 128), "PNG")
    assert client.post("/v1/answers", files={"file": grey}, data={"question": WHAT}).json()["answers"]
    for question in ("Quelle est la capitale de la France ?", "これは何ですか", "🍕🍕", "why " * 100):
        for headers in ({}, PNG):
            response = client.post("/v1/answers", files={"file": grey}, data={"question": question}, headers=headers)
            assert response.status_code == 200, response.text
        body = client.post("/v1/answers", files={"file": grey}, data={"question": question}).json()
        assert body["known"] is False
        assert "can't answer this" in body["note"]
    for question in ("", "   ", "x" * 5000):
        response = client.post("/v1/answers", files={"file": grey}, data={"question": question})
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "question"
    for broken in (png_bomb(), jpeg()[:200], b"no photo"):
        response = client.post("/v1/answers", files={"file": broken}, data={"question": WHAT})
        assert response.json()["type"] == "/problems/invalid-picture"


def test_questions_at_once_get_what_each_asked_for(client: httpx.Client) -> None:
    def ask(number: int) -> tuple[str, int, bool]:
        options = {"question": WHAT if number % 3 else "is it red?", "top_k": str(1 + number % 2)}
        if number % 2:
            options["attention"] = "true"
        response = client.post("/v1/answers", files={"file": _plate(COLOURS[number % 4])}, data=options)
        body = response.json()
        return body["answers"][0]["answer"], len(body["answers"]), "attention" in body

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(24)))
    for number, (answer, count, attention) in enumerate(answers):
        colour = COLOURS[number % 4]
        assert answer == (colour if number % 3 else "yes" if colour == "red" else "no")
        assert count == 1 + number % 2
        assert attention == bool(number % 2)


def test_the_command_line_asks(answering: Service) -> None:
    folder = answering.data_dir
    (folder / "plate.png").write_bytes(_plate("yellow"))
    done = tastespace(
        folder, "ask", "plate.png", WHAT, "is it brown?", "--reasoner", "reasoner", "--figure", "figure.png", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert [record["answers"][0]["answer"] for record in json.loads(done.stdout)] == ["yellow", "no"]
    assert (folder / "figure.png").is_file()
