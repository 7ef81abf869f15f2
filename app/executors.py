"""The threads that do what would block the event loop: decoding, reading and searching, writing."""

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
    """Pools of this runtime's own: uploads, which use the framework's pool, can't starve them, nor one of them another.

    Writes have one thread: the catalogue takes them one at a time in any case, and readers must not queue behind them.
    """

    def __init__(self, decode_threads: int | None, database_threads: int) -> None:
        self._decode = ThreadPoolExecutor(decode_threads or min(8, os.cpu_count() or 2), "decode")
        self._database = ThreadPoolExecutor(database_threads, "database")
        self._writer = ThreadPoolExecutor(1, "writer")

    async def decode(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work on pictures."""
        return await _run(self._decode, partial(function, *args, **kwargs))

    async def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that reads the catalogue, uses the index, or keeps blobs."""
        return await _run(self._database, partial(function, *args, **kwargs))

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a write transaction on the catalogue."""
        return await _run(self._writer, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        for pool in (self._decode, self._database, self._writer):
            pool.shutdown(cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
