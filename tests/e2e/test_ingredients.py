"""Filters by ingredient with real weights, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.pictures import jpeg

pytestmark = [pytest.mark.e2e, pytest.mark.weights]


@pytest.fixture
def noodles(client: httpx.Client) -> str:
    recipe = {
        "title": "Sesame noodles",
        "ingredients": ["8 ounces soba", "2 bunches Green Onions, sliced", "1 tablespoon sesame oil"],
        "tags": ["only-in-this-test"],
    }
    assert client.put("/v1/recipes/sesame-noodles", json=recipe).status_code in (200, 201)
    metadata = json.dumps({"recipe_ids": ["sesame-noodles"], "tags": ["only-in-this-test"]})
    stored = client.put("/v1/images/p-sesame-noodles", files={"file": jpeg()}, data={"metadata": metadata})
    assert stored.status_code in (200, 201), stored.text
    return "sesame-noodles"


def found(client: httpx.Client, kind: str, **conditions: Any) -> tuple[list[str], Any]:
    wanted = {"tags_all": ["only-in-this-test"], **conditions}
    response = client.post(f"/v1/search/{kind}", json={"text": "noodles with sesame", "filter": wanted})
    assert response.status_code == 200, response.text
    body = response.json()
    return [hit["id"] for hit in body["hits"]], body["expanded_ingredients"]


def test_scallion_finds_green_onion_when_it_is_widened(client: httpx.Client, noodles: str) -> None:
    for kind, item in (("recipes", noodles), ("images", f"p-{noodles}")):
        assert found(client, kind, ingredients_all=["green onion"]) == ([item], None)
        assert found(client, kind, ingredients_all=["scallion"]) == ([], None)
        hits, expanded = found(client, kind, ingredients_all=["scallion"], expand_ingredients=True)
        assert hits == [item]
        assert "green onion" in expanded["scallion"]
        assert found(client, kind, ingredients_none=["scallion"]) == ([item], None)
        assert found(client, kind, ingredients_none=["scallions"], expand_ingredients=True)[0] == []


def test_listings_are_widened_too(client: httpx.Client, noodles: str) -> None:
    query = {"tag": "only-in-this-test", "ingredient": ["scallion", "soba"]}
    for kind, item in (("recipes", noodles), ("images", f"p-{noodles}")):
        assert client.get(f"/v1/{kind}", params=query).json()["items"] == []
        widened = client.get(f"/v1/{kind}", params={**query, "expand_ingredients": True}).json()
        assert [one["id"] for one in widened["items"]] == [item]
        assert "green onion" in widened["expanded_ingredients"]["scallion"]
