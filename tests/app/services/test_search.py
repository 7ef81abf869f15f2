from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.services.query import Item, Query, TagSum, Text
from app.services.timings import Timings
from app.settings import Settings
from index.types import Delete, Hit, Kind, UnknownItemError
from tests.app.conftest import Service, serving

pytestmark = pytest.mark.anyio


async def test_what_vanishes_during_a_search_makes_room(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        await service.put_recipe(name, title=f"soup {name}")
    runtime = service.runtime
    search = runtime.replica.search
    deleted: list[str] = []

    def search_then_delete(_: object, *args: Any) -> list[Hit]:
        hits = search(*args)
        if not deleted:
            item = runtime.catalogue.get_many(Kind.RECIPE, [hits[0].pk])[0]
            runtime.catalogue.write([Delete(kind=Kind.RECIPE, id=item.id)], generation=runtime.generation.number)
            deleted.append(item.id)
        return hits

    monkeypatch.setattr(type(runtime.replica), "search", search_then_delete)
    answer = await runtime.search.find(Query(kind=Kind.RECIPE, source=Text("soup"), k=2))
    assert len(answer.hits) == 2
    assert deleted[0] not in {hit.item.id for hit in answer.hits}


async def test_a_slow_model_is_a_timeout(settings: Settings) -> None:
    async with serving(settings.model_copy(update={"request_timeout_s": 0.1})) as service:
        service.engine.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await service.runtime.search.find(Query(kind=Kind.RECIPE, source=Text("soup")))
        response = await service.client.post("/v1/search/recipes", json={"text": "x"})
        assert response.status_code == 504
        assert response.json()["type"] == "/problems/deadline"


async def test_unknown_reference(service: Service) -> None:
    with pytest.raises(UnknownItemError):
        await service.runtime.search.find(Query(kind=Kind.RECIPE, source=Item(Kind.IMAGE, "none")))


async def test_shares_add_up_to_the_score(service: Service) -> None:
    for number in range(5):
        await service.put_recipe(f"r{number}", title=f"tomato rice {number}")
    tags = (("tomato", 1.0), ("rice", -0.5), ("pasta", 2.0))
    answer = await service.runtime.search.find(Query(kind=Kind.RECIPE, source=TagSum(tags)))
    for hit in answer.hits:
        assert hit.terms is not None
        assert sum(share.contribution for share in hit.terms) == pytest.approx(hit.score, abs=1e-3)


def test_timings_add_up_and_are_written_as_a_header() -> None:
    timings = Timings()
    with timings.stage("encode"):
        pass
    with timings.stage("search"):
        pass
    with timings.stage("encode"):
        pass
    assert list(timings.seconds) == ["encode", "search"]
    timings.seconds = {"encode": 0.01234, "search": 0.0005}
    assert timings.header() == "encode;dur=12.34, search;dur=0.50"
    assert timings.milliseconds() == {"encode": 12.34, "search": 0.5}
