from __future__ import annotations

import json
from typing import Any

import pytest

from tests.app.conftest import Service, problem
from tests.app.fakes import picture, text_vector, word_vector

pytestmark = pytest.mark.anyio


async def _fill(service: Service) -> None:
    await service.put_recipe("tomato-pasta", title="tomato pasta", tags=["Vegan", "quick"])
    await service.put_recipe("meat-rice", title="meat rice", tags=["rice"])
    await service.put_recipe("berry", title="berry", tags=["vegan", "dessert"])
    await service.put_image("p-tomato-pasta", picture("tomato", "pasta"), tags=["red"], recipe_ids=["tomato-pasta"])
    await service.put_image("p-tomato-rice", picture("tomato", "rice"), tags=["red", "white"])
    await service.put_image("p-meat", picture("meat"), generated=True)


def _ids(body: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in body["hits"]]


async def _find(service: Service, kind: str, **query: Any) -> dict[str, Any]:
    response = await service.client.post(f"/v1/search/{kind}", json=query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_an_uploaded_photo_finds_recipes(service: Service) -> None:
    await _fill(service)
    response = await service.client.post(
        "/v1/search/recipes",
        files={"file": ("dinner.jpg", picture("tomato", "pasta"))},
        data={"k": "2", "filter": json.dumps({"tags_none": ["dessert"]})},
    )
    assert response.status_code == 200
    body = response.json()
    assert _ids(body) == ["tomato-pasta", "meat-rice"]
    assert body["hits"][0]["score"] == pytest.approx(1.0, abs=2e-3)
    assert body["hits"][0]["recipe"]["links"]["images"] == ["/v1/images/p-tomato-pasta/file"]
    timing = response.headers["server-timing"]
    assert [part.split(";")[0] for part in timing.split(", ")] == ["decode", "encode", "search", "fetch"]
    assert set(body["took_ms"]) == {"decode", "encode", "search", "fetch"}


async def test_recipes_by_stored_photo_text_recipe_and_stored_recipe(service: Service) -> None:
    await _fill(service)
    assert _ids(await _find(service, "recipes", image_id="p-tomato-pasta"))[0] == "tomato-pasta"
    assert _ids(await _find(service, "recipes", text="berry", k=1)) == ["berry"]
    by_part = await _find(service, "recipes", recipe={"ingredients": ["rice", "meat"]})
    assert _ids(by_part)[0] == "meat-rice"
    by_stored = await _find(service, "recipes", recipe_id="berry")
    assert "berry" not in _ids(by_stored)
    assert len(by_stored["hits"]) == 2


async def test_photos_by_recipe_text_photo_and_tags(service: Service) -> None:
    await _fill(service)
    assert _ids(await _find(service, "images", recipe={"title": "tomato rice"}))[0] == "p-tomato-rice"
    assert _ids(await _find(service, "images", recipe_id="tomato-pasta"))[0] == "p-tomato-pasta"
    assert _ids(await _find(service, "images", text="meat", k=1)) == ["p-meat"]
    similar = await _find(service, "images", image_id="p-tomato-pasta")
    assert _ids(similar)[0] == "p-tomato-rice"
    assert "p-tomato-pasta" not in _ids(similar)
    response = await service.client.post("/v1/search/images", files={"file": picture("meat")})
    assert _ids(response.json())[0] == "p-meat"


async def test_tags_pull_and_push(service: Service) -> None:
    await _fill(service)
    body = await _find(service, "images", tags={"include": ["tomato"], "exclude": ["rice"]})
    assert _ids(body)[0] == "p-tomato-pasta"
    body = await _find(service, "images", tags={"include": ["tomato", {"tag": "rice", "weight": 0.5}]})
    first = body["hits"][0]
    assert first["id"] == "p-tomato-rice"
    assert [(term["term"], term["weight"]) for term in first["terms"]] == [("tomato", 1.0), ("rice", 0.5)]
    for hit in body["hits"]:
        assert sum(term["contribution"] for term in hit["terms"]) == pytest.approx(hit["score"], abs=1e-3)


async def test_scores_are_the_cosines(service: Service) -> None:
    await _fill(service)
    body = await _find(service, "recipes", text="tomato")
    wanted = {
        "tomato-pasta": text_vector("tomato pasta") @ word_vector("tomato"),
        "meat-rice": text_vector("meat rice") @ word_vector("tomato"),
        "berry": word_vector("berry") @ word_vector("tomato"),
    }
    assert {hit["id"]: hit["score"] for hit in body["hits"]} == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize(
    ("kind", "filters", "expected"),
    [
        ("recipes", {"tags_all": ["VEGAN", "quick"]}, {"tomato-pasta"}),
        ("recipes", {"tags_any": ["rice", "dessert"]}, {"meat-rice", "berry"}),
        ("recipes", {"tags_none": ["vegan"]}, {"meat-rice"}),
        ("recipes", {"ids": ["berry", "unknown"]}, {"berry"}),
        ("recipes", {"exclude_ids": ["berry"]}, {"tomato-pasta", "meat-rice"}),
        ("recipes", {"has_image": True}, {"tomato-pasta"}),
        ("recipes", {"ids": []}, set()),
        ("images", {"has_recipe": False}, {"p-tomato-rice", "p-meat"}),
        ("images", {"generated": True}, {"p-meat"}),
        ("images", {"tags_all": ["red"], "tags_none": ["white"]}, {"p-tomato-pasta"}),
    ],
)
async def test_filters_are_exact(service: Service, kind: str, filters: dict[str, Any], expected: set[str]) -> None:
    await _fill(service)
    assert set(_ids(await _find(service, kind, text="anything", filter=filters, k=1000))) == expected


async def test_windows_follow_each_other(service: Service) -> None:
    await _fill(service)
    whole = _ids(await _find(service, "recipes", text="tomato", k=3))
    parts = [_ids(await _find(service, "recipes", text="tomato", k=1, offset=n)) for n in range(4)]
    assert parts == [[whole[0]], [whole[1]], [whole[2]], []]


async def test_an_empty_catalogue_has_no_hits(service: Service) -> None:
    assert (await _find(service, "images", text="tomato"))["hits"] == []
    assert (await _find(service, "images", tags={"include": ["tomato"]}))["hits"] == []


async def test_a_search_sees_what_was_just_written(service: Service) -> None:
    await _fill(service)
    await service.put_recipe("berry", title="salad")
    assert _ids(await _find(service, "recipes", text="salad", k=1)) == ["berry"]
    await service.client.delete("/v1/recipes/berry")
    assert "berry" not in _ids(await _find(service, "recipes", text="salad"))


async def test_conditions_of_the_other_kind_are_refused(service: Service) -> None:
    response = await service.client.post("/v1/search/recipes", json={"text": "x", "filter": {"has_recipe": True}})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "filter"


@pytest.mark.parametrize(("kind", "names"), [("recipes", "image_id, text"), ("images", "recipe, recipe_id, text")])
async def test_exactly_one_source(service: Service, kind: str, names: str) -> None:
    for query in ({}, {"text": "x", "image_id": "y"}):
        response = await service.client.post(f"/v1/search/{kind}", json=query)
        assert names in problem(response, 422, "invalid-request")["detail"]


async def test_cancelling_tags_have_no_answer(service: Service) -> None:
    await _fill(service)
    query = {"tags": {"include": ["tomato"], "exclude": [{"tag": "tomato", "weight": 1.0}]}}
    body = problem(await service.client.post("/v1/search/images", json=query), 422, "cancelled-out")
    assert "tomato" in body["detail"]


async def test_unknown_references(service: Service) -> None:
    client = service.client
    problem(await client.post("/v1/search/recipes", json={"image_id": "none"}), 404, "unknown-item")
    problem(await client.post("/v1/search/images", json={"recipe_id": "none"}), 404, "unknown-item")


async def test_a_busy_or_broken_model_is_said_so(service: Service) -> None:
    service.engine.saturated = True
    response = await service.client.post("/v1/search/recipes", json={"text": "x"})
    problem(response, 503, "at-capacity")
    assert response.headers["retry-after"] == "3"
    service.engine.saturated, service.engine.unavailable = False, True
    response = await service.client.post("/v1/search/recipes", json={"text": "x"})
    problem(response, 503, "unavailable")
    assert "retry-after" in response.headers
    service.engine.unavailable = False
    response = await service.client.post("/v1/search/recipes", json={"text": "unfit"})
    problem(response, 422, "encoding-failed")


async def test_photo_forms_are_checked(service: Service) -> None:
    client, file = service.client, {"file": picture("rice")}
    for name, value in (("k", "0"), ("k", "many"), ("offset", "-1"), ("filter", "{"), ("filter", '{"tags": []}')):
        response = await client.post("/v1/search/recipes", files=file, data={name: value})
        assert problem(response, 422, "invalid-request")["errors"][0]["field"].startswith(name)
    problem(await client.post("/v1/search/recipes", files={"file": b"no picture"}), 422, "invalid-picture")
    problem(await client.post("/v1/search/recipes", files={"photo": picture("rice")}), 422, "invalid-request")
    problem(await client.post("/v1/search/recipes", content=b"x"), 415, "unsupported-media-type")


async def test_a_wrong_weight_is_named(service: Service) -> None:
    query = {"tags": {"include": ["a", {"tag": "b", "weight": 0}]}}
    body = problem(await service.client.post("/v1/search/images", json=query), 422, "invalid-request")
    assert [error["field"] for error in body["errors"]] == ["tags.include.1.weight"]
