from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.types import (
    DeadlineError,
    Engine,
    Failed,
    LaneState,
    Operation,
    PhotoToCaption,
    Priority,
    SaturatedError,
    UnavailableError,
)
from models.captioning.types import CaptionerInfo, CaptionOptions
from models.types import EncoderUnavailableError
from tests.app.engine.fakes import PATIENCE_S, FakeWorker, info, values, vector
from tests.app.fakes import CAPTIONER

TEXT = Operation.ENCODE_TEXT
LIMITS = LaneLimits(max_queue_items=8, max_batch=4, restart_s=(0.0, 0.0))


@asynccontextmanager
async def running(*workers: FakeWorker, limits: LaneLimits = LIMITS) -> AsyncIterator[LocalEngine]:
    lanes = [Lane(f"encoder-{number}", worker, limits) for number, worker in enumerate(workers)]
    engine = LocalEngine(lanes, watch_every_s=0.005)
    await engine.start()
    try:
        yield engine
    finally:
        for worker in workers:
            worker.gate.set()
        await engine.stop()


async def block(engine: LocalEngine, worker: FakeWorker) -> asyncio.Task[object]:
    worker.gate.clear()
    worker.forget_entered()
    task: asyncio.Task[object] = asyncio.create_task(engine.submit(TEXT, ["blocker"]))
    await asyncio.to_thread(worker.wait_entered)
    return task


async def until_queued(engine: LocalEngine, items: int) -> None:
    while sum(lane.queued_items for lane in engine.health().lanes) != items:  # noqa: ASYNC110 - the engine tells nobody of its queue
        await asyncio.sleep(0)


def test_it_is_an_engine() -> None:
    engine: Engine = LocalEngine([Lane("encoder", FakeWorker())])
    with pytest.raises(UnavailableError, match="not loaded"):
        _ = engine.encoder


def test_many_callers_each_get_their_own() -> None:
    async def main() -> None:
        async with running(FakeWorker()) as engine:
            assert engine.encoder.dim == 4
            assert engine.health().ready
            asked = [[f"{caller}-{number}" for number in range(caller % 3 + 1)] for caller in range(60)]
            answers = await asyncio.gather(*(engine.submit(TEXT, each, priority=Priority.BULK) for each in asked))
            for texts, outcomes in zip(asked, answers, strict=True):
                assert values(outcomes) == [vector(text).tolist() for text in texts]
            assert await engine.submit(TEXT, []) == []
            (bad,) = await engine.submit(TEXT, ["poison"])
            assert isinstance(bad, Failed)
        assert not engine.health().ready

    asyncio.run(main())


def test_cancelling_the_task_drops_its_work() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker) as engine:
            blocker = await block(engine, worker)
            doomed = asyncio.create_task(engine.submit(TEXT, ["doomed"] * 3))
            await until_queued(engine, 3)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
            assert engine.health().lanes[0].queued_items == 0
            worker.gate.set()
            await blocker
        assert worker.texts() == [["blocker"]]

    asyncio.run(main())


def test_a_deadline_ends_the_wait_and_drops_the_work() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker) as engine:
            blocker = await block(engine, worker)
            with pytest.raises(DeadlineError, match=r"did not finish within 0\.01 s"):
                await engine.submit(TEXT, ["late"], timeout_s=0.01)
            assert engine.health().lanes[0].queued_items == 0
            with pytest.raises(DeadlineError, match="before it started"):
                await engine.submit(TEXT, ["late"], timeout_s=0.0)
            with pytest.raises(ValueError, match="NaN"):
                await engine.submit(TEXT, ["late"], timeout_s=float("nan"))
            worker.gate.set()
            await blocker
            assert len(await engine.submit(TEXT, ["in time"], timeout_s=PATIENCE_S)) == 1
        assert worker.texts() == [["blocker"], ["in time"]]

    asyncio.run(main())


def test_the_callers_own_timeout_stays_the_callers() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker) as engine:
            blocker = await block(engine, worker)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await engine.submit(TEXT, ["late"], timeout_s=PATIENCE_S)
            worker.gate.set()
            await blocker

    asyncio.run(main())


