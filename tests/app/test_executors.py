from __future__ import annotations

import asyncio
import threading

import pytest

from app.executors import Executors

pytestmark = pytest.mark.anyio


async def test_work_runs_in_its_own_pool() -> None:
    executors = Executors(1, 1)
    try:
        assert (await executors.decode(threading.current_thread)).name.startswith("decode")
        assert (await executors.database(threading.current_thread)).name.startswith("database")
        assert (await executors.write(threading.current_thread)).name.startswith("writer")
        assert await executors.database(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await executors.decode(divmod, 1, 0)
    finally:
        executors.close()


async def test_a_full_decode_pool_does_not_hold_up_the_database() -> None:
    executors, gate = Executors(1, 1), threading.Event()
    try:
        decoding = [asyncio.create_task(executors.decode(gate.wait, 30)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(executors.database(lambda: 1), 10) == 1
        gate.set()
        assert await asyncio.gather(*decoding) == [True] * 3
    finally:
        gate.set()
        executors.close()


async def test_readers_do_not_queue_behind_writers() -> None:
    executors, gate = Executors(1, 1), threading.Event()
    try:
        writing = [asyncio.create_task(executors.write(gate.wait, 30)) for _ in range(3)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(executors.database(lambda: 1), 10) == 1
        gate.set()
        assert await asyncio.gather(*writing) == [True] * 3
    finally:
        gate.set()
        executors.close()


async def test_what_waits_is_dropped_with_its_caller() -> None:
    executors, gate, ran = Executors(1, 1), threading.Event(), threading.Event()
    try:
        running = asyncio.create_task(executors.decode(gate.wait, 30))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(executors.decode(ran.set))
        await asyncio.sleep(0)
        waiting.cancel()
        # The thread learns of it by way of the loop: only then may it go on.
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.set()
        await running
        await executors.decode(lambda: None)
        assert not ran.is_set()
    finally:
        gate.set()
        executors.close()
