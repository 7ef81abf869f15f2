"""The life of a service's runtime, which may begin later than the service: a worker host may come up after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.engine.types import Engine, LaneState, UnavailableError
from app.problems import Problem
from app.runtime import Runtime
from app.settings import Settings

logger = logging.getLogger(__name__)

_TRY_AGAIN_S: Final = 1.0


class Opening:
    """Opens one runtime, in a task of its own, and has it until the service ends."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        """``engine`` is as in :meth:`app.runtime.Runtime.open`."""
        self._settings = settings
        self._given = engine
        self._waiting: Engine | None = None
        self._failure: str | None = None
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """Raises Problem: it is not open; with the lanes' own words for why, as `/readyz` tells them."""
        if self._runtime is not None:
            return self._runtime
        if self._failure is not None:
            raise Problem("unavailable", f"Not ready ({self._failure}).")
        lanes = self._waiting.health().lanes if self._waiting is not None else ()
        checks = {lane.lane: "ok" if lane.state is LaneState.READY else lane.detail for lane in lanes}
        bad = "; ".join(f"{name}: {value}" for name, value in checks.items() if value != "ok")
        headers = {"Retry-After": "5"}
        raise Problem("unavailable", f"Not ready ({bad or 'starting'}).", headers=headers, checks=checks)

    @property
    def opened(self) -> Runtime | None:
        return self._runtime

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Entered once the runtime is open, or waits for its encoder's worker host. Raises as Runtime.open does."""
        self._waiting = self._failure = None
        settled, leaving = asyncio.Event(), asyncio.Event()
        life = asyncio.create_task(self._live(settled, leaving), name="runtime")
        life.add_done_callback(lambda _: settled.set())
        try:
            await settled.wait()
            if life.done():
                await life
            yield
        finally:
            leaving.set()
            if self._runtime is None:
                life.cancel()
            await asyncio.gather(life, return_exceptions=True)
        if not life.cancelled():
            life.result()

    async def _live(self, settled: asyncio.Event, leaving: asyncio.Event) -> None:
        """Errors end the start of the service, unless it answers already: then it says them in its answers."""
        while True:
            try:
                return await self._open(settled, leaving)
            except Exception as error:
                if self._waiting is None or leaving.is_set():
                    raise
                if not isinstance(error, UnavailableError):
                    self._failure = f"Tastespace can't start: {error}"
                    logger.exception("Tastespace can't start")
                    return None
                logger.warning("the worker host was lost again: %s", error)
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _open(self, settled: asyncio.Event, leaving: asyncio.Event) -> None:
        def wait(engine: Engine) -> None:
            if self._waiting is not engine:
                logger.warning("the encoder can't be reached yet; until it can, requests are answered with 503")
            self._waiting = engine
            settled.set()

        try:
            async with Runtime.open(self._settings, self._given, on_wait=wait) as runtime:
                await runtime.fill_builtin()
                runtime.jobs.start()
                self._runtime = runtime
                settled.set()
                await leaving.wait()
        finally:
            self._runtime = None
