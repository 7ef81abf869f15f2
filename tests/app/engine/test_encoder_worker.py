from __future__ import annotations

import asyncio
import pickle
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import models
from app.engine.encoder_worker import EncoderWorker
from app.engine.local import LocalEngine
from app.engine.process import ProcessSpec
from app.engine.specs import EncoderSpec
from app.engine.types import ENCODE_OPERATIONS, Done, Failed, Operation, Payload
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.types import EncoderInfo, EncoderUnavailableError, Float32Array, RecipeText, UInt8Array
from tests.app.engine.fakes import info

SHIPPED = Path(models.__file__).parent / "weights" / "tastespace-lite"


class FakeEncoder:
    """A joint encoder whose rows say what it was given; ``scale`` other than 1 makes it break its promise."""

    def __init__(self, scale: float = 1.0) -> None:
        self.info: EncoderInfo = info(dim=3)
        self.seen: list[object] = []
        self._scale = scale

    def _rows(self, count: int, axis: int) -> Float32Array:
        rows = np.zeros((count, 3), np.float32)
        rows[:, axis] = self._scale
        return rows

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        self.seen.append(pixels)
        return self._rows(len(pixels), 0)

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        self.seen.append(texts)
        return self._rows(len(texts), 1)

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        self.seen.append(recipes)
        return self._rows(len(recipes), 2)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for models.registry and torch; ``encoder`` is what it gives, ``asked`` what it was asked."""
    state: dict[str, Any] = {"encoder": FakeEncoder(), "threads": None}

    def load_encoder(spec: str, **how: Any) -> FakeEncoder:
        state["asked"] = (spec, how)
        encoder: FakeEncoder = state["encoder"]
        return encoder

    module, torch = types.ModuleType("models.registry"), types.ModuleType("torch")
    module.load_encoder = load_encoder  # type: ignore[attr-defined]
    torch.set_num_threads = lambda count: state.update(threads=count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "models.registry", module)
    monkeypatch.setattr(models, "registry", module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return state


def loaded(registry: dict[str, Any]) -> EncoderWorker:
    worker = EncoderSpec("encoder", "some-encoder", "cpu", threads=3).build()
    worker.load()
    return worker


def test_a_spec_travels_and_builds_its_worker(registry: dict[str, Any]) -> None:
    asked = EncoderSpec("encoder", "some-encoder", "cpu", threads=3, runtime="openvino", cache=Path("kept"))
    spec = pickle.loads(pickle.dumps(asked))
    worker: Worker = spec.build()
    assert worker.operations == ENCODE_OPERATIONS
    assert (worker.device, worker.info) == ("cpu", None)
    worker.load()
    worker.self_test()
    how = {"device": "cpu", "runtime": "openvino", "cache": Path("kept"), "threads": 3}
    assert registry["asked"] == ("some-encoder", how)
    assert registry["threads"] == 3
    assert worker.info == info(dim=3)
    worker.close()
    worker.close()
    assert worker.info is None


PIXELS = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("operation", "payload", "axis"),
    [
        (Operation.ENCODE_PIXELS, PIXELS, 0),
        (Operation.ENCODE_TEXT, "soup", 1),
        (Operation.ENCODE_RECIPE, RecipeText(title="soup"), 2),
    ],
)
def test_each_operation_reaches_its_method(
    registry: dict[str, Any], operation: Operation, payload: Payload, axis: int
) -> None:
    rows = loaded(registry).run(operation, [payload, payload])
    assert [row.tolist() for row in rows] == [np.eye(3)[axis].tolist()] * 2
    assert all(row.base is None for row in rows), "a row must not keep its batch alive"
    assert len(registry["encoder"].seen[-1]) == 2


@pytest.mark.parametrize(
    ("operation", "payload", "sentence"),
    [
        (Operation.ENCODE_PIXELS, np.zeros((8, 9, 3), np.uint8), r"shape \(8, 8, 3\)"),
        (Operation.ENCODE_PIXELS, np.zeros((8, 8, 3), np.float32), "uint8"),
        (Operation.ENCODE_PIXELS, "soup", "pixels"),
        (Operation.ENCODE_TEXT, "  \n", "blank"),
        (Operation.ENCODE_TEXT, PIXELS, "text"),
        (Operation.ENCODE_RECIPE, "soup", "RecipeText"),
    ],
)
def test_unfit_payloads_are_named(
    registry: dict[str, Any], operation: Operation, payload: Payload, sentence: str
) -> None:
    with pytest.raises(ItemError, match=sentence):
        loaded(registry).run(operation, [payload])


@pytest.mark.parametrize("scale", [0.0, 2.0, float("nan")])
def test_the_self_test_finds_an_encoder_that_breaks_its_promise(registry: dict[str, Any], scale: float) -> None:
    registry["encoder"] = FakeEncoder(scale)
    with pytest.raises(SelfTestError, match="encode_pixels does not give a unit vector of width 3"):
        loaded(registry).self_test()


def test_a_worker_that_is_not_loaded_is_dead() -> None:
    with pytest.raises(WorkerDiedError, match="not loaded"):
        EncoderWorker("some-encoder").run(Operation.ENCODE_TEXT, ["x"])


def test_the_models_own_words_about_a_failed_load_are_passed_on() -> None:
    with pytest.raises(EncoderUnavailableError, match="no encoder is called 'nonsense'"):
        EncoderWorker("nonsense").load()


@pytest.mark.weights
@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped weights (models/weights/tastespace-lite) are missing")
def test_a_process_makes_the_same_vectors_bit_for_bit() -> None:
    spec = EncoderSpec("encoder", "tastespace-lite", threads=1, runtime="torch")
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    work: list[tuple[Operation, Payload]] = [
        (Operation.ENCODE_PIXELS, pixels),
        (Operation.ENCODE_TEXT, "tomato soup"),
        (Operation.ENCODE_RECIPE, RecipeText("omelette", ("2 eggs",))),
    ]
    workers: list[Worker] = [spec.build(), ProcessSpec(spec).build()]
    for worker in workers:
        worker.load()
    try:
        for operation, payload in work:
            (here,), (there,) = (worker.run(operation, [payload]) for worker in workers)
            assert np.array_equal(np.asarray(here), np.asarray(there)), operation
        assert workers[0].info == workers[1].info
    finally:
        for worker in workers:
            worker.close()


@pytest.mark.weights
@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the shipped weights (models/weights/tastespace-lite) are missing")
def test_the_shipped_encoder_behind_the_engine() -> None:
    async def main() -> None:
        engine = LocalEngine.from_specs([EncoderSpec("encoder", "tastespace-lite", threads=2)])
        await engine.start()
        try:
            size = engine.encoder.preprocess.size
            rng = np.random.default_rng(0)
            pictures = [rng.integers(0, 256, (size, size, 3), np.uint8) for _ in range(3)]
            pixels, texts, recipes = await asyncio.gather(
                engine.submit(Operation.ENCODE_PIXELS, pictures),
                engine.submit(Operation.ENCODE_TEXT, ["tomato soup", " "]),
                engine.submit(Operation.ENCODE_RECIPE, [RecipeText(ingredients=("2 eggs",)), RecipeText("omelette")]),
            )
            assert texts[1] == Failed("the text must not be blank")
            for outcome in [*pixels, texts[0], *recipes]:
                assert isinstance(outcome, Done)
                assert outcome.value.shape == (engine.encoder.dim,)
                assert np.linalg.norm(outcome.value) == pytest.approx(1, abs=1e-3)
            assert engine.health().ready
        finally:
            await engine.stop()

    asyncio.run(main())
