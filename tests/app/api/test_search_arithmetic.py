"""Queries of several terms over HTTP: as a list of terms, as an expression, beside uploaded photos."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from index.algebra import Strategy
from tests.app.conftest import Service, problem
from tests.app.fakes import picture

pytestmark = pytest.mark.anyio


async def _fill(service: Service) -> None:
    await service.put_recipe("tomato-pasta", title="tomato pasta", tags=["quick"])
    await service.put_recipe("meat-rice", title="meat rice")
    await service.put_recipe("berry", title="berry", tags=["dessert"])
    await service.put_image("p-tomato-pasta", picture("tomato", "pasta"), tags=["red"])
    await service.put_image("p-tomato-rice", picture("tomato", "rice"), tags=["red"])
    await service.put_image("p-meat", picture("meat"))
    await service.put_image("p-berry", picture("berry"))


def _ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [hit["id"] for hit in response.json()["hits"]]


async def _find(service: Service, kind: str, **query: Any) -> httpx.Response:
    return await service.client.post(f"/v1/search/{kind}", json=query)


async def _form(service: Service, kind: str, *photos: bytes, **fields: str) -> httpx.Response:
    files = [("file", (f"{n}.png", photo)) for n, photo in enumerate(photos)]
    if not files:
        return await service.client.post(f"/v1/search/{kind}", files={name: (None, fields[name]) for name in fields})
    return await service.client.post(f"/v1/search/{kind}", files=files, data=fields)


@pytest.mark.parametrize("strategy", [None, *Strategy])
async def test_each_strategy_takes_photo_plus_and_minus(service: Service, strategy: str | None) -> None:
    await _fill(service)
    said = {} if strategy is None else {"strategy": strategy}
    response = await _form(
        service, "images", picture("tomato", "rice"), expression="photo + pasta - rice", balance="0.6", **said
    )
    assert _ids(response)[0] == "p-tomato-pasta"
    assert "p-tomato-rice" not in _ids(response), "its bytes are those that were sent"
    for hit in response.json()["hits"]:
        assert [(term["term"], term["weight"]) for term in hit["terms"]] == [("photo", 1), ("pasta", 1), ("rice", -1)]
        assert sum(term["contribution"] for term in hit["terms"]) == pytest.approx(hit["score"], abs=1e-3)
    as_list = await _form(
        service,
        "images",
        picture("tomato", "rice"),
        query=json.dumps(
            {
                "terms": [{"photo": 1}, {"tag": "pasta"}, {"text": "rice", "weight": -1}],
                "balance": 0.6,
                **said,
            }
        ),
    )
    assert as_list.json()["hits"] == response.json()["hits"]


async def test_every_kind_of_term_for_both_kinds_of_item(service: Service) -> None:
    await _fill(service)
    terms = [
        {"image_id": "p-tomato-rice", "weight": 2},
        {"recipe_id": "tomato-pasta"},
        {"recipe": {"title": "pasta", "ingredients": ["tomato"]}, "weight": 0.5},
        {"tag": "tomato"},
        {"text": "no berry", "weight": -0.5},
    ]
    for kind, first in (("recipes", "meat-rice"), ("images", "p-tomato-pasta")):
        response = await _find(service, kind, query={"terms": terms, "strategy": "weighted_sum"}, k=1)
        assert _ids(response) == [first], "what is of the searched kind is left out"
        shares = response.json()["hits"][0]["terms"]
        labels = ["@image/p-tomato-rice", "@recipe/tomato-pasta", "recipe", "tomato", "no berry"]
        assert [share["term"] for share in shares] == labels


async def test_references_of_an_expression(service: Service) -> None:
    await _fill(service)
    await service.put_recipe("p-meat", title="salad")
    found = await _find(service, "images", expression="@p-meat + 0.1:tomato - @recipe/berry")
    assert set(_ids(found)) == {"p-tomato-pasta", "p-tomato-rice", "p-berry"}, "the photo, and not the recipe"
    assert "p-meat" in _ids(await _find(service, "recipes", expression="@image/p-meat + tomato"))
    assert "p-meat" not in _ids(await _find(service, "recipes", expression="tomato - @recipe/p-meat"))
    assert _ids(await _find(service, "images", expression="@meat-rice", k=1)) == ["p-meat"]


async def test_several_photos(service: Service) -> None:
    await _fill(service)
    two = (picture("tomato", "meat"), picture("meat", "pasta"))
    assert _ids(await _form(service, "images", *two, expression="photo - photo2 + pasta"))[0] == "p-tomato-pasta"
    assert _ids(await _form(service, "images", *two, expression="photo2 - photo + meat"))[0] == "p-meat"
    stored = picture("tomato", "rice"), picture("berry")
    response = await _form(service, "images", *stored, expression="photo + photo2", filter='{"tags_none": ["x"]}')
    assert set(_ids(response)) == {"p-tomato-pasta", "p-meat"}
    assert set(_ids(await _form(service, "images", stored[1]))) > {"p-berry"}, "a photo alone finds itself"


async def test_filters_and_windows_are_apart_from_the_terms(service: Service) -> None:
    await _fill(service)
    for strategy in Strategy:
        said = {"expression": "tomato - rice", "strategy": strategy}
        whole = _ids(await _find(service, "images", **said))
        assert len(whole) == 4
        assert _ids(await _find(service, "images", **said, k=2, offset=1)) == whole[1:3]
        red = await _find(service, "images", **said, filter={"tags_all": ["red"]})
        assert _ids(red) == [item for item in whole if item in ("p-tomato-pasta", "p-tomato-rice")]


async def test_only_negatives(service: Service) -> None:
    await _fill(service)
    response = await _find(service, "images", expression="- tomato - meat", strategy="best_score", k=1)
    assert _ids(response) == ["p-berry"]
    assert -1 <= response.json()["hits"][0]["score"] <= 0
    for strategy in set(Strategy) - {Strategy.BEST_SCORE}:
        response = await _find(service, "images", expression="- tomato - meat", strategy=strategy)
        assert "best_score" in problem(response, 422, "negative-only")["detail"]


async def test_what_cancels_out_has_no_answer(service: Service) -> None:
    await _fill(service)
    for expression in ("tomato - tomato", "@p-meat + rice - rice"):
        response = await _find(service, "images", expression=expression, strategy="weighted_sum", balance=0.5)
        assert "cancel out" in problem(response, 422, "cancelled-out")["detail"]


@pytest.mark.parametrize(
    ("expression", "column", "said"),
    [
        ("rice + - tomato", 8, "second operator"),
        ("rice + photo", 8, "photo needs 1 uploaded picture"),
        ("", 1, "empty"),
        ('é "x', 3, "not closed"),
    ],
)
async def test_errors_of_an_expression_say_where(service: Service, expression: str, column: int, said: str) -> None:
    body = problem(await _find(service, "recipes", expression=expression), 422, "invalid-request")
    assert said in body["detail"]
    assert f"(column {column})" in body["detail"]
    assert body["column"] == column
    assert body["errors"][0]["field"] == "expression"
    assert body["errors"][0]["column"] == column


async def test_errors_of_one_term_say_which(service: Service) -> None:
    await _fill(service)
    body = problem(await _find(service, "images", expression="rice - @none"), 404, "unknown-item")
    assert (body["column"], body["errors"][0]["field"]) == (8, "expression")
    body = problem(await _find(service, "images", expression="rice - @image/meat-rice"), 404, "unknown-item")
    assert body["column"] == 8
    body = problem(await _find(service, "images", expression="rice + 2:unfit"), 422, "encoding-failed")
    assert body["column"] == 8
    for term, status, slug, field in (
        ({"recipe_id": "none"}, 404, "unknown-item", "query.terms.1"),
        ({"text": "unfit"}, 422, "encoding-failed", "query.terms.1"),
        ({"recipe": {"title": "unfit"}}, 422, "encoding-failed", "query.terms.1"),
        ({"image_id": "a/b"}, 422, "invalid-id", "query.terms.1.image_id"),
        ({"photo": 1}, 422, "invalid-request", "query.terms.1.photo"),
        ({"photo": 9}, 422, "invalid-request", "query.terms.1.photo"),
        ({"tag": "a", "weight": 0}, 422, "invalid-request", "query.terms.1.weight"),
        ({"tag": "a", "weight": 101}, 422, "invalid-request", "query.terms.1.weight"),
        ({"tag": "a", "text": "b"}, 422, "invalid-request", "query.terms.1"),
        ({"weight": 1}, 422, "invalid-request", "query.terms.1"),
        ({"tag": " "}, 422, "invalid-request", "query.terms.1.tag"),
    ):
        response = await _find(service, "images", query={"terms": [{"tag": "rice"}, term]})
        body = problem(response, status, slug)
        assert body["errors"][0]["field"] == field
        assert field in body["detail"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"expression": "rice", "text": "rice"}, "body"),
        ({"expression": "rice", "query": {"terms": [{"tag": "x"}]}}, "body"),
        ({"text": "rice", "strategy": "best_score"}, "body"),
        ({"query": {"terms": [{"tag": "x"}]}, "balance": 0.5}, "body"),
        ({"expression": "rice", "balance": 0}, "balance"),
        ({"expression": "rice", "balance": 1}, "balance"),
        ({"expression": "rice", "strategy": "worst"}, "strategy"),
        ({"expression": "r" * 1001}, "expression"),
        ({"query": {"terms": []}}, "query.terms"),
        ({"query": {"terms": [{"tag": "x"}] * 51}}, "query.terms"),
        ({"query": {"terms": [{"tag": "x"}], "balance": 1.5}}, "query.balance"),
        ({"query": {"terms": [{"tag": "x"}], "strategie": "best_score"}}, "query.strategie"),
    ],
)
async def test_wrong_values_are_named(service: Service, fields: dict[str, Any], field: str) -> None:
    for kind in ("recipes", "images"):
        body = problem(await _find(service, kind, **fields), 422, "invalid-request")
        assert body["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("content", "field", "said"),
    [
        ("", "body", "not valid JSON"),
        ("[]", "body", "should be an object"),
        ('{"query": ""}', "query", "should be an object"),
        ('{"query": []}', "query", "should be an object"),
        ('{"query": {}}', "query.terms", "required"),
        ('{"query": {"terms": {}}}', "query.terms", "list"),
        ('{"query": {"terms": ["pasta"]}}', "query.terms.0", "should be an object"),
        ('{"query": null}', "body", "exactly one"),
        ('{"expression": ""}', "expression", "empty"),
        ('{"expression": " "}', "expression", "empty"),
        ('{"expression": 5}', "expression", "string"),
        ('{"expression": ["rice"]}', "expression", "string"),
        (json.dumps({"expression": " + ".join(["rice"] * 51)}), "expression", "more than 50 terms"),
        (json.dumps({"expression": "\U0001f35c" * 1001}), "expression", "at most 1000 characters"),
        (json.dumps({"expression": "photo" + "9" * 900}), "expression", "at most 8 pictures"),
        ('{"expression": "1e308:rice"}', "expression", "no weight"),
        ('{"expression": "NaN:rice"}', "expression", "no weight"),
        (json.dumps({"expression": "9" * 400 + ":rice"}), "expression", "at most 100"),
        ('{"query": {"terms": [{"tag": "a", "weight": 1e308}]}}', "query.terms.0.weight", "100"),
        ('{"query": {"terms": [{"tag": "a", "weight": NaN}]}}', "body", "NaN is not a JSON number"),
        ('{"query": {"terms": [{"tag": "a", "weight": 1e309}]}}', "body", "too large"),
        ('{"query": {"terms": [{"tag": "a", "weight": "2 or so"}]}}', "query.terms.0.weight", "number"),
        ('{"expression": "@my id"}', "expression", "quote"),
        ('{"expression": "@a\\"b"}', "expression", "quote the id"),
        ('{"expression": "@"}', "expression", "empty"),
    ],
)
async def test_what_is_no_query_is_told_so_in_a_sentence(service: Service, content: str, field: str, said: str) -> None:
    for kind in ("recipes", "images"):
        response = await service.client.post(
            f"/v1/search/{kind}", content=content, headers={"Content-Type": "application/json"}
        )
        body = problem(response, 422, "invalid-request")
        assert body["errors"][0]["field"] == field
        assert said in body["detail"]
        assert len(body["detail"]) < 300


async def test_odd_queries_that_are_queries(service: Service) -> None:
    await _fill(service)
    await service.put_image("my id", picture("rice"))
    await service.put_image('a"b', picture("salad"))
    ramen = "\U0001f35c"
    for expression in (ramen * 1000, f"{ramen} " * 500, "\U0001f468\u200d\U0001f469\u200d\U0001f467 + rice"):
        assert len(_ids(await _find(service, "images", expression=expression))) == 6
    for expression in ('@"my id" + rice', '@image/"my id" - meat'):
        assert "my id" not in _ids(await _find(service, "images", expression=expression))
    assert 'a"b' not in _ids(await _find(service, "images", expression='@"a\\"b" + rice'))
    for weight in ("5e-324", "1e-300", "100"):
        query = f'{{"query": {{"terms": [{{"tag": "berry", "weight": {weight}}}]}}, "k": 1}}'
        headers = {"Content-Type": "application/json"}
        assert _ids(await service.client.post("/v1/search/images", content=query, headers=headers)) == ["p-berry"]


async def test_an_id_that_is_none_is_named_by_its_field(service: Service) -> None:
    for item_id in ("search", "a/b"):
        for field, kinds in (("image_id", ("recipes", "images")), ("recipe_id", ("recipes", "images"))):
            for kind in kinds:
                body = problem(await _find(service, kind, **{field: item_id}), 422, "invalid-id")
                assert body["errors"][0]["field"] == field


async def test_photos_and_expressions_belong_together(service: Service) -> None:
    photo = picture("rice")
    for photos, fields, field, said in (
        ((photo,), {"expression": "rice"}, "expression", "uploaded picture 1 is not used; name it photo"),
        ((photo, photo), {"expression": "photo"}, "expression", "name it photo2"),
        ((photo, photo), {"query": '{"terms": [{"photo": 2}]}'}, "query", "uploaded picture 1 is not used"),
        ((photo,), {"expression": "photo + photo2"}, "expression", "photo2 needs 2 uploaded pictures, but 1 was sent"),
        ((photo, photo), {}, "file", "photo + photo2"),
        ((), {"expression": "photo"}, "expression", "none was sent"),
        ((), {"k": "3"}, "file", "send a file"),
        ((photo,), {"strategy": "best_score"}, "body", "beside an expression"),
        ((photo,), {"expression": "photo", "query": '{"terms": [{"photo": 1}]}'}, "body", "got both"),
        ((photo,), {"query": "{"}, "query", "not valid JSON"),
        ((photo,), {"expression": "photo", "balance": "much"}, "balance", "number"),
    ):
        body = problem(await _form(service, "images", *photos, **fields), 422, "invalid-request")
        assert body["errors"][0]["field"] == field, body
        assert said in body["detail"]
    body = problem(
        await _form(service, "images", photo, b"no picture", expression="photo - photo2"), 422, "invalid-picture"
    )
    assert body["column"] == 9
    assert (await _form(service, "images", *[photo] * 9, expression="photo")).status_code in (400, 422)


async def test_a_form_needs_no_photo_where_the_expression_has_none(service: Service) -> None:
    await _fill(service)
    assert _ids(await _form(service, "images", expression="2:berry - rice", k="1")) == ["p-berry"]
