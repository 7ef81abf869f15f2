"""Where the texts of the space lie: the mean vector of common food words."""

from __future__ import annotations

import asyncio

import numpy as np

from app.engine.types import Done, Engine, Operation
from app.problems import Problem
from app.services.food_words import FOOD_WORDS
from index.types import Float32Array

_WORDS_A_CALL = 32  # a query's share of the queue stays small


class TextMean:
    """Made by the first query that needs it and kept. Safe to call from many tasks of one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._making = asyncio.Lock()
        self._mean: Float32Array | None = None

    async def get(self) -> Float32Array:
        """(dim,) float32, the mean of the unit vectors of :data:`FOOD_WORDS`.

        A cancelled or failed call leaves nothing behind: the next one makes it anew. Raises EngineError; Problem if the
        model refuses a word.
        """
        if self._mean is None:
            async with self._making:
                if self._mean is None:
                    self._mean = await self._make()
        return self._mean

    async def _make(self) -> Float32Array:
        rows: list[Float32Array] = []
        for start in range(0, len(FOOD_WORDS), _WORDS_A_CALL):
            words = FOOD_WORDS[start : start + _WORDS_A_CALL]
            for word, outcome in zip(words, await self._engine.submit(Operation.ENCODE_TEXT, words), strict=True):
                if not isinstance(outcome, Done):
                    raise Problem("encoding-failed", f"The model can't encode the word {word!r}: {outcome.detail}")
                rows.append(outcome.value)
        return np.asarray(np.mean(rows, axis=0, dtype=np.float64), dtype=np.float32)
