"""Questions to the shipped reasoner, as ``make run`` serves it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from PIL import Image

from tests.e2e.service import Service
from tests.pictures import encode, jpeg

pytestmark = [pytest.mark.e2e, pytest.mark.weights]


def _ask(client: httpx.Client, question: str, picture: bytes | None = None) -> dict[str, Any]:
    response = client.post("/v1/answers", files={"file": picture or jpeg()}, data={"question": question})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("question", "kind", "answers"),
    [
        ("Is there chicken in it?", "ingredient", {"yes", "no"}),
        ("is it sweet or savoury?", "taste", {"sweet", "savoury"}),
        ("which of these can be seen: rice, tomatoes or bell peppers?", "choice", {"rice", "tomatoes", "bell peppers"}),
        ("is it vegetarian?", "vegetarian", {"yes", "no"}),
    ],
)
def test_it_tells_what_is_asked(client: httpx.Client, question: str, kind: str, answers: set[str]) -> None:
    found = _ask(client, question)
    assert found["question_type"] == kind
    assert {each["answer"] for each in found["answers"]} == answers
    assert sum(each["probability"] for each in found["answers"]) == pytest.approx(1, abs=1e-3)
    assert found["model"] == "tastespace-answers"


@pytest.mark.parametrize(
    "question",
    ["what is the capital of france?", "quel est le plat principal ?", "这是什么菜？", "🍕🍕🍕", "asdf qwer"],
)
def test_what_it_can_not_answer_it_says_so(client: httpx.Client, question: str) -> None:
    found = _ask(client, question)
    assert not found["known"]
    assert found["note"]


def test_a_grey_picture_is_answered_with_doubt(client: httpx.Client) -> None:
    grey = encode(Image.new("RGB", (64, 48), (128, 128, 128)), "PNG")
    found = _ask(client, "what is the main ingredient?", grey)
    assert found["answers"][0]["probability"] < 0.9


def test_models_and_limits_are_told(service: Service, client: httpx.Client) -> None:
    assert client.get("/v1/models").json()["reasoner"]["name"] == "tastespace-answers"
    for question, words in (("", "question"), (" ", "question"), ("x" * 5000, "500")):
        response = client.post("/v1/answers", files={"file": jpeg()}, data={"question": question})
        assert response.status_code == 422
        assert words in response.text
    assert client.get("/readyz").status_code == 200
