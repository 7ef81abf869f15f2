"""What the service is for, with real weights: a photo finds its recipe, a recipe its photos, tags find photos."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.paths import collection
from tests.pictures import jpeg

pytestmark = [pytest.mark.e2e, pytest.mark.weights]


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["id"] for hit in response.json()["hits"]]


def test_fresh_service_has_the_built_in_catalogue(client: httpx.Client) -> None:
    recipe = client.get("/v1/recipes/spaghetti-carbonara").json()
    assert recipe["title"] == "Spaghetti Carbonara"
    assert "pasta" in recipe["tags"]
    models = client.get("/v1/models").json()
    assert "tastespace-lite" in json.dumps(models)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spaghetti with bacon, egg and cheese", "spaghetti-carbonara"),
        ("salad of cucumber, tomato, olives and feta", "greek-salad"),
    ],
)
def test_text_finds_the_built_in_recipe(client: httpx.Client, text: str, expected: str) -> None:
    assert expected in ids(client.post("/v1/search/recipes", json={"text": text, "k": 5}))


def test_an_uploaded_photo_finds_recipes_at_once(client: httpx.Client) -> None:
    response = client.post("/v1/search/recipes", files={"file": ("plate.jpg", jpeg())}, data={"k": "5"})
    hits = response.json()["hits"]
    assert len(hits) == 5
    assert all(-1 <= hit["score"] <= 1 and hit["recipe"]["title"] for hit in hits)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert {"decode", "encode", "search", "fetch"} <= {
        part.split(";")[0].strip() for part in response.headers["server-timing"].split(",")
    }


@pytest.fixture(scope="module")
def dishes(service: Any) -> list[dict[str, Any]]:
    """Forty real dishes of the validation split, photo and recipe, uploaded over HTTP."""
    folder = collection("epicurious")
    with (folder / "recipes.jsonl").open(encoding="utf-8") as lines:
        chosen = [dish for dish in map(json.loads, lines) if dish["split"] == "val"][:40]
    with service.client() as client:
        for dish in chosen:
            recipe = {key: dish[key] for key in ("title", "ingredients", "instructions", "tags")}
            assert client.put(f"/v1/recipes/val-{dish['id']}", json=recipe).status_code in (200, 201)
            photo = folder / dish["image"]
            metadata = json.dumps([{"id": f"val-{dish['id']}", "tags": dish["tags"]}])
            response = client.post(
                "/v1/images", files={"files": (photo.name, photo.read_bytes())}, data={"metadata": metadata}
            )
            assert response.status_code in (200, 201), response.text
    return chosen


@pytest.mark.data
def test_real_photos_and_recipes_find_each_other(client: httpx.Client, dishes: list[dict[str, Any]]) -> None:
    """Far above chance: of 40 dishes (among 200 recipes) more than half find their own within the first five."""
    folder = collection("epicurious")
    of_dishes = [f"val-{dish['id']}" for dish in dishes]
    found_recipe = found_photo = 0
    for dish in dishes:
        name, photo = f"val-{dish['id']}", folder / dish["image"]
        hits = ids(client.post("/v1/search/recipes", files={"file": (photo.name, photo.read_bytes())}, data={"k": "5"}))
        found_recipe += name in hits
        query = {"recipe": {key: dish[key] for key in ("title", "ingredients", "instructions")}, "k": 5}
        found_photo += name in ids(client.post("/v1/search/images", json={**query, "filter": {"ids": of_dishes}}))
    assert found_recipe >= 20
    assert found_photo >= 20


@pytest.mark.data
def test_ingredients_alone_find_photos(client: httpx.Client, dishes: list[dict[str, Any]]) -> None:
    query = {"recipe": {"ingredients": dishes[0]["ingredients"]}, "k": 3}
    assert len(ids(client.post("/v1/search/images", json=query))) == 3


@pytest.mark.data
def test_tags_find_photos_and_excluded_tags_push_away(client: httpx.Client, dishes: list[dict[str, Any]]) -> None:
    of_dishes = [f"val-{dish['id']}" for dish in dishes]

    def rank_of_desserts(tags: dict[str, list[str]]) -> float:
        order = ids(client.post("/v1/search/images", json={"tags": tags, "k": 40, "filter": {"ids": of_dishes}}))
        sweet = [f"val-{dish['id']}" for dish in dishes if "Dessert" in dish["tags"]]
        ranks = [order.index(name) for name in sweet if name in order]
        assert ranks
        return sum(ranks) / len(ranks)

    assert rank_of_desserts({"include": ["dessert"]}) < rank_of_desserts(
        {"include": ["dinner"], "exclude": ["dessert"]}
    )
