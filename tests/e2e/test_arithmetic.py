"""Tag arithmetic with real weights: photos and words added and subtracted over HTTP, by every strategy."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from index.algebra import Strategy
from tests.pictures import jpeg

pytestmark = [pytest.mark.e2e, pytest.mark.weights]

COLOURS = ("red", "green", "brown", "yellow")
DESSERT = "chocolate cake"


@pytest.fixture(scope="module")
def plates(service: Any) -> dict[str, bytes]:
    """A stored photo of each colour, drawn, by id."""
    found = {f"arithmetic-{colour}": jpeg(colour, seed=7) for colour in COLOURS}
    with service.client() as client:
        for name, data in found.items():
            response = client.put(f"/v1/images/{name}", files={"file": ("plate.jpg", data)})
            assert response.status_code in (200, 201), response.text
    return found


def hits_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    hits: list[dict[str, Any]] = response.json()["hits"]
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    return hits


@pytest.mark.parametrize("strategy", Strategy)
def test_words_move_a_photo_by_each_strategy(
    client: httpx.Client, plates: dict[str, bytes], strategy: Strategy
) -> None:
    """Far from the photo alone, recipes of what is added come before those of what is subtracted."""
    photo = plates["arithmetic-red"]

    def ranks(expression: str, **fields: str) -> tuple[int, int]:
        response = client.post(
            "/v1/search/recipes",
            files={"file": ("plate.jpg", photo)},
            data={"expression": expression, "strategy": strategy, "k": "1000", **fields},
        )
        hits = hits_of(response)
        for hit in hits:
            assert sum(term["contribution"] for term in hit["terms"]) == pytest.approx(hit["score"], abs=2e-3)
        places = {hit["id"]: place for place, hit in enumerate(hits)}
        wanted = min(place for name, place in places.items() if "chocolate" in name)
        return wanted, places["greek-salad"]

    added, subtracted = ranks(f'photo + 2:"{DESSERT}" - "greek salad"', balance="0.8")
    assert added < 10
    assert added < subtracted
    swapped = ranks(f'photo + 2:"greek salad" - "{DESSERT}"', balance="0.8")
    assert swapped[1] < 10
    assert swapped[1] < swapped[0]


@pytest.mark.parametrize("strategy", Strategy)
def test_what_was_asked_with_is_left_out(client: httpx.Client, plates: dict[str, bytes], strategy: Strategy) -> None:
    window = {"k": 10, "filter": {"ids": sorted(plates)}}
    said = {"expression": "@arithmetic-green + tomato - 0.5:@image/arithmetic-brown", "strategy": strategy}
    found = hits_of(client.post("/v1/search/images", json={**said, **window}))
    assert {hit["id"] for hit in found} == {"arithmetic-red", "arithmetic-yellow"}
    response = client.post(
        "/v1/search/images",
        files=[("file", ("a.jpg", plates["arithmetic-red"])), ("file", ("b.jpg", jpeg("blue")))],
        data={
            "query": json.dumps({"terms": [{"photo": 1}, {"photo": 2, "weight": -0.2}], "strategy": strategy}),
            "filter": json.dumps(window["filter"]),
        },
    )
    assert {hit["id"] for hit in hits_of(response)} == set(plates) - {"arithmetic-red"}


def test_an_expression_of_stored_recipes_finds_their_like(client: httpx.Client) -> None:
    found = hits_of(client.post("/v1/search/recipes", json={"expression": "@spaghetti-carbonara + pasta", "k": 10}))
    assert "spaghetti-carbonara" not in {hit["id"] for hit in found}
    assert any("pasta" in hit["recipe"]["tags"] for hit in found[:5])


def test_only_best_score_takes_a_query_that_only_subtracts(client: httpx.Client) -> None:
    body = {"expression": '- "greek salad"', "strategy": "best_score", "k": 1000}
    assert hits_of(client.post("/v1/search/recipes", json=body))[-1]["id"] == "greek-salad"
    refused = client.post("/v1/search/recipes", json={**body, "strategy": "weighted_sum"})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/negative-only")


def test_an_error_points_at_its_column(client: httpx.Client) -> None:
    refused = client.post("/v1/search/images", json={"expression": "tomato + - salad"})
    assert (refused.status_code, refused.json()["column"]) == (422, 10)