def test_saturation_reaches_the_caller() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker) as engine:
            blocker = await block(engine, worker)
            full = asyncio.create_task(engine.submit(TEXT, ["x"] * 8))
            await until_queued(engine, 8)
            with pytest.raises(SaturatedError, match="try again in 1 s"):
                await engine.submit(TEXT, ["x"])
            worker.gate.set()
            await blocker
            assert len(await full) == 8

    asyncio.run(main())


def test_bulk_work_of_any_size_waits_for_room() -> None:
    async def main() -> None:
        async with running(FakeWorker()) as engine:
            texts = [f"t{number}" for number in range(200)]
            outcomes = await engine.submit(TEXT, texts, priority=Priority.BULK)
            assert values(outcomes) == [vector(text).tolist() for text in texts]

    asyncio.run(main())


def test_the_least_busy_ready_lane_gets_the_work() -> None:
    async def main() -> None:
        busy, idle = FakeWorker(), FakeWorker()
        async with running(busy, idle) as engine:
            blocker = await block(engine, busy)
            assert values(await engine.submit(TEXT, ["elsewhere"])) == [vector("elsewhere").tolist()]
            assert idle.texts() == [["elsewhere"]]
            busy.gate.set()
            await blocker

    asyncio.run(main())


def test_a_dead_lane_is_passed_over() -> None:
    async def main() -> None:
        first, second = FakeWorker(), FakeWorker()
        async with running(first, second) as engine:
            first.load_gate.clear()
            with pytest.raises(UnavailableError):
                await engine.submit(TEXT, ["die"])
            health = engine.health()
            assert [lane.state for lane in health.lanes] == [LaneState.FAILED, LaneState.READY]
            assert health.ready, "the other one serves"
            assert len(await engine.submit(TEXT, ["x"])) == 1
            assert second.texts() == [["x"]]
            first.load_gate.set()

    asyncio.run(main())


def test_lanes_that_disagree_do_not_start() -> None:
    async def main() -> None:
        other = FakeWorker()
        other.next_info = info(fingerprint="0" * 64)
        with pytest.raises(UnavailableError, match="encoder-0 and encoder-1 hold different models"):
            async with running(FakeWorker(), other):
                pass

    asyncio.run(main())


def test_one_lane_that_fails_to_load_stops_the_start_in_one_sentence() -> None:
    async def main() -> None:
        good, bad = FakeWorker(), FakeWorker()
        bad.load_errors = [EncoderUnavailableError("the weights of 'x' are missing; run make weights")]
        engine = LocalEngine([Lane("good", good), Lane("bad", bad)])
        with pytest.raises(UnavailableError) as caught:
            await engine.start()
        assert str(caught.value) == "the weights of 'x' are missing; run make weights"
        assert good.closes == 1
        states = [lane.state for lane in engine.health().lanes]
        assert states == [LaneState.STOPPED, LaneState.STOPPED]
        assert "weights" in engine.health().lanes[1].detail

    asyncio.run(main())


def test_an_operation_without_a_lane_is_refused() -> None:
    class TextOnly(FakeWorker):
        operations = frozenset({TEXT})

    async def main() -> None:
        async with running(TextOnly()) as engine:
            with pytest.raises(UnavailableError, match="no model of this service can encode_recipe"):
                await engine.submit(Operation.ENCODE_RECIPE, ["x"])

    asyncio.run(main())


class CaptionsOnly(FakeWorker):
    """Its lane is beside the encoder's; it is never asked."""

    operations = frozenset({Operation.CAPTION})

    def __init__(self, info: CaptionerInfo = CAPTIONER) -> None:
        super().__init__()
        self.next_info = info


def test_models_stand_beside_the_encoder() -> None:
    async def main() -> None:
        encoder, captioner = FakeWorker(), CaptionsOnly()
        engine = LocalEngine([Lane("captioner", captioner, LIMITS), Lane("encoder", encoder, LIMITS)])
        with pytest.raises(UnavailableError, match="the captioner is not loaded"):
            _ = engine.captioner
        await engine.start()
        try:
            assert engine.captioner == CAPTIONER
            assert engine.encoder == info()
            await engine.submit(TEXT, ["x"])
            assert (encoder.texts(), captioner.texts()) == ([["x"]], [])
        finally:
            await engine.stop()

    asyncio.run(main())


