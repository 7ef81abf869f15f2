from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.types import Message, Scope

from app.middleware import DisconnectMiddleware
from tests.app.conftest import Service, problem, until

pytestmark = pytest.mark.anyio


def _scope(path: str, body: bytes) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }


class _Client:
    """Sends a body, then leaves when told to."""

    def __init__(self, body: bytes) -> None:
        self.messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self.leaves = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self.messages:
            return self.messages.pop(0)
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


async def _is_waiting(service: Service) -> bool:
    return service.engine.waiting == 1


async def test_the_work_of_a_client_that_left_is_cancelled(service: Service) -> None:
    service.engine.gate = asyncio.Event()
    body = b'{"text": "soup"}'
    client = _Client(body)
    request = asyncio.create_task(service.app(_scope("/v1/search/recipes", body), client.receive, client.send))
    await until(lambda: _is_waiting(service))
    client.leaves.set()
    await asyncio.wait_for(request, 10)
    assert service.engine.cancelled == 1
    assert client.sent == []
    text = (await service.client.get("/metrics")).text
    assert 'status="499"' in text


async def test_a_client_that_leaves_late_gets_its_answer() -> None:
    async def app(scope: Scope, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        assert (await receive())["body"] == b"x"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"y"})

    client = _Client(b"x")
    await DisconnectMiddleware(app)(_scope("/", b"x"), client.receive, client.send)
    assert [message["type"] for message in client.sent] == ["http.response.start", "http.response.body"]


async def test_cancelling_the_server_reaches_the_work() -> None:
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    client = _Client(b"x")
    task = asyncio.create_task(DisconnectMiddleware(app)(_scope("/", b"x"), client.receive, client.send))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_fault_is_answered_without_its_inside(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(*_: object, **__: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(type(service.runtime.search), "find", explode)
    with caplog.at_level(logging.ERROR, logger="app.problems"):
        response = await service.client.post("/v1/search/recipes", json={"text": "x"})
    body = problem(response, 500, "internal")
    assert "secret" not in response.text
    assert body["error_id"] in caplog.text
    assert "the secret inside" in caplog.text
    assert response.headers["x-request-id"]


async def test_a_full_disk_is_said_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    from tests.app.fakes import picture

    monkeypatch.setattr(type(service.runtime.blobs), "put", full)
    response = await service.client.put("/v1/images/i", files={"file": picture("rice")})
    problem(response, 507, "no-space")
    monkeypatch.undo()
    problem(await service.client.get("/v1/images/i"), 404, "unknown-item")
    await service.put_image("i", picture("rice"))


async def test_a_database_in_trouble_is_said_so_and_logged(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(type(service.runtime.catalogue), "write", full)
    response = await service.client.put("/v1/recipes/r", json={"title": "x"})
    problem(response, 503, "unavailable")
    assert "INSERT" not in response.text
    assert "disk is full" in caplog.text


async def test_an_encoded_slash_is_refused_by_name(service: Service) -> None:
    response = await service.client.get("/v1/recipes/a%2Fb")
    assert "%2F" in problem(response, 422, "invalid-id")["detail"]


async def test_unfinished_bodies_are_no_fault(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    client = _Client(b"")
    client.messages = [{"type": "http.request", "body": b'{"te', "more_body": True}, {"type": "http.disconnect"}]
    scope = _scope("/v1/search/recipes", b'{"text": "x"}')
    await asyncio.wait_for(service.app(scope, client.receive, client.send), 10)
    assert "unhandled" not in caplog.text


async def test_many_clients_at_once(service: Service) -> None:
    await service.put_recipe("r", title="soup")

    async def one(number: int) -> httpx.Response:
        return await service.client.post("/v1/search/recipes", json={"text": f"soup {number}"})

    responses = await asyncio.gather(*(one(number) for number in range(50)))
    assert {response.status_code for response in responses} == {200}
