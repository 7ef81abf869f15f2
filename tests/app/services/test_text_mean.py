from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from app.engine.types import Failed, Operation, Outcome, Payload
from app.problems import Problem
from app.services.food_words import FOOD_WORDS
from app.services.text_mean import TextMean
from tests.app.fakes import FakeEngine, text_vector

pytestmark = pytest.mark.anyio


def test_the_words_are_many_distinct_and_clean() -> None:
    assert 100 <= len(FOOD_WORDS) <= 200
    assert len(set(FOOD_WORDS)) == len(FOOD_WORDS)
    assert all(word == " ".join(word.split()) and word for word in FOOD_WORDS)


async def test_it_is_the_mean_of_the_words_made_once() -> None:
    engine = FakeEngine()
    mean = TextMean(engine)
    found = await asyncio.gather(*(mean.get() for _ in range(5)))
    assert found[0] == pytest.approx(np.mean([text_vector(word) for word in FOOD_WORDS], axis=0), abs=1e-6)
    assert all(each is found[0] for each in found)
    assert [payload for _, payload in engine.encoded] == list(FOOD_WORDS)


async def test_a_cancelled_query_poisons_none_that_waits() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    mean = TextMean(engine)
    first, second = asyncio.create_task(mean.get()), asyncio.create_task(mean.get())
    while not engine.waiting:  # noqa: ASYNC110 - the engine of the tests has no event for it
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    engine.gate.set()
    assert np.isfinite(await second).all()


async def test_a_failure_is_not_kept() -> None:
    engine = FakeEngine()
    mean = TextMean(engine)
    engine.saturated = True
    with pytest.raises(Exception, match="capacity"):
        await mean.get()
    engine.saturated = False
    assert np.isfinite(await mean.get()).all()


async def test_a_refused_word_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()

    async def refuse(_: Operation, items: Sequence[Payload], **__: Any) -> list[Outcome[Any]]:
        return [Failed("too odd") for _ in items]

    monkeypatch.setattr(engine, "submit", refuse)
    with pytest.raises(Problem, match=FOOD_WORDS[0]):
        await TextMean(engine).get()
