from __future__ import annotations

import asyncio
import pickle
import sys
import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import models.generation
from app.engine.checks import check_picture
from app.engine.generator_worker import GeneratorWorker
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.local import LocalEngine
from app.engine.specs import GeneratorSpec
from app.engine.types import Done, Failed, Operation, Payload, UnavailableError
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest, PictureRequestError
from tests.app.engine.fakes import FakeWorker
from tests.app.fakes import DIM, GENERATOR, drawing_of, text_vector


class FakeGenerator:
    """Draws as the service's fake engine does; ``pixels`` replaces what it draws."""

    def __init__(self, info: GeneratorInfo = GENERATOR) -> None:
        self.info = info
        self.calls: list[list[int]] = []
        self.pixels: Any = None

    def draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        self.calls.append([each.size for each in requests])
        drawn = [drawing_of(each, self.info) for each in requests]
        return drawn if self.pixels is None else [replace(each, pixels=self.pixels) for each in drawn]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for models.generation.loading and torch."""
    state: dict[str, Any] = {"generator": FakeGenerator(), "threads": None}

    def load_generator(spec: str, **how: Any) -> FakeGenerator:
        state["asked"] = (spec, how)
        generator: FakeGenerator = state["generator"]
        return generator

    module, torch = types.ModuleType("models.generation.loading"), types.ModuleType("torch")
    module.load_generator = load_generator  # type: ignore[attr-defined]
    torch.set_num_threads = lambda count: state.update(threads=count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "models.generation.loading", module)
    monkeypatch.setattr(models.generation, "loading", module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return state


def loaded(generator: FakeGenerator, loading: dict[str, Any]) -> GeneratorWorker:
    loading["generator"] = generator
    worker = GeneratorSpec("generator", "some-generator", threads=3).build()
    worker.load()
    return worker


def request(text: str, seed: int = 0, size: int = 32, **values: Any) -> PictureRequest:
    return PictureRequest(text, text_vector(text), seed=seed, size=size, **values)


def test_a_spec_travels_and_builds_its_worker(loading: dict[str, Any]) -> None:
    worker: Worker = pickle.loads(pickle.dumps(GeneratorSpec("generator", "some-generator", "cuda:1", 3))).build()
    assert worker.operations == {Operation.DRAW}
    assert (worker.device, worker.info) == ("cuda:1", None)
    with pytest.raises(WorkerDiedError, match="the generator is not loaded"):
        worker.run(Operation.DRAW, [request("rice")])
    worker.load()
    worker.self_test()
    assert loading["asked"] == ("some-generator", {"device": "cuda:1"})
    assert loading["threads"] == 3
    assert (worker.info, worker.device) == (GENERATOR, "cpu")


def test_pictures_of_one_size_are_drawn_together_and_all_keep_their_order(loading: dict[str, Any]) -> None:
    generator = FakeGenerator()
    worker = loaded(generator, loading)
    requests = [request("rice", 1), request("meat", 2, 16), request("rice", 3), request("pasta", 4, 16)]
    drawn = worker.run(Operation.DRAW, requests)
    assert [each.seed for each in drawn] == [1, 2, 3, 4]
    for wanted, found in zip(requests, drawn, strict=True):
        np.testing.assert_array_equal(found.pixels, drawing_of(wanted).pixels)
    assert generator.calls == [[32, 32], [16, 16]]


def test_a_batch_with_an_unfit_request_is_refused_before_any_is_drawn(loading: dict[str, Any]) -> None:
    generator = FakeGenerator(replace(GENERATOR, negative=False))
    worker = loaded(generator, loading)
    unfit: list[tuple[Payload, type[Exception], str]] = [
        ("soup", ItemError, "PictureRequest"),
        (request("rice", size=64), PictureRequestError, "no pictures of size 64; it offers 32, 16"),
        (PictureRequest("rice", size=32), PictureRequestError, "has no vector"),
        (request("rice", negative_text="meat"), PictureRequestError, "what not to draw"),
    ]
    for payload, error, sentence in unfit:
        with pytest.raises(error, match=sentence):
            worker.run(Operation.DRAW, [request("rice"), payload])
    assert generator.calls == []
    with pytest.raises(ValueError, match="a generator can't encode_text"):
        worker.run(Operation.ENCODE_TEXT, ["soup"])


def test_the_self_test_gives_what_the_generator_takes_and_looks_at_what_comes(loading: dict[str, Any]) -> None:
    for info in (GENERATOR, replace(GENERATOR, conditions="text", dim=0, encoder="")):
        generator = FakeGenerator(info)
        loaded(generator, loading).self_test()
        assert generator.calls == [[32]]
    generator = FakeGenerator()
    generator.pixels = np.zeros((32, 16, 3), np.uint8)
    with pytest.raises(SelfTestError, match="a bowl of soup can't be drawn"):
        loaded(generator, loading).self_test()


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 5, 3), np.uint8)],
    ids=["type", "grey", "oblong"],
)
def test_what_is_no_picture_fails(pixels: Any) -> None:
    assert isinstance(check_picture(DrawnPicture(pixels, 0)), Failed)
    assert isinstance(check_picture(pixels), Failed)
    assert isinstance(check_picture(DrawnPicture(np.zeros((4, 4, 3), np.uint8), 0)), Done)


class DrawsOnly(FakeWorker):
    operations = frozenset({Operation.DRAW})

    def __init__(self, info: GeneratorInfo) -> None:
        super().__init__()
        self.next_info = info


def test_a_generator_of_another_encoder_does_not_start() -> None:
    async def start(info: GeneratorInfo) -> GeneratorInfo | None:
        engine = LocalEngine([Lane("encoder", FakeWorker()), Lane("generator", DrawsOnly(info))])
        with pytest.raises(UnavailableError, match="the generator is not loaded"):
            _ = engine.generator
        try:
            await engine.start()
            return engine.generator
        finally:
            await engine.stop()

    assert asyncio.run(start(GENERATOR)) == GENERATOR
    reads_text = replace(GENERATOR, conditions="text", encoder="", dim=0)
    assert asyncio.run(start(reads_text)) == reads_text
    with pytest.raises(UnavailableError, match=r"trained on vectors of the encoder 0{12}, but the encoder in use is f"):
        asyncio.run(start(replace(GENERATOR, encoder="0" * 64)))


def test_its_lane_has_batches_of_its_own_size(loading: dict[str, Any]) -> None:
    async def main() -> None:
        generator = FakeGenerator()
        loading["generator"] = generator
        engine = LocalEngine.from_specs(
            [GeneratorSpec("generator", "x")],
            limits=LaneLimits(max_batch=100),
            own_limits={"generator": LaneLimits(max_batch=3)},
        )
        await engine.start()
        try:
            outcomes = await engine.submit(Operation.DRAW, [request("rice", seed) for seed in range(8)])
        finally:
            await engine.stop()
        assert [each.value.seed for each in outcomes if isinstance(each, Done)] == list(range(8))
        assert [len(call) for call in generator.calls] == [1, 3, 3, 2]  # the first is the self test

    assert request("x").vector is not None
    assert GENERATOR.dim == DIM
    asyncio.run(main())
