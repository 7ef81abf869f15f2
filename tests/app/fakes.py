"""A deterministic engine without models: texts are bags of words, pictures the foods that their colours stand for."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image

from app.engine.types import (
    Done,
    EngineHealth,
    Failed,
    LaneHealth,
    LaneState,
    Operation,
    Outcome,
    Payload,
    Priority,
    SaturatedError,
    UnavailableError,
)
from models.types import EncoderInfo, Float32Array, ImagePreprocess, RecipeText

DIM = 64
COLOURS = {
    "tomato": (220, 30, 30),
    "salad": (40, 170, 50),
    "pasta": (240, 210, 90),
    "rice": (250, 250, 250),
    "meat": (120, 60, 30),
    "berry": (60, 40, 160),
}


def word_vector(word: str) -> Float32Array:
    """A fixed random unit vector for each word."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def text_vector(text: str) -> Float32Array:
    words = re.findall(r"\w+", text.lower()) or ["?"]
    total = np.sum([word_vector(word) for word in words], axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def pixels_vector(pixels: np.ndarray) -> Float32Array:
    """The sum of the foods whose colours the pixels are nearest to."""
    flat = pixels.reshape(-1, 3).astype(np.float32)
    names = list(COLOURS)
    palette = np.array([COLOURS[name] for name in names], dtype=np.float32)
    nearest = np.argmin(((flat[:, None] - palette[None]) ** 2).sum(axis=2), axis=1)
    shares = np.bincount(nearest, minlength=len(names)) / len(flat)
    total = np.sum([share * word_vector(name) for name, share in zip(names, shares, strict=True)], axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def picture(*foods: str, size: tuple[int, int] = (96, 64), format: str = "PNG") -> bytes:  # noqa: A002
    """A picture of vertical stripes, one a food."""
    image = Image.new("RGB", size)
    width = size[0] // len(foods)
    for place, food in enumerate(foods):
        right = size[0] if place == len(foods) - 1 else (place + 1) * width
        image.paste(COLOURS[food], (place * width, 0, right, size[1]))
    buffer = BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


class FakeEngine:
    """Implements :class:`app.engine.types.Engine`. ``gate``: when set to an unset event, work waits for it."""

    def __init__(self, *, fingerprint: str = "f" * 64) -> None:
        self.saturated = False
        self.unavailable = False
        self.gate: asyncio.Event | None = None
        self.encoded: list[tuple[Operation, Payload]] = []
        self.cancelled = 0
        self.waiting = 0
        self._started = False
        self.info = EncoderInfo(
            name="fake",
            fingerprint=fingerprint,
            dim=DIM,
            preprocess=ImagePreprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
            device="cpu",
            parameters=0,
            licence="Apache-2.0",
        )

    async def start(self) -> None:
        self._started = True

    async def stop(self) -> None:
        self._started = False

    @property
    def encoder(self) -> EncoderInfo:
        if not self._started:
            raise UnavailableError("the encoder is not loaded")
        return self.info

    async def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome]:
        if self.saturated:
            raise SaturatedError(2.5)
        if self.unavailable:
            raise UnavailableError("the worker died")
        if self.gate is not None:
            self.waiting += 1
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            finally:
                self.waiting -= 1
        self.encoded += [(operation, item) for item in items]
        return [self._one(item) for item in items]

    def health(self) -> EngineHealth:
        ready = self._started and not self.unavailable
        state = LaneState.READY if ready else LaneState.FAILED
        detail = "" if ready else "the worker died"
        lane = LaneHealth("encoder", state, detail, 0, 0, len(self.encoded), 0, "cpu")
        return EngineHealth(ready=ready, lanes=(lane,))

    @staticmethod
    def _one(item: Payload) -> Outcome:
        if isinstance(item, str):
            return Failed("the text is unfit") if "unfit" in item else Done(text_vector(item))
        if isinstance(item, RecipeText):
            text = " ".join([item.title, *item.ingredients, *item.instructions])
            return Failed("the recipe is unfit") if "unfit" in text else Done(text_vector(text))
        return Done(pixels_vector(item))
