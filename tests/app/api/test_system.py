from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.problems import PROBLEM_TYPES
from app.settings import Settings
from tests.app.conftest import Service, problem, serving
from tests.app.fakes import REASONER, FakeEngine, picture

pytestmark = pytest.mark.anyio


async def test_the_root_leads_on(service: Service) -> None:
    body = (await service.client.get("/")).json()
    assert body["name"] == "tastespace"
    for name, path in body["links"].items():
        if name not in ("search_recipes", "search_images", "imports"):
            assert (await service.client.get(path)).status_code == 200, path


async def test_health_and_readiness(service: Service) -> None:
    assert (await service.client.get("/healthz")).json() == {"status": "ok"}
    ready = (await service.client.get("/readyz")).json()
    assert ready == {
        "status": "ready",
        "checks": {"encoder": "ok", "captioner": "ok", "catalogue": "ok", "index": "ok"},
    }
    service.engine.unavailable = True
    response = await service.client.get("/readyz")
    body = problem(response, 503, "unavailable")
    assert body["checks"]["encoder"] == "the worker died"
    assert body["checks"]["index"] == "ok"
    assert response.headers["retry-after"]
    assert (await service.client.get("/healthz")).status_code == 200


async def test_a_captioner_that_is_down_is_told_but_takes_no_search_down(service: Service) -> None:
    service.engine.captioner_down = True
    response = await service.client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["checks"]["captioner"] == "the worker died"
    assert (await service.client.post("/v1/search/recipes", json={"text": "soup"})).status_code == 200


async def test_readiness_knows_of_a_catalogue_that_serves_another_encoder(service: Service) -> None:
    catalogue = service.runtime.catalogue
    other = catalogue.begin_generation("e" * 64, "other", 8)
    catalogue.activate_generation(other.number)
    body = problem(await service.client.get("/readyz"), 503, "unavailable")
    assert "generation" in body["checks"]["index"]
    problem(await service.client.post("/v1/search/recipes", json={"text": "x"}), 503, "unavailable")
    problem(await service.client.put("/v1/recipes/x", json={"title": "x"}), 503, "unavailable")


async def test_models_are_named(service: Service) -> None:
    body = (await service.client.get("/v1/models")).json()
    assert body["encoder"]["name"] == "fake"
    assert body["encoder"]["image_size"] == 16
    assert body["captioner"]["name"] == "fake-captions"
    assert body["captioner"]["styles"] == ["general", "dish"]
    assert body["captioner"]["grid"] == [7, 7]
    assert [(lane["lane"], lane["state"]) for lane in body["lanes"]] == [("encoder", "ready"), ("captioner", "ready")]


async def test_a_service_without_a_captioner_says_so(settings: Settings) -> None:
    async with serving(settings, FakeEngine(captioner=None)) as service:
        body = (await service.client.get("/v1/models")).json()
        assert body["captioner"] is None
        assert [lane["lane"] for lane in body["lanes"]] == ["encoder"]


async def test_a_reasoner_stands_beside_the_others(settings: Settings) -> None:
    async with serving(settings, FakeEngine(reasoner=REASONER)) as service:
        body = (await service.client.get("/v1/models")).json()
        assert body["reasoner"]["name"] == "fake-answers"
        assert body["reasoner"]["question_types"] == ["dish", "ingredient"]
        assert body["reasoner"]["grid"] == [7, 7]
        assert [lane["lane"] for lane in body["lanes"]] == ["encoder", "captioner", "reasoner"]
        assert (await service.client.get("/readyz")).json()["checks"]["reasoner"] == "ok"
        metrics = (await service.client.get("/metrics")).text
        assert f'fingerprint="{"a" * 64}",model="reasoner",name="fake-answers"' in metrics


async def test_metrics_count_requests_by_route_and_items(service: Service) -> None:
    await service.put_recipe("r", title="x")
    await service.put_image("i", picture("rice"))
    await service.client.get("/v1/recipes/r")
    await service.client.get("/v1/recipes/unknown")
    await service.client.get("/wp-admin.php")
    response = await service.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    text = response.text
    for line in (
        'tastespace_http_requests_total{method="GET",route="/v1/recipes/{item_id}",status="200"} 1.0',
        'tastespace_http_requests_total{method="GET",route="/v1/recipes/{item_id}",status="404"} 1.0',
        'tastespace_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'tastespace_catalogue_items{kind="recipe"} 1.0',
        'tastespace_index_items{kind="image"} 1.0',
        'tastespace_ingested_items_total{kind="image",outcome="created"} 1.0',
        'tastespace_engine_lane_ready{device="cpu",lane="encoder"} 1.0',
        'tastespace_engine_lane_ready{device="cpu",lane="captioner"} 1.0',
        f'tastespace_model_info{{fingerprint="{"c" * 64}",model="captioner",name="fake-captions"}} 1.0',
    ):
        assert line in text, line


async def test_problem_types_are_explained(service: Service) -> None:
    body = (await service.client.get("/problems")).json()
    assert set(body) == set(PROBLEM_TYPES)
    for kind in body.values():
        assert (await service.client.get(kind["type"])).json() == kind
    problem(await service.client.get("/problems/nonsense"), 404, "not-found")


async def test_tags_are_counted(service: Service) -> None:
    await service.put_recipe("a", title="x", tags=["Pasta", "quick"])
    await service.put_recipe("b", title="x", tags=["pasta"])
    await service.put_image("i", picture("rice"), tags=["white"])
    body = (await service.client.get("/v1/tags?prefix=PA")).json()
    assert body["kind"] == "recipe"
    assert [(tag["tag"].lower(), tag["count"]) for tag in body["tags"]] == [("pasta", 2)]
    assert (await service.client.get("/v1/tags?kind=image")).json()["tags"] == [{"tag": "white", "count": 1}]
    assert len((await service.client.get("/v1/tags?limit=1")).json()["tags"]) == 1
    problem(await service.client.get("/v1/tags?kind=cake"), 422, "invalid-request")
    problem(await service.client.get("/v1/tags?prefix=%00"), 422, "invalid-request")


async def test_a_key_is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, builtin_catalogue=False, api_key=SecretStr("sésame"))
    async with serving(settings) as service:
        client = service.client
        for path in ("/", "/healthz", "/readyz", "/docs", "/openapi.json", "/problems"):
            assert (await client.get(path)).status_code == 200, path
        response = await client.get("/v1/recipes")
        problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")
        for value in ("Bearer wrong", "Basic sesame", "Bearer", "Bearer  ", "sesame"):
            problem(await client.get("/v1/recipes", headers={"Authorization": value}), 401, "unauthorized")
        good = {b"Authorization": "bearer sésame".encode()}
        assert (await client.get("/v1/recipes", headers=good)).status_code == 200
        problem(await client.get("/metrics"), 401, "unauthorized")
        assert (await client.get("/metrics", headers=good)).status_code == 200
        problem(await client.post("/v1/imports", content=b"x" * 100), 401, "unauthorized")
