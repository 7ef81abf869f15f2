from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.engine.agreement import Agreement
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.types import ENCODE_OPERATIONS, LaneState, Operation, UnavailableError
from app.engine.workers import WorkerUnreachableError
from models.generation.types import GeneratorUnavailableError
from models.types import ModelError
from tests.app.engine.fakes import FakeWorker, info, values, vector
from tests.app.fakes import GENERATOR

LANES = {"encoder": ENCODE_OPERATIONS, "encoder-2": ENCODE_OPERATIONS, "generator": frozenset({Operation.DRAW})}


def test_lanes_that_share_work_hold_the_same_whoever_comes_first() -> None:
    agreement = Agreement(LANES)
    agreement.admit("encoder-2", info())
    with pytest.raises(ModelError, match="the lanes encoder and encoder-2 hold different models"):
        agreement.admit("encoder", info("0" * 64))
    agreement.admit("encoder", info())
    agreement.admit("encoder-2", info())


def test_a_generator_takes_the_vectors_of_the_encoder_beside_it() -> None:
    generator = replace(GENERATOR, conditions="vector", encoder=info().fingerprint)
    Agreement(LANES).admit("generator", generator)
    agreement = Agreement(LANES)
    agreement.admit("encoder", replace(info(), dim=generator.dim))
    agreement.admit("generator", generator)
    late = Agreement(LANES)
    late.admit("generator", generator)
    with pytest.raises(GeneratorUnavailableError):
        late.admit("encoder", info("0" * 64))


def test_a_lane_that_comes_late_with_another_model_is_not_put_to_work() -> None:
    async def main() -> None:
        first, late = FakeWorker(), FakeWorker()
        late.load_errors, late.next_info = [WorkerUnreachableError("nobody answers")], info("0" * 64)
        limits = LaneLimits(restart_s=(0.01, 0.01))
        engine = LocalEngine([Lane("encoder", first, limits), Lane("encoder-2", late, limits)])
        await engine.start()
        try:
            while "hold different models" not in engine.health().lanes[1].detail:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)
            assert engine.health().ready
            assert engine.health().lanes[1].state is LaneState.FAILED
            assert values(await engine.submit(Operation.ENCODE_TEXT, ["soup"])) == [vector("soup").tolist()]
        finally:
            await engine.stop()

    asyncio.run(main())


def test_an_engine_starts_without_what_it_cannot_reach_and_says_so() -> None:
    async def main() -> None:
        worker = FakeWorker()
        worker.load_errors = [WorkerUnreachableError("nobody answers at gpu:1")]
        engine = LocalEngine([Lane("encoder", worker, LaneLimits(restart_s=(60.0, 60.0)))])
        await engine.start()
        try:
            assert not engine.health().ready
            with pytest.raises(UnavailableError, match="the encoder could not be loaded: nobody answers at gpu:1"):
                _ = engine.encoder
        finally:
            await engine.stop()

    asyncio.run(main())
