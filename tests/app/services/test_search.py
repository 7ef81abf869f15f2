from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pytest

from app.engine.types import Operation, Outcome, Payload, SaturatedError
from app.services.operands import Operands
from app.services.query import Combination, Item, Operand, Photo, Query, QueryTerm, TagSum, Text, WholeRecipe
from app.services.timings import Timings
from app.settings import Settings
from index.algebra import Strategy
from index.types import Delete, Hit, Kind, Recipe, UnknownItemError
from tests.app.conftest import Service, serving
from tests.app.fakes import picture, text_vector, word_vector

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


async def test_what_nobody_waits_for_is_dropped(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = service.engine.submit

    async def no_recipes(operation: Operation, items: Sequence[Payload], **how: Any) -> list[Outcome[Any]]:
        if operation is Operation.ENCODE_RECIPE:
            await asyncio.sleep(0)
            raise SaturatedError(1.0)
        return await submit(operation, items, **how)

    service.engine.gate = asyncio.Event()
    monkeypatch.setattr(service.engine, "submit", no_recipes)
    terms = (QueryTerm(operand=Text("soup")), QueryTerm(operand=WholeRecipe(Recipe(title="stew"))))
    with pytest.raises(SaturatedError):
        await service.runtime.search.find(Query(kind=Kind.RECIPE, source=Combination(terms=terms)))
    await asyncio.sleep(0)
    assert (service.engine.waiting, service.engine.cancelled) == (0, 1)


async def test_what_vanishes_while_all_are_scored_makes_room(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        await service.put_recipe(name, title=f"soup {name}")
    runtime = service.runtime
    search = runtime.replica.search_scored
    deleted: list[str] = []

    def search_then_delete(_: object, *args: Any) -> list[Hit]:
        hits = search(*args)
        if not deleted:
            item = runtime.catalogue.get_many(Kind.RECIPE, [hits[0].pk])[0]
            runtime.catalogue.write([Delete(kind=Kind.RECIPE, id=item.id)], generation=runtime.generation.number)
            deleted.append(item.id)
        return hits

    monkeypatch.setattr(type(runtime.replica), "search_scored", search_then_delete)
    terms = (QueryTerm(operand=Text("soup"), weight=-1.0, label="soup"),)
    source = Combination(terms=terms, strategy=Strategy.BEST_SCORE)
    answer = await runtime.search.find(Query(kind=Kind.RECIPE, source=source, k=2))
    assert len(answer.hits) == 2
    assert deleted[0] not in {hit.item.id for hit in answer.hits}
    assert all(hit.terms is not None for hit in answer.hits)


async def test_the_best_score_is_that_of_scoring_each_item_by_hand(service: Service) -> None:
    titles = ["tomato rice", "tomato", "rice pasta", "meat", "pasta meat tomato"]
    for number, title in enumerate(titles):
        await service.put_recipe(f"r{number}", title=title)
    weights = {"tomato": 1.0, "pasta": 0.5, "meat": -0.75}
    terms = tuple(QueryTerm(operand=Text(word), weight=weight, label=word) for word, weight in weights.items())
    source = Combination(terms=terms, strategy=Strategy.BEST_SCORE)
    answer = await service.runtime.search.find(Query(kind=Kind.RECIPE, source=source))
    expected = {}
    for number, title in enumerate(titles):
        cosines = {
            word: abs(weight) * float(text_vector(title) @ word_vector(word)) for word, weight in weights.items()
        }
        best, worst = max(cosines["tomato"], cosines["pasta"]), cosines["meat"]
        expected[f"r{number}"] = (1 + best) / 2 if best > worst else -(1 + worst) / 2
    assert {hit.item.id: hit.score for hit in answer.hits} == pytest.approx(expected, abs=2e-3)
    assert [hit.item.id for hit in answer.hits] == sorted(expected, key=lambda name: -expected[name])


async def test_operands_are_encoded_in_one_call_an_operation(service: Service) -> None:
    await service.put_recipe("stored", title="tomato")
    service.engine.encoded.clear()
    operands: list[Operand] = [
        Text("rice"),
        Photo(picture("meat")),
        Item(Kind.RECIPE, "stored"),
        WholeRecipe(Recipe(title="pasta")),
        Text("berry"),
        Photo(picture("salad")),
    ]
    terms = tuple(QueryTerm(operand=operand, label=f"t{n}") for n, operand in enumerate(operands))
    resolved = await Operands(service.runtime.resources).resolve(terms, Timings())
    words = ["rice", "meat", "tomato", "pasta", "berry", "salad"]
    for term, word in zip(resolved.terms, words, strict=True):
        assert term.vector @ word_vector(word) == pytest.approx(1, abs=2e-3), word
    assert [term.modality.value for term in resolved.terms] == ["text", "image", "text", "text", "text", "image"]
    assert resolved.references == ((Kind.RECIPE, "stored"),)
    operations = [operation for operation, _ in service.engine.encoded]
    assert [key for key, _ in groupby(operations)] == [
        Operation.ENCODE_PIXELS,
        Operation.ENCODE_TEXT,
        Operation.ENCODE_RECIPE,
    ]


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
