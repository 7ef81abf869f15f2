"""The whole service with a fake engine, spoken to over ASGI; its lifespan runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from app.factory import create_app
from app.opening import Opening
from app.runtime import Runtime
from app.settings import Settings
from tests.app.fakes import FakeEngine


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, with what a test looks at from behind."""

    app: FastAPI
    client: httpx.AsyncClient
    engine: FakeEngine

    @property
    def runtime(self) -> Runtime:
        opening: Opening = self.app.state.opening
        return opening.runtime

    async def put_recipe(self, item_id: str, **fields: Any) -> httpx.Response:
        response = await self.client.put(f"/v1/recipes/{quote(item_id, safe='')}", json=fields)
        assert response.status_code in (200, 201), response.text
        return response

    async def put_image(self, item_id: str, data: bytes, **fields: Any) -> httpx.Response:
        response = await self.client.put(
            f"/v1/images/{quote(item_id, safe='')}",
            files={"file": ("picture.png", data)},
            data={"metadata": json.dumps(fields)},
        )
        assert response.status_code in (200, 201), response.text
        return response


@asynccontextmanager
async def serving(settings: Settings, engine: FakeEngine | None = None) -> AsyncIterator[Service]:
    """The service for as long as the context is open."""
    engine = engine or FakeEngine()
    app = create_app(settings, engine=engine)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Service(app, client, engine)


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The body of a problem response, checked to be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what happens in a thread or a task of the service's own; 30 s at most."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - the service has no event for it
            await asyncio.sleep(0.02)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", builtin_catalogue=False, max_body_mb=2, decode_threads=2)


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with serving(settings) as running:
        yield running
