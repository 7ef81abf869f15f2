"""Writing while searching: no error, no answer that was never true, and index and catalogue equal at the end."""

from __future__ import annotations

import asyncio
import random

import pytest

from index.types import Kind
from tests.app.conftest import Service
from tests.app.fakes import COLOURS, picture

pytestmark = pytest.mark.anyio

FOODS = sorted(COLOURS)


async def test_upsert_and_delete_while_searching(service: Service) -> None:
    client, random_ = service.client, random.Random(1)
    for number in range(20):
        await service.put_recipe(f"r{number}", title=FOODS[number % len(FOODS)])
    await service.put_recipe("rock", title="tomato pasta")
    done = asyncio.Event()

    async def write(worker: int) -> None:
        for step in range(25):
            item_id = f"r{random_.randrange(20)}"
            if step % 3 == 0:
                response = await client.delete(f"/v1/recipes/{item_id}")
                assert response.status_code in (204, 404), response.text
            elif step % 3 == 1:
                title = f"{random_.choice(FOODS)} {worker} {step}"
                response = await client.put(f"/v1/recipes/{item_id}", json={"title": title})
                assert response.status_code in (200, 201, 409), response.text
            else:
                response = await client.patch(f"/v1/recipes/{item_id}", json={"tags": [f"t{step}"]})
                assert response.status_code in (200, 404, 409), response.text

    async def search() -> int:
        count = 0
        while not done.is_set():
            query = {"text": "tomato pasta", "k": 5}
            response = await client.post("/v1/search/recipes", json=query)
            assert response.status_code == 200, response.text
            hits = response.json()["hits"]
            assert hits[0]["id"] == "rock"
            assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
            assert len({hit["id"] for hit in hits}) == len(hits)
            count += 1
        return count

    async def write_all() -> None:
        try:
            await asyncio.gather(*(write(worker) for worker in range(4)))
        finally:
            done.set()

    _, *counts = await asyncio.gather(write_all(), search(), search())
    assert min(counts) > 0
    runtime = service.runtime
    runtime.replica.sync()
    stored = {int(pk) for pks, _ in runtime.catalogue.vectors(Kind.RECIPE, runtime.generation.number) for pk in pks}
    assert set(runtime.replica.index(Kind.RECIPE).pks().tolist()) == stored
    assert len(stored) == runtime.catalogue.count(Kind.RECIPE)


async def test_racing_upserts_of_one_id_leave_one_whole_item(service: Service) -> None:
    bodies = [{"title": f"title {n}", "ingredients": [f"ingredient {n}"]} for n in range(12)]
    responses = await asyncio.gather(*(service.client.put("/v1/recipes/one", json=body) for body in bodies))
    assert sorted(response.status_code for response in responses) == [200] * 11 + [201]
    final = (await service.client.get("/v1/recipes/one")).json()
    assert final["revision"] == 12
    assert {"title": final["title"], "ingredients": final["ingredients"]} in bodies
    hits = (await service.client.post("/v1/search/recipes", json={"recipe": {"title": final["title"]}})).json()["hits"]
    assert [hit["id"] for hit in hits] == ["one"]


async def test_only_one_creates_where_all_ask_for_a_new_one(service: Service) -> None:
    responses = await asyncio.gather(
        *(
            service.client.put("/v1/recipes/one", json={"title": f"t{n}"}, headers={"If-None-Match": "*"})
            for n in range(8)
        )
    )
    assert sorted(response.status_code for response in responses) == [201] + [412] * 7


async def test_racing_patches_lose_nothing(service: Service) -> None:
    await service.put_recipe("one", title="x")
    responses = await asyncio.gather(
        *(service.client.patch("/v1/recipes/one", json={"extra": {f"k{n}": n}}) for n in range(4))
    )
    assert {response.status_code for response in responses} == {200}
    assert (await service.client.get("/v1/recipes/one")).json()["extra"] == {f"k{n}": n for n in range(4)}


async def test_racing_uploads_of_one_picture_share_the_blob(service: Service) -> None:
    data = picture("tomato")
    await asyncio.gather(*(service.put_image(f"i{n}", data) for n in range(8)))
    assert len(list(service.runtime.blobs)) == 1
    hits = (await service.client.post("/v1/search/images", files={"file": data})).json()["hits"]
    assert {hit["id"] for hit in hits} == {f"i{n}" for n in range(8)}
