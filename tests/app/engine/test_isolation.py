from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.checks import check_vector
from app.engine.isolation import is_out_of_memory, run_isolated
from app.engine.types import Done, Failed, Operation
from app.engine.workers import WorkerDiedError
from tests.app.engine.fakes import FakeWorker, vector


def isolated(worker: FakeWorker, texts: list[str]):  # type: ignore[no-untyped-def]
    return run_isolated(
        lambda payloads: worker.run(Operation.ENCODE_TEXT, payloads), texts, lambda value: check_vector(value, 4)
    )


@given(st.lists(st.sampled_from(["a", "bc", "poison", "unfit", "nan", "zero", "wide", "double", "short"]), min_size=1))
def test_only_the_bad_items_fail_whatever_the_mix(words: list[str]) -> None:
    texts = [f"{word}{number}" for number, word in enumerate(words)]
    outcomes = isolated(FakeWorker(), texts).outcomes
    assert len(outcomes) == len(texts)
    for text, outcome in zip(texts, outcomes, strict=True):
        if text[0] in "ab":
            assert isinstance(outcome, Done)
            assert outcome.value.tolist() == vector(text).tolist()
        else:
            assert isinstance(outcome, Failed)


@given(st.integers(1, 40), st.integers(1, 40))
def test_running_out_of_memory_halves_until_it_fits(count: int, memory: int) -> None:
    worker = FakeWorker()
    worker.memory = memory
    texts = [f"t{number}" for number in range(count)]
    result = isolated(worker, texts)
    assert [each.value.tolist() for each in result.outcomes] == [vector(text).tolist() for text in texts]
    assert result.unexplained == 0
    if count > memory:
        assert result.fits is not None
        assert memory / 2 - 1 < result.fits <= memory
    else:
        assert result.fits is None


def test_an_item_larger_than_memory_fails_alone() -> None:
    worker = FakeWorker()
    worker.memory = 0
    result = isolated(worker, ["a", "b"])
    assert result.outcomes == [Failed("there is not enough memory for this item")] * 2
    assert result.unexplained == 2


def test_details_are_safe_to_show(caplog: pytest.LogCaptureFixture) -> None:
    poison, unfit = isolated(FakeWorker(), ["poison", "unfit"]).outcomes
    assert poison == Failed("the model failed on this item (RuntimeError)")
    assert unfit == Failed("the text is unfit")
    assert "secret" in caplog.text, "the log must have what the client doesn't get"


def test_blame_is_counted_for_what_no_item_explains() -> None:
    assert isolated(FakeWorker(), ["unfit", "a"]).unexplained == 0
    assert isolated(FakeWorker(), ["poison", "nan", "a"]).unexplained == 2


def test_a_dead_worker_is_nobodys_fault() -> None:
    with pytest.raises(WorkerDiedError, match="SystemExit"):
        isolated(FakeWorker(), ["a", "die"])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("shape mismatch"), False),
    ],
)
def test_out_of_memory_is_told_apart(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
