"""Filters by ingredient over HTTP, with the word vectors that come with the package."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.conftest import Service, problem
from tests.app.fakes import picture

pytestmark = pytest.mark.anyio

SCALLION = {"ingredients_all": ["scallion"]}
WIDE = {**SCALLION, "expand_ingredients": True}


async def _fill(service: Service) -> None:
    await service.put_recipe("noodles", title="pasta", ingredients=["2 bunches Green Onions, sliced", "pasta"])
    await service.put_recipe("salad", title="salad", ingredients=["4 scallions", "1 tbsp rice vinegar"])
    await service.put_recipe("rice", title="rice", ingredients=["1 cup rice"])
    await service.put_image("p-noodles", picture("pasta"), recipe_ids=["noodles"])
    await service.put_image("p-salad", picture("salad"), recipe_ids=["salad", "rice"])
    await service.put_image("p-bare", picture("rice"))


async def _search(service: Service, kind: str, wanted: dict[str, Any]) -> tuple[set[str], Any]:
    response = await service.client.post(f"/v1/search/{kind}", json={"text": "rice", "filter": wanted})
    assert response.status_code == 200, response.text
    body = response.json()
    return {hit["id"] for hit in body["hits"]}, body["expanded_ingredients"]


@pytest.mark.parametrize(
    ("wanted", "recipes", "photos"),
    [
        (SCALLION, {"salad"}, {"p-salad"}),
        (WIDE, {"salad", "noodles"}, {"p-salad", "p-noodles"}),
        ({"ingredients_all": ["rice"]}, {"salad", "rice"}, {"p-salad"}),
        ({"ingredients_all": ["rice", "scallion"]}, {"salad"}, {"p-salad"}),
        ({"ingredients_all": ["rice"], "ingredients_none": ["Rice Vinegar"]}, {"rice"}, set()),
        ({"ingredients_any": ["pasta", "rice"]}, {"noodles", "salad", "rice"}, {"p-noodles", "p-salad"}),
        ({"ingredients_none": ["scallion"]}, {"noodles", "rice"}, {"p-noodles", "p-bare"}),
        ({"ingredients_none": ["scallion"], "expand_ingredients": True}, {"rice"}, {"p-bare"}),
        ({"ingredients_all": ["unheard of"], "expand_ingredients": True}, set(), set()),
    ],
)
async def test_searches_keep_what_has_the_ingredients(
    service: Service, wanted: dict[str, Any], recipes: set[str], photos: set[str]
) -> None:
    await _fill(service)
    assert (await _search(service, "recipes", wanted))[0] == recipes
    assert (await _search(service, "images", wanted))[0] == photos


async def test_the_answer_says_what_a_name_stood_for(service: Service) -> None:
    await _fill(service)
    assert (await _search(service, "recipes", SCALLION))[1] is None
    expanded = (await _search(service, "recipes", {**WIDE, "ingredients_none": ["unheard of"]}))[1]
    assert expanded["scallion"][0] == "scallion"
    assert "green onion" in expanded["scallion"]
    assert expanded["unheard of"] == ["unheard of"]
    assert (await _search(service, "recipes", {"expand_ingredients": True}))[1] == {}


async def test_an_uploaded_photo_and_a_filter(service: Service) -> None:
    await _fill(service)
    response = await service.client.post(
        "/v1/search/recipes", files={"file": picture("rice")}, data={"filter": json.dumps(WIDE)}
    )
    assert {hit["id"] for hit in response.json()["hits"]} == {"salad", "noodles"}
    assert "green onion" in response.json()["expanded_ingredients"]["scallion"]


async def test_listings_take_ingredients(service: Service) -> None:
    await _fill(service)

    async def listed(address: str) -> tuple[list[str], Any]:
        body = (await service.client.get(address)).json()
        return [item["id"] for item in body["items"]], body["expanded_ingredients"]

    assert await listed("/v1/recipes?ingredient=scallions") == (["salad"], None)
    assert await listed("/v1/recipes?ingredient=rice&ingredient=SCALLION") == (["salad"], None)
    assert await listed("/v1/images?ingredient=rice") == (["p-salad"], None)
    found, expanded = await listed("/v1/images?ingredient=scallion&expand_ingredients=true")
    assert found == ["p-noodles", "p-salad"]
    assert "green onion" in expanded["scallion"]
    first = (await service.client.get("/v1/recipes?ingredient=scallion&expand_ingredients=true&limit=1")).json()
    assert [item["id"] for item in first["items"]] == ["noodles"]
    assert (await listed(first["next"]))[0] == ["salad"]


@pytest.mark.parametrize("name", ["", " ", "-", "x" * 101, "a " * 13])
async def test_a_name_that_can_not_be_looked_up_is_refused(service: Service, name: str) -> None:
    response = await service.client.post(
        "/v1/search/recipes", json={"text": "rice", "filter": {"ingredients_any": ["rice", name]}}
    )
    body = problem(response, 422, "invalid-request")
    assert body["errors"][0]["field"] == "filter.ingredients_any.1"
    listed = await service.client.get("/v1/recipes", params={"ingredient": name})
    assert problem(listed, 422, "invalid-request")["errors"][0]["field"].startswith("ingredient")


async def test_too_many_names_are_refused(service: Service) -> None:
    names = [f"made up {number}" for number in range(51)]
    for name in ("ingredients_all", "ingredients_any", "ingredients_none"):
        response = await service.client.post("/v1/search/images", json={"text": "x", "filter": {name: names}})
        problem(response, 422, "invalid-request")
        response = await service.client.post("/v1/search/images", json={"text": "x", "filter": {name: names[1:]}})
        assert response.status_code == 200
    problem(await service.client.get("/v1/recipes", params={"ingredient": names}), 422, "invalid-request")
