"""The threads that do what would block the event loop: a pool that decodes pictures, a pool for catalogue and index."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Executors:
    """Two pools of this runtime's own: uploads, which use the framework's pool, can't starve them."""

    def __init__(self, decode_threads: int | None, database_threads: int) -> None:
        self._decode = ThreadPoolExecutor(decode_threads or min(8, os.cpu_count() or 2), "decode")
        self._database = ThreadPoolExecutor(database_threads, "database")

    async def decode(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work on pictures."""
        return await _run(self._decode, partial(function, *args, **kwargs))

    async def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work on the catalogue, the blobs or the index."""
        return await _run(self._database, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._decode.shutdown(cancel_futures=True)
        self._database.shutdown(cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
