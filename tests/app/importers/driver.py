"""A process that imports, to be killed: ``python -m tests.app.importers.driver DATA_DIR SOURCE``.

The engine is the tests' own, slowed down so that a kill finds chunks under way; everything else is the real thing.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from app.engine.types import Outcome
from tests.app.fakes import FakeEngine
from tests.app.importers.runtime import import_into


class SlowEngine(FakeEngine):
    async def submit(self, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        await asyncio.sleep(0.15)
        return await super().submit(*args, **kwargs)


if __name__ == "__main__":
    import_into(Path(sys.argv[1]), Path(sys.argv[2]), SlowEngine())
