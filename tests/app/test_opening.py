"""A service whose models run on a worker host that comes up late, goes, and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.builtin import builtin_bundles
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.placement import WorkerAddress
from app.engine.remote import RemoteWorker
from app.engine.specs import CaptionerSpec
from app.engine.types import Outcome, UnavailableError
from app.factory import create_app
from app.runtime import Runtime
from app.settings import Settings
from index.catalogue import Catalogue
from index.types import FingerprintError
from models.types import EncoderInfo
from tests.app.conftest import problem, serving, until
from tests.app.engine.hosting import KEY, hosting, nowhere
from tests.app.engine.process_fakes import ScriptedSpec
from tests.app.fakes import FakeEngine, picture
from tests.app.test_lanes import _Worker

pytestmark = [pytest.mark.anyio, pytest.mark.fault]
SOON = LaneLimits(restart_s=(0.05, 0.05))


def remote_engine(address: WorkerAddress) -> LocalEngine:
    return LocalEngine([Lane("encoder", RemoteWorker(ScriptedSpec(http=True), address, KEY), SOON)], watch_every_s=0.05)


@asynccontextmanager
async def answering(settings: Settings, engine: LocalEngine) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, engine=engine)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


async def until_ready(client: httpx.AsyncClient, *, ready: bool = True) -> None:
    async def is_so() -> bool:
        return ((await client.get("/readyz")).status_code == 200) is ready

    await until(is_so)


async def test_it_answers_before_its_worker_host_does_and_recovers_with_it(settings: Settings) -> None:
    address = nowhere()
    async with answering(settings, remote_engine(address)) as client:
        assert (await client.get("/healthz")).status_code == 200
        response = await client.get("/readyz")
        body = problem(response, 503, "unavailable")
        assert f"no worker host answers at {address}" in body["checks"]["encoder"]
        assert body["checks"]["encoder"] in body["detail"]
        assert response.headers["retry-after"]
        for path in ("/v1/recipes", "/v1/models", "/metrics"):
            problem(await client.get(path), 503, "unavailable")
        for _ in range(2):
            with hosting(address.port):
                await until_ready(client)
                found = await client.post("/v1/search/recipes", json={"text": "soup"})
                assert found.status_code == 200, found.text
                assert (await client.get("/metrics")).status_code == 200
            await until_ready(client, ready=False)
            problem(await client.post("/v1/search/recipes", json={"text": "soup"}), 503, "unavailable")
            assert (await client.get("/v1/recipes")).status_code == 200, "the catalogue is not the model's"


async def test_it_stops_while_it_waits(settings: Settings) -> None:
    engine = remote_engine(nowhere())
    async with answering(settings, engine) as client:
        problem(await client.get("/readyz"), 503, "unavailable")
    assert [lane.state.value for lane in engine.health().lanes] == ["stopped"]


async def test_what_stands_in_the_way_once_the_host_is_there_is_told(settings: Settings) -> None:
    settings.data_dir.mkdir()
    catalogue = Catalogue.open(settings.catalogue_url)
    catalogue.ensure_generation("0" * 64, "another", 4)
    catalogue.close()
    address = nowhere()
    async with answering(settings, remote_engine(address)) as client:
        with hosting(address.port):

            async def told() -> bool:
                return "Tastespace can't start" in (await client.get("/readyz")).json()["detail"]

            await until(told)
    with pytest.raises(FingerprintError):  # where nothing was waited for, it ends the start
        async with serving(settings):
            pass


async def test_a_model_beside_the_encoder_that_is_out_of_reach_takes_nothing_down(settings: Settings) -> None:
    address = nowhere()
    captioner = RemoteWorker(CaptionerSpec("captioner", "tell:folder"), address, KEY)
    engine = LocalEngine([Lane("encoder", _Worker(), SOON), Lane("captioner", captioner, SOON)])
    async with answering(settings, engine) as client:
        ready = (await client.get("/readyz")).json()
        assert ready["checks"]["encoder"] == "ok"
        assert f"no worker host answers at {address}" in ready["checks"]["captioner"]
        models = (await client.get("/v1/models")).json()
        assert models["captioner"] is None
        assert models["lanes"][1]["device"] == f"cpu@{address}"
        captions = await client.post("/v1/captions", files={"file": ("x.png", picture("rice"))})
        assert f"no worker host answers at {address}" in problem(captions, 503, "unavailable")["detail"]
        assert (await client.post("/v1/search/recipes", json={"text": "soup"})).status_code == 200


async def test_a_command_does_not_wait(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match="the encoder could not be loaded: no worker host answers at"):
        async with Runtime.open(settings, remote_engine(nowhere())):
            pass


async def test_a_wrong_key_ends_the_start(settings: Settings) -> None:
    with hosting() as host:
        worker = RemoteWorker(ScriptedSpec(http=True), host.address, b"another key than that")
        with pytest.raises(UnavailableError, match="has another key; set TASTESPACE_WORKER_KEY"):
            async with answering(settings, LocalEngine([Lane("encoder", worker, SOON)])):
                pass


class Fickle(FakeEngine):
    """Its encoder is reached at the third look; the first time, it is lost again at once."""

    looks = starts = 0

    async def start(self) -> None:
        await super().start()
        self.starts += 1

    @property
    def encoder(self) -> EncoderInfo:
        self.looks += 1
        if self.looks < 3:
            raise UnavailableError("nobody answers yet")
        return super().encoder

    async def submit(self, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        if self.starts == 1:
            raise UnavailableError("it went again")
        return await super().submit(*args, **kwargs)


async def test_a_host_that_is_lost_while_the_service_opens_is_waited_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in recipes are encoded as soon as the encoder is there, and that may be cut short."""
    bundles = builtin_bundles()[:2]
    monkeypatch.setattr("app.runtime.builtin_bundles", lambda: bundles)
    engine = Fickle()
    async with serving(Settings(data_dir=tmp_path / "data"), engine) as service:
        await until_ready(service.client)
        assert engine.starts == 2
