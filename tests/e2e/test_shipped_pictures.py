"""Pictures by the shipped generator, as ``make run`` serves it."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from models.generation.provenance import read_provenance
from models.registry import load_encoder
from tests.e2e.service import Service
from tests.paths import MODEL_CACHE

pytestmark = [pytest.mark.e2e, pytest.mark.weights]

PROMPTS = ("tomato soup", "chocolate cake", "green salad")


def _draw(client: httpx.Client, **wanted: Any) -> list[Image.Image]:
    response = client.post("/v1/images/generations", json=wanted)
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["model"], body["size"]) == ("tastespace-pictures", "128x128")
    return [Image.open(io.BytesIO(base64.b64decode(each["b64_json"]))) for each in body["data"]]


def _pixels(picture: Image.Image) -> Any:
    return np.asarray(picture).astype(int)


def test_a_seed_is_a_picture_that_says_what_it_is(client: httpx.Client) -> None:
    first, second = _draw(client, prompt="tomato soup", seed=5, n=2)
    (again,) = _draw(client, prompt="tomato soup", seed=5)
    assert np.abs(_pixels(first) - _pixels(again)).max() <= 2
    assert np.abs(_pixels(first) - _pixels(second)).mean() > 2
    said = read_provenance(first)
    assert said is not None
    assert (said.model, said.prompt, said.seed) == ("tastespace-pictures", "tomato soup", 5)


def test_it_draws_what_is_asked(client: httpx.Client) -> None:
    """By the joint encoder: pictures of a prompt are nearer to it than those of other prompts are."""
    encoder = load_encoder("tastespace-lite", cache=MODEL_CACHE)
    drawn = [_draw(client, prompt=prompt, seed=0, n=6) for prompt in PROMPTS]
    means = np.stack([encoder.encode_images(each).mean(0) for each in drawn])
    scores = means @ encoder.encode_texts(PROMPTS).T
    assert (scores.argmax(0) == np.arange(len(PROMPTS))).all(), scores


def test_a_built_in_recipe_is_drawn(client: httpx.Client) -> None:
    (picture,) = _draw(client, recipe_id="greek-salad", seed=1)
    said = read_provenance(picture)
    assert said is not None
    assert said.modality == "recipe"


def test_it_is_told_and_takes_nothing_down(service: Service, client: httpx.Client) -> None:
    assert client.get("/v1/models").json()["generator"]["name"] == "tastespace-pictures"
    assert client.get("/readyz").status_code == 200
