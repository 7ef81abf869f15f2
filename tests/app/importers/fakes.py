"""An engine without a model, and what it takes to run imports through the real catalogue."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.engine.types import Done, EngineHealth, Failed, Operation, Outcome, Payload, Priority
from app.runtime import Runtime
from app.settings import Settings
from models.types import EncoderInfo, Float32Array, ImagePreprocess

DIM = 16


class HashEngine:
    """Vectors that depend on the payload alone; a text with ``unfit`` fails. Counts what it was asked to encode."""

    def __init__(self, *, fingerprint: str = "a" * 64, delay_s: float = 0.0) -> None:
        preprocess = ImagePreprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.encoder = EncoderInfo("hash", fingerprint, DIM, preprocess, "cpu", 0, "Apache-2.0")
        self.delay_s = delay_s
        self.encoded = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome]:
        await asyncio.sleep(self.delay_s)
        self.encoded += len(items)
        return [Failed("the text is unfit") if "unfit" in str(item) else Done(self._vector(item)) for item in items]

    def health(self) -> EngineHealth:
        return EngineHealth(ready=True, lanes=())

    def _vector(self, payload: Payload) -> Float32Array:
        data = payload.tobytes() if isinstance(payload, np.ndarray) else repr(payload).encode()
        seed = int.from_bytes(hashlib.sha256(self.encoder.fingerprint.encode() + data).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
        return vector / np.float32(np.linalg.norm(vector))


@asynccontextmanager
async def open_runtime(data_dir: Path, engine: HashEngine | None = None, **settings: Any) -> AsyncIterator[Runtime]:
    loaded = Settings.load(data_dir=data_dir, builtin_catalogue=False, **settings)
    async with Runtime.open(loaded, engine or HashEngine()) as runtime:
        yield runtime
