"""The service over real lanes: batching, saturation, and a worker that dies, as seen from HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.process import ProcessWorker
from app.engine.types import ENCODE_OPERATIONS, Operation, Payload, Value
from app.engine.workers import ItemError
from app.factory import create_app
from app.settings import Settings
from models.types import EncoderInfo
from tests.app.conftest import problem, until
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.fakes import FakeEngine, text_vector

pytestmark = pytest.mark.anyio


class _Worker:
    """Encodes as :class:`FakeEngine` does. ``die`` in a text kills it, ``unfit`` is the item's fault."""

    operations = ENCODE_OPERATIONS
    device = "cpu"
    is_alive = True

    def __init__(self) -> None:
        self.info: EncoderInfo | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []

    def abort(self) -> bool:
        return False

    def load(self) -> None:
        self.info = FakeEngine().info

    def self_test(self) -> None:
        pass

    def close(self) -> None:
        self.info = None

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[Value]:
        self.batches.append(len(payloads))
        assert self.gate.wait(30)
        texts = [payload for payload in payloads if isinstance(payload, str)]
        if any("die" in text for text in texts):
            raise SystemExit(1)
        if any("unfit" in text for text in texts):
            raise ItemError("the text is unfit")
        return [text_vector(str(payload)) for payload in payloads]


class _Running:
    def __init__(self, settings: Settings, limits: LaneLimits) -> None:
        self.worker = _Worker()
        self.app = create_app(settings, engine=LocalEngine([Lane("encoder", self.worker, limits)]))
        transport = httpx.ASGITransport(app=self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def text(self, text: str) -> httpx.Response:
        return await self.client.post("/v1/search/recipes", json={"text": text})


async def test_requests_share_batches_and_a_full_queue_says_when_to_come_back(settings: Settings) -> None:
    running = _Running(settings, LaneLimits(max_queue_items=8, max_batch=4))
    async with running.app.router.lifespan_context(running.app), running.client:
        running.worker.gate.clear()
        requests = [asyncio.create_task(running.text(f"soup {n}")) for n in range(40)]
        await until(lambda: _some_done(requests))
        running.worker.gate.set()
        responses = await asyncio.gather(*requests)
        served = [response for response in responses if response.status_code == 200]
        refused = [response for response in responses if response.status_code != 200]
        assert served
        assert refused
        for response in refused:
            problem(response, 503, "at-capacity")
            assert int(response.headers["retry-after"]) >= 1
        assert max(running.worker.batches) > 1
        assert (await running.text("after")).status_code == 200
        text = (await running.client.get("/metrics")).text
        assert 'tastespace_engine_items_total{lane="encoder",outcome="completed"}' in text


async def test_a_bad_item_does_not_harm_its_batch(settings: Settings) -> None:
    running = _Running(settings, LaneLimits(max_queue_items=64, max_batch=16, batch_wait_s=0.05))
    async with running.app.router.lifespan_context(running.app), running.client:
        texts = ["soup", "unfit", "rice", "salad"]
        responses = await asyncio.gather(*(running.text(text) for text in texts))
        assert [response.status_code for response in responses] == [200, 422, 200, 200]
        problem(responses[1], 422, "encoding-failed")


@pytest.mark.fault
async def test_a_worker_that_dies_is_reported_and_comes_back(settings: Settings) -> None:
    running = _Running(settings, LaneLimits(restart_s=(1.0, 1.0)))
    async with running.app.router.lifespan_context(running.app), running.client:
        assert (await running.client.get("/readyz")).status_code == 200
        problem(await running.text("die"), 503, "unavailable")
        problem(await running.client.get("/readyz"), 503, "unavailable")
        assert (await running.client.get("/healthz")).status_code == 200
        assert (await running.client.get("/v1/recipes")).status_code == 200

        async def ready() -> bool:
            return (await running.client.get("/readyz")).status_code == 200

        await until(ready)
        assert (await running.text("soup")).status_code == 200


@pytest.mark.fault
async def test_a_process_killed_in_the_middle_of_a_search_is_answered_and_replaced(
    settings: Settings, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    worker = ProcessWorker(ScriptedSpec(fifo, http=True))
    app = create_app(settings, engine=LocalEngine([Lane("encoder", worker, LaneLimits(restart_s=(0.0, 0.0)))]))
    opening = asyncio.create_task(asyncio.to_thread(fifo.open, "rb"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
    ):
        with await opening as end:
            request = asyncio.create_task(client.post("/v1/search/recipes", json={"text": "hang"}))
            assert await asyncio.to_thread(end.read, 1) == b"!"
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            body = problem(await request, 503, "unavailable")
        assert "The encoder is not available: its process was killed by SIGKILL" in body["detail"]
        with await asyncio.to_thread(fifo.open, "rb"):

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await until(ready)
            assert (await client.post("/v1/search/recipes", json={"text": "soup"})).status_code == 200


async def _some_done(tasks: Sequence[asyncio.Task[httpx.Response]]) -> bool:
    return any(task.done() for task in tasks)
