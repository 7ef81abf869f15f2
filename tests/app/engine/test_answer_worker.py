from __future__ import annotations

import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models.reasoning
from app.engine.answer_worker import AnswerWorker
from app.engine.process import ProcessSpec
from app.engine.specs import ReasonerSpec
from app.engine.types import Operation, Payload, PhotoToAsk
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.reasoning.types import (
    MAX_QUESTION,
    AnswerOptionError,
    AnswerOptions,
    QuestionError,
    ReasonerInfo,
    ReasonerUnavailableError,
    Reasoning,
    ScoredAnswer,
)
from models.types import UInt8Array
from tests.app.fakes import COLOURS, REASONER, reasoning_of


class FakeReasoner:
    """Answers as the service's fake engine does; ``found`` replaces what it answers."""

    def __init__(self, info: ReasonerInfo = REASONER) -> None:
        self.info = info
        self.calls: list[tuple[list[str], AnswerOptions]] = []
        self.found: Reasoning | None = None

    def answer_pixels(self, pixels: UInt8Array, questions: list[str], options: AnswerOptions) -> list[Reasoning]:
        self.calls.append((questions, options))
        return [
            self.found or reasoning_of(each, question, options)
            for each, question in zip(pixels, questions, strict=True)
        ]


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for models.reasoning.loading and torch."""
    state: dict[str, Any] = {"reasoner": FakeReasoner(), "threads": None}

    def load_reasoner(spec: str, **how: Any) -> FakeReasoner:
        state["asked"] = (spec, how)
        reasoner: FakeReasoner = state["reasoner"]
        return reasoner

    module, torch = types.ModuleType("models.reasoning.loading"), types.ModuleType("torch")
    module.load_reasoner = load_reasoner  # type: ignore[attr-defined]
    torch.set_num_threads = lambda count: state.update(threads=count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "models.reasoning.loading", module)
    monkeypatch.setattr(models.reasoning, "loading", module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return state


def loaded(reasoner: FakeReasoner, loading: dict[str, Any]) -> AnswerWorker:
    loading["reasoner"] = reasoner
    worker = ReasonerSpec("reasoner", "some-reasoner", threads=3).build()
    worker.load()
    return worker


def ask(food: str, question: str = "what is it", **options: Any) -> PhotoToAsk:
    return PhotoToAsk(np.full((14, 14, 3), COLOURS[food], np.uint8), question, AnswerOptions(**options))


def test_a_spec_travels_and_builds_its_worker(loading: dict[str, Any]) -> None:
    worker: Worker = pickle.loads(pickle.dumps(ReasonerSpec("reasoner", "some-reasoner", "cuda:1", 3))).build()
    assert worker.operations == {Operation.ANSWER}
    assert (worker.device, worker.info, worker.is_alive, worker.abort()) == ("cuda:1", None, True, False)
    worker.load()
    worker.self_test()
    assert loading["asked"] == ("some-reasoner", {"device": "cuda:1"})
    assert loading["threads"] == 3
    assert (worker.info, worker.device) == (REASONER, "cpu")


def test_questions_with_the_same_options_are_answered_together_and_all_keep_their_order(
    loading: dict[str, Any],
) -> None:
    reasoner = FakeReasoner()
    asked = [ask("rice", top_k=2), ask("tomato"), ask("meat", " is there rice in it? ", top_k=2), ask("pasta")]
    found = loaded(reasoner, loading).run(Operation.ANSWER, asked)
    assert [each.answers[0].text for each in found] == ["rice", "tomato", "no", "pasta"]
    assert [len(each.answers) for each in found] == [2, 5, 2, 5]
    assert reasoner.calls == [
        (["what is it", "is there rice in it?"], AnswerOptions(top_k=2)),
        (["what is it", "what is it"], AnswerOptions()),
    ]


def test_a_batch_with_an_unfit_question_is_refused_before_any_is_answered(loading: dict[str, Any]) -> None:
    reasoner = FakeReasoner(replace(REASONER, grid=None))
    worker = loaded(reasoner, loading)
    small = PhotoToAsk(np.zeros((13, 14, 3), np.uint8), "what is it", AnswerOptions())
    unfit: list[tuple[Payload, type[Exception], str]] = [
        (small, ItemError, r"shape \(14, 14, 3\)"),
        ("soup", ItemError, "PhotoToAsk"),
        (ask("rice", " \n"), QuestionError, "the question is empty"),
        (ask("rice", "a" * (MAX_QUESTION + 1)), QuestionError, "at most 500 are taken"),
        (ask("rice", attention=True), AnswerOptionError, "no attention maps"),
    ]
    for payload, error, sentence in unfit:
        with pytest.raises(error, match=sentence):
            worker.run(Operation.ANSWER, [ask("rice"), payload])
    assert reasoner.calls == []
    with pytest.raises(ValueError, match="a reasoner can't caption"):
        worker.run(Operation.CAPTION, ["soup"])


def test_the_self_test_asks_for_maps_only_where_there_are_any(loading: dict[str, Any]) -> None:
    for grid in (None, (7, 7)):
        reasoner = FakeReasoner(replace(REASONER, grid=grid))
        loaded(reasoner, loading).self_test()
        assert [options.attention for _, options in reasoner.calls] == [grid is not None]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Reasoning(()), "found no answer"),
        (Reasoning((ScoredAnswer("x", float("nan")),)), "without a probability"),
    ],
)
def test_the_self_test_finds_a_reasoner_that_breaks_its_promise(
    loading: dict[str, Any], found: Reasoning, sentence: str
) -> None:
    reasoner = FakeReasoner()
    reasoner.found = found
    with pytest.raises(SelfTestError, match=f"a grey square can't be asked about: .*{sentence}"):
        loaded(reasoner, loading).self_test()


def test_a_worker_that_is_not_loaded_is_dead(loading: dict[str, Any]) -> None:
    with pytest.raises(WorkerDiedError, match="the reasoner is not loaded"):
        AnswerWorker("some-reasoner").run(Operation.ANSWER, [ask("rice")])
    worker = loaded(FakeReasoner(), loading)
    worker.close()
    worker.close()
    assert worker.info is None


def test_the_models_own_words_about_a_failed_load_are_passed_on() -> None:
    with pytest.raises(ReasonerUnavailableError, match="no reasoner is called 'nonsense'"):
        AnswerWorker("nonsense").load()


@pytest.mark.weights
def test_a_real_reasoner_answers_the_same_in_a_thread_and_in_a_process(tmp_path: Path) -> None:
    from tests.models.reasoning.samples import save_small

    save_small(tmp_path)
    spec = ReasonerSpec("reasoner", f"attend:{tmp_path}", threads=1)
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    options = AnswerOptions(top_k=3, attention=True)
    asked = [
        PhotoToAsk(photos[row], text, options) for row, text in ((0, "is it rice?"), (1, "what is it?"), (0, "🍚"))
    ]
    found: list[list[Reasoning]] = []
    for worker in (spec.build(), ProcessSpec(spec).build()):
        worker.load()
        try:
            worker.self_test()
            found.append([value for value in worker.run(Operation.ANSWER, asked) if isinstance(value, Reasoning)])
        finally:
            worker.close()
    here, there = found
    assert len(here) == len(there) == 3
    for one, other in zip(here, there, strict=True):
        assert replace(one, attention=None) == replace(other, attention=None)
        assert one.attention is not None
        assert other.attention is not None
        assert np.array_equal(one.attention, other.attention)
