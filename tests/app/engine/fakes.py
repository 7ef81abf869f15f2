"""A worker whose every step a test controls. Texts are its language: the text says what happens to it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.engine.types import ENCODE_OPERATIONS, Done, ModelInfo, Operation, Outcome, Payload, Value
from app.engine.workers import ItemError
from models.types import EncoderInfo, Float32Array, ImagePreprocess

PATIENCE_S = 30.0  # how long a test waits for what must happen; never asserted on


def info(fingerprint: str = "f" * 64, dim: int = 4) -> EncoderInfo:
    preprocess = ImagePreprocess(size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return EncoderInfo("fake", fingerprint, dim, preprocess, "cpu", 0, "Apache-2.0")


def vector(text: str) -> Float32Array:
    """What the fake answers: the text's characters summed up in a few ways, so that two texts rarely agree."""
    codes = [ord(each) for each in text]
    return np.array([1.0, len(codes), sum(codes), sum(i * c for i, c in enumerate(codes))], np.float32)


def values(outcomes: Sequence[Outcome[Any]]) -> list[list[float]]:
    return [each.value.tolist() if isinstance(each, Done) else [] for each in outcomes]


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


class FakeWorker:
    """Answers :func:`vector` of each text.

    A text holding ``poison`` makes the whole batch raise, ``unfit`` raises ItemError, ``die`` is a SystemExit,
    ``nan``, ``zero``, ``wide``, ``double`` and ``short`` give wrong answers. A batch of more than ``memory`` items
    runs out of memory. While ``gate`` is closed every batch blocks in :meth:`run`; ``entered`` counts the batches
    that came in.
    """

    operations: frozenset[Operation] = ENCODE_OPERATIONS
    device = "fake:0"
    is_alive = True

    def __init__(self) -> None:
        self.info: ModelInfo | None = None
        self.next_info: ModelInfo = info()
        self.batches: list[tuple[Operation, list[Payload]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.memory = 10**9
        self.loads = self.closes = self.self_tests = 0
        self.load_errors: list[BaseException] = []
        self.self_test_errors: list[BaseException] = []
        self.load_gate = threading.Event()
        self.load_gate.set()

    def abort(self) -> bool:
        return False

    def load(self) -> None:
        assert self.load_gate.wait(PATIENCE_S)
        self.loads += 1
        if self.load_errors:
            raise self.load_errors.pop(0)
        self.info = self.next_info

    def self_test(self) -> None:
        self.self_tests += 1
        if self.self_test_errors:
            raise self.self_test_errors.pop(0)

    def close(self) -> None:
        self.closes += 1
        self.info = None

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> list[Value]:
        self.batches.append((operation, list(payloads)))
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        texts = [str(each) for each in payloads]
        if len(texts) > self.memory:
            raise OutOfMemoryError("out of memory")
        for text in texts:
            if "die" in text:
                raise SystemExit(3)
            if "poison" in text:
                raise RuntimeError("secret: /home/cook/model.bin")
            if "unfit" in text:
                raise ItemError("the text is unfit")
        if any("short" in text for text in texts):
            return []
        return [self._answer(text) for text in texts]

    def wait_entered(self) -> None:
        """Wait until one more batch has come into :meth:`run`."""
        assert self.entered.acquire(timeout=PATIENCE_S)

    def forget_entered(self) -> None:
        while self.entered.acquire(blocking=False):
            pass

    def texts(self) -> list[list[str]]:
        return [[str(each) for each in batch] for _, batch in self.batches]

    @staticmethod
    def _answer(text: str) -> Value:
        if "nan" in text:
            return np.array([1, np.nan, 0, 0], np.float32)
        if "zero" in text:
            return np.zeros(4, np.float32)
        if "wide" in text:
            return np.ones(5, np.float32)
        if "double" in text:
            return np.ones(4, np.float64)
        return vector(text)


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
