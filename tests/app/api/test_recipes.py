from __future__ import annotations

import json
from typing import Any

import pytest

from app.engine.types import Operation
from tests.app.conftest import Service, problem
from tests.app.fakes import picture

pytestmark = pytest.mark.anyio

CARBONARA: dict[str, Any] = {
    "title": "Carbonara",
    "ingredients": ["pasta", "egg", "meat"],
    "instructions": ["Boil.", "Toss."],
    "tags": ["Pasta", "pasta ", "Italian"],
    "extra": {"cuisine": "Italian", "servings": 4, "nested": {"a": 1, "b": 2}},
}


async def test_post_makes_an_id_and_says_where(service: Service) -> None:
    response = await service.client.post("/v1/recipes", json=CARBONARA)
    assert response.status_code == 201
    body = response.json()
    assert response.headers["location"] == f"/v1/recipes/{body['id']}" == body["links"]["self"]
    assert body["tags"] == ["Pasta", "Italian"]
    assert body["revision"] == 1
    again = await service.client.get(response.headers["location"])
    assert again.json() == body
    assert again.headers["etag"] == response.headers["etag"]


async def test_post_with_a_stored_id_replaces(service: Service) -> None:
    first = await service.client.post("/v1/recipes", json=CARBONARA | {"id": "c"})
    second = await service.client.post("/v1/recipes", json=CARBONARA | {"id": "c", "title": "Other"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["revision"] == 2
    strict = await service.client.post("/v1/recipes", json=CARBONARA | {"id": "c"}, headers={"If-None-Match": "*"})
    problem(strict, 412, "precondition-failed")


async def test_put_of_the_same_content_changes_and_encodes_nothing(service: Service) -> None:
    first = await service.put_recipe("c", **CARBONARA)
    encoded = len(service.engine.encoded)
    head = service.runtime.catalogue.head()
    second = await service.put_recipe("c", **CARBONARA)
    assert second.json() == first.json()
    assert len(service.engine.encoded) == encoded
    assert service.runtime.catalogue.head() == head


async def test_new_tags_need_no_new_vector(service: Service) -> None:
    await service.put_recipe("c", **CARBONARA)
    encoded = len(service.engine.encoded)
    changed = await service.put_recipe("c", **CARBONARA | {"tags": ["x"]})
    assert changed.json()["revision"] == 2
    assert len(service.engine.encoded) == encoded
    await service.put_recipe("c", **CARBONARA | {"title": "New"})
    assert service.engine.encoded[encoded][0] is Operation.ENCODE_RECIPE


async def test_patch_merges_and_null_empties(service: Service) -> None:
    await service.put_recipe("c", **CARBONARA)
    response = await service.client.patch(
        "/v1/recipes/c",
        content=json.dumps({"tags": None, "extra": {"servings": None, "nested": {"b": 3}}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert response.status_code == 200
    body = response.json()
    assert body["tags"] == []
    assert body["title"] == "Carbonara"
    assert body["extra"] == {"cuisine": "Italian", "nested": {"a": 1, "b": 3}}


async def test_patch_must_leave_a_recipe(service: Service) -> None:
    await service.put_recipe("c", title="only this")
    body = problem(await service.client.patch("/v1/recipes/c", json={"title": None}), 422, "invalid-request")
    assert "needs a title, an ingredient or an instruction" in body["detail"]
    problem(await service.client.patch("/v1/recipes/none", json={"title": "x"}), 404, "unknown-item")
    problem(await service.client.patch("/v1/recipes/c", json=["title"]), 422, "invalid-request")
    problem(await service.client.patch("/v1/recipes/c", json={"nonsense": 1}), 422, "invalid-request")


async def test_if_match_guards_put_patch_and_delete(service: Service) -> None:
    old = (await service.put_recipe("c", **CARBONARA)).headers["etag"]
    new = (await service.put_recipe("c", title="changed")).headers["etag"]
    assert old != new
    client, stale = service.client, {"If-Match": old}
    problem(await client.put("/v1/recipes/c", json=CARBONARA, headers=stale), 412, "precondition-failed")
    problem(await client.patch("/v1/recipes/c", json={"title": "x"}, headers=stale), 412, "precondition-failed")
    problem(await client.delete("/v1/recipes/c", headers=stale), 412, "precondition-failed")
    fresh = {"If-Match": f'"other", {new}'}
    assert (await client.patch("/v1/recipes/c", json={"title": "x"}, headers=fresh)).status_code == 200
    assert (await client.delete("/v1/recipes/c", headers={"If-Match": "*"})).status_code == 204
    problem(await client.put("/v1/recipes/c", json=CARBONARA, headers={"If-Match": "*"}), 412, "precondition-failed")


async def test_the_etag_of_a_deleted_recipe_does_not_fit_its_successor(service: Service) -> None:
    old = (await service.put_recipe("c", **CARBONARA)).headers["etag"]
    await service.client.delete("/v1/recipes/c")
    await service.put_recipe("c", **CARBONARA)
    response = await service.client.delete("/v1/recipes/c", headers={"If-Match": old})
    problem(response, 412, "precondition-failed")


async def test_get_answers_304_to_a_fresh_copy(service: Service) -> None:
    etag = (await service.put_recipe("c", **CARBONARA)).headers["etag"]
    response = await service.client.get("/v1/recipes/c", headers={"If-None-Match": f"W/{etag}"})
    assert response.status_code == 304
    assert response.headers["etag"] == etag
    assert not response.content


async def test_put_refuses_another_id_in_the_body(service: Service) -> None:
    body = problem(await service.client.put("/v1/recipes/c", json=CARBONARA | {"id": "d"}), 422, "invalid-request")
    assert body["errors"][0]["field"] == "id"


async def test_pages_hold_everything_once(service: Service) -> None:
    for number in range(7):
        await service.put_recipe(f"r{number}", title=f"t{number}", tags=["even" if number % 2 == 0 else "odd"])
    seen, address = [], "/v1/recipes?limit=3"
    while address:
        page = (await service.client.get(address)).json()
        seen += [item["id"] for item in page["items"]]
        address = page["next"]
    assert seen == [f"r{number}" for number in range(7)]
    page = (await service.client.get("/v1/recipes?tag=EVEN&limit=3")).json()
    rest = (await service.client.get(page["next"])).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == ["r0", "r2", "r4", "r6"]
    problem(await service.client.get("/v1/recipes?cursor=nonsense"), 422, "invalid-request")
    problem(await service.client.get("/v1/recipes?limit=0"), 422, "invalid-request")


async def test_many_at_once_have_a_result_each(service: Service) -> None:
    recipes: list[Any] = [
        CARBONARA | {"id": "a"},
        {"id": "b"},
        {"id": "search", "title": "reserved"},
        {"title": "unfit for the model"},
        CARBONARA | {"id": "a"},
        "not even an object",
        {"id": "linked", "title": "x", "image_ids": ["missing"]},
        {"id": "z", "title": "last"},
    ]
    response = await service.client.post("/v1/recipes", json=recipes)
    assert response.status_code == 207
    body = response.json()
    assert [each["status"] for each in body["results"]] == [201, 422, 422, 422, 409, 422, 422, 201]
    assert [each["index"] for each in body["results"]] == list(range(8))
    assert (body["stored"], body["failed"]) == (2, 6)
    assert body["results"][2]["problem"]["type"] == "/problems/invalid-id"
    assert body["results"][3]["problem"]["detail"] == "the recipe is unfit"
    assert "image_ids" in body["results"][6]["problem"]["detail"]
    assert (await service.client.get("/v1/recipes/z")).status_code == 200
    problem(await service.client.get("/v1/recipes/linked"), 404, "unknown-item")
    problem(await service.client.post("/v1/recipes", json=[]), 422, "invalid-request")


JSON_LD: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": "Recipe",
    "name": "Soup",
    "identifier": "soup",
    "recipeIngredient": ["water", "salt"],
    "recipeInstructions": [
        {"@type": "HowToSection", "name": "Base", "itemListElement": [{"@type": "HowToStep", "text": "Boil."}]},
        {"@type": "HowToStep", "text": "Salt."},
    ],
    "keywords": "soup, quick",
    "recipeCuisine": "French",
}


@pytest.mark.parametrize("media_type", ["application/ld+json", "application/json"])
async def test_jsonld_is_read_and_written(service: Service, media_type: str) -> None:
    response = await service.client.post(
        "/v1/recipes", content=json.dumps(JSON_LD), headers={"Content-Type": media_type}
    )
    assert response.status_code == 201
    body = response.json()
    assert (body["id"], body["title"], body["tags"]) == ("soup", "Soup", ["soup", "quick"])
    assert body["instructions"][-1] == "Salt."
    assert body["extra"]["cuisine"] == "French"
    await service.put_image("i", picture("tomato"), recipe_ids=["soup"])
    back = await service.client.get("/v1/recipes/soup", headers={"Accept": "application/ld+json"})
    assert back.headers["content-type"] == "application/ld+json"
    plain = await service.client.get("/v1/recipes/soup")
    assert plain.headers["etag"] != back.headers["etag"]
    assert back.headers["vary"] == "Accept"
    document = back.json()
    assert document["@type"] == "Recipe"
    assert document["image"] == ["http://test/v1/images/i/file"]
    assert document["recipeCuisine"] == "French"
    again = await service.client.put(
        "/v1/recipes/soup",
        content=back.content,
        headers={"Content-Type": "application/ld+json", "If-Match": back.headers["etag"]},
    )
    assert again.json()["title"] == "Soup"


async def test_a_graph_gives_several(service: Service) -> None:
    found = [JSON_LD, {"@type": "Person", "name": "x"}, {"@type": "Recipe"}, JSON_LD | {"identifier": "https://x/y"}]
    for document in ({"@graph": found}, found):
        response = await service.client.post("/v1/recipes", json=document)
        assert response.status_code == 207
        results = response.json()["results"]
        assert results[0]["id"] == "soup"
        assert [each["outcome"] == "failed" for each in results] == [False, True, False]
    problem(await service.client.post("/v1/recipes", json={"@type": "Recipe"}), 422, "invalid-request")
    nothing = await service.client.post("/v1/recipes", json={"@type": "Person"})
    problem(nothing, 422, "invalid-request")


async def test_links_are_made_and_taken(service: Service) -> None:
    await service.put_recipe("c", **CARBONARA)
    for name in ("i1", "i2"):
        await service.put_image(name, picture("pasta"))
    client = service.client
    for _ in range(2):
        assert (await client.put("/v1/recipes/c/images/i2")).status_code == 204
    assert (await client.put("/v1/recipes/c/images/i1")).status_code == 204
    body = (await client.get("/v1/recipes/c")).json()
    assert body["image_ids"] == ["i2", "i1"]
    assert body["links"]["thumbnails"][0] == "/v1/images/i2/thumbnail"
    assert (await client.get("/v1/images/i1")).json()["recipe_ids"] == ["c"]
    assert [r["id"] for r in (await client.get("/v1/recipes?has_image=true")).json()["items"]] == ["c"]
    assert (await client.delete("/v1/recipes/c/images/i2")).status_code == 204
    assert (await client.delete("/v1/recipes/c/images/i2")).status_code == 204
    assert (await client.get("/v1/recipes/c")).json()["image_ids"] == ["i1"]
    problem(await client.put("/v1/recipes/c/images/none"), 404, "unknown-item")
    problem(await client.put("/v1/recipes/none/images/i1"), 404, "unknown-item")
    await client.delete("/v1/recipes/c")
    assert (await client.get("/v1/images/i1")).json()["recipe_ids"] == []


async def test_put_keeps_links_unless_it_names_them(service: Service) -> None:
    await service.put_image("i", picture("pasta"))
    await service.put_recipe("c", **CARBONARA, image_ids=["i"])
    assert (await service.put_recipe("c", title="new")).json()["image_ids"] == ["i"]
    assert (await service.put_recipe("c", title="new", image_ids=[])).json()["image_ids"] == []
    await service.client.put("/v1/recipes/c/images/i")
    assert (await service.client.patch("/v1/recipes/c", json={"title": "y"})).json()["image_ids"] == ["i"]
    assert (await service.client.patch("/v1/recipes/c", json={"image_ids": None})).json()["image_ids"] == []
    response = await service.client.put("/v1/recipes/c", json={"title": "x", "image_ids": ["none"]})
    assert problem(response, 422, "invalid-request")["errors"][0]["field"] == "image_ids"
