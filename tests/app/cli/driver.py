"""The command line over a fake engine that gets only so far, in a process that can be interrupted."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import app.runtime
from app.cli.main import main
from app.engine.types import Outcome
from tests.app.fakes import FakeEngine


class HaltingEngine(FakeEngine):
    """Answers the first few submissions, enough for a chunk of an import or two, then none any more: whoever waits
    for the end of the work must be interrupted."""

    _left = 4

    async def submit(self, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        self._left -= 1
        if self._left < 0:
            await asyncio.Event().wait()
        return await super().submit(*args, **kwargs)


if __name__ == "__main__":
    # A shell starts its background jobs, and so perhaps these tests, with SIGINT ignored, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app.runtime.local_engine = lambda settings, metrics: HaltingEngine()  # type: ignore[assignment, return-value]
    main()
