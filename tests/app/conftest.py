"""The service with a fake engine, in memory of one process, over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from app.factory import create_app
from app.runtime import Runtime
from app.settings import Settings
from tests.app.fakes import FakeEngine

T = TypeVar("T")

ServiceTest = Callable[["Service"], Awaitable[T]]


class Service:
    """A running service: its client, its runtime, its engine."""

    def __init__(self, client: httpx.AsyncClient, runtime: Runtime, engine: FakeEngine) -> None:
        self.client, self.runtime, self.engine = client, runtime, engine

    async def put_recipe(self, item_id: str, **fields: Any) -> httpx.Response:
        response = await self.client.put(f"/v1/recipes/{item_id}", json=fields)
        assert response.status_code in (200, 201), response.text
        return response

    async def put_image(self, item_id: str, data: bytes, **fields: Any) -> httpx.Response:
        import json

        response = await self.client.put(
            f"/v1/images/{item_id}", files={"file": ("x.png", data)}, data={"metadata": json.dumps(fields)}
        )
        assert response.status_code in (200, 201), response.text
        return response


@asynccontextmanager
async def serving(settings: Settings, engine: FakeEngine | None = None) -> AsyncIterator[Service]:
    engine = engine or FakeEngine()
    app = create_app(settings, engine=engine)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Service(client, app.state.runtime, engine)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", builtin_catalogue=False, max_body_mb=2, decode_threads=2)


@pytest.fixture
def serve(settings: Settings) -> Callable[[Callable[[Service], Coroutine[Any, Any, None]]], None]:
    """Run an async test body against a fresh service."""

    def run(test: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with serving(settings) as service:
                await test(service)

        asyncio.run(main())

    return run