def test_an_engine_without_a_captioner_says_so() -> None:
    async def main() -> None:
        async with running(FakeWorker()) as engine:
            assert engine.captioner is None
            with pytest.raises(UnavailableError, match="no model of this service can caption"):
                await engine.submit(
                    Operation.CAPTION, [PhotoToCaption(np.zeros((1, 1, 3), np.uint8), CaptionOptions())]
                )

    asyncio.run(main())


def test_a_captioner_that_is_down_takes_no_search_down() -> None:
    async def main() -> None:
        captioner = CaptionsOnly()
        engine = LocalEngine([Lane("encoder", FakeWorker(), LIMITS), Lane("captioner", captioner, LIMITS)])
        await engine.start()
        try:
            captioner.load_gate.clear()
            photo = PhotoToCaption(np.zeros((1, 1, 3), np.uint8), CaptionOptions())
            captioner.run = _die  # type: ignore[assignment]
            with pytest.raises(UnavailableError, match="the captioner is not available"):
                await engine.submit(Operation.CAPTION, [photo])
            health = engine.health()
            assert health.ready
            assert [lane.state for lane in health.lanes] == [LaneState.READY, LaneState.FAILED]
            assert engine.captioner == CAPTIONER, "what it is, is known while it is down"
            assert len(await engine.submit(TEXT, ["x"])) == 1
        finally:
            captioner.load_gate.set()
            await engine.stop()

    asyncio.run(main())


def test_captioners_that_disagree_do_not_start() -> None:
    async def main() -> None:
        other = CaptionsOnly(replace(CAPTIONER, fingerprint="0" * 64))
        with pytest.raises(UnavailableError, match="encoder-1 and encoder-2 hold different models"):
            async with running(FakeWorker(), CaptionsOnly(), other):
                pass

    asyncio.run(main())


def _die(*_: object) -> None:
    raise SystemExit(3)


@pytest.mark.fault
def test_the_watchdog_lets_go_who_waits_for_a_hanging_batch() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker, limits=LaneLimits(batch_timeout_s=0.01)) as engine:
            hanging = await block(engine, worker)
            with pytest.raises(UnavailableError, match="hangs"):
                await hanging
            assert not engine.health().ready

    asyncio.run(main())


@pytest.mark.fault
def test_stopping_while_busy_ends_everything() -> None:
    async def main() -> None:
        worker = FakeWorker()
        async with running(worker) as engine:
            blocker = await block(engine, worker)
            queued = asyncio.create_task(engine.submit(TEXT, ["queued"]))
            await until_queued(engine, 1)
            stopping = asyncio.create_task(engine.stop())
            with pytest.raises(UnavailableError, match="stopping"):
                await queued
            worker.gate.set()
            await stopping
            assert isinstance(await blocker, list)
        assert worker.texts() == [["blocker"]]

    asyncio.run(main())


@pytest.mark.fault
def test_a_batch_that_never_ends_does_not_keep_the_engine_from_stopping(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        worker = FakeWorker()
        engine = LocalEngine([Lane("stuck", worker)], stop_timeout_s=0.0)
        await engine.start()
        hanging = await block(engine, worker)
        await engine.stop()
        assert "stuck did not stop" in caplog.text
        worker.gate.set()
        await hanging
        await asyncio.to_thread(engine._lanes[0].stop, PATIENCE_S)

    asyncio.run(main())


def test_results_reach_other_event_loops_too() -> None:
    answers: list[list[list[float]]] = []

    async def main() -> None:
        async with running(FakeWorker()) as engine:

            def elsewhere() -> None:
                answers.append(values(asyncio.run(engine.submit(TEXT, ["from afar"]))))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join, PATIENCE_S)

    asyncio.run(main())
    assert answers == [[vector("from afar").tolist()]]


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_lanes_must_be_there_and_told_apart(names: list[str]) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        LocalEngine([Lane(name, FakeWorker()) for name in names])
