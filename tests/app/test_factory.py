from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from app.engine.types import UnavailableError
from app.factory import create_app
from app.settings import Settings
from tests.app.conftest import Service, serving
from tests.app.fakes import FakeEngine

pytestmark = pytest.mark.anyio


class _BrokenEngine(FakeEngine):
    async def start(self) -> None:
        raise UnavailableError("the weights of tastespace-lite are missing; run make install")


async def _start(app: Any) -> list[Message]:
    sent: list[Message] = []
    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(UnavailableError):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    return sent


async def test_a_known_failure_to_start_is_one_sentence(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), engine=_BrokenEngine())
    (message,) = await _start(app)
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"] == (
        "Tastespace can't start: the weights of tastespace-lite are missing; run make install"
    )


async def test_cors_only_for_the_origins_that_are_set(tmp_path: Path, service: Service) -> None:
    settings = Settings(data_dir=tmp_path / "cors", builtin_catalogue=False, cors_origins=("https://a.example",))
    origin = {"Origin": "https://a.example"}
    async with serving(settings) as allowed:
        response = await allowed.client.get("/v1/recipes", headers=origin)
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        response = await allowed.client.get("/v1/recipes", headers={"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in response.headers
        response = await allowed.client.options(
            "/v1/recipes", headers=origin | {"Access-Control-Request-Method": "PUT"}
        )
        assert response.status_code == 200
        response = await allowed.client.get("/v1/recipes/none", headers=origin)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (404, "https://a.example")
    assert "access-control-allow-origin" not in (await service.client.get("/v1/recipes", headers=origin)).headers


async def test_links_follow_the_prefix_of_a_proxy(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, builtin_catalogue=False), engine=FakeEngine())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, root_path="/food")
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = (await client.put("/food/v1/recipes/r", json={"title": "x"})).json()
            assert body["links"]["self"] == "/food/v1/recipes/r"
            assert (await client.get("/food/")).json()["links"]["docs"] == "/food/docs"
            page = (await client.get("/food/v1/recipes?limit=1")).json()
            assert page["items"][0]["links"]["self"] == "/food/v1/recipes/r"
