from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import faiss_index
from index.faiss_index import Codes, FaissIndex
from index.types import CorruptIndexError, Float32Array, Hit, Selection
from tests.index.samples import DIM, unit, unit_rows

# Few distinct vectors and many pks: most ranks are ties.
POOL = unit_rows(6, seed=3)
pks = st.lists(st.integers(0, 60), min_size=1, max_size=30)


def naive_search(
    stored: dict[int, Float32Array], query: Float32Array, k: int, selection: Selection | None, codes: Codes
) -> list[Hit]:
    """All scores, one by one, then a sort."""
    scored = []
    for pk, vector in stored.items():
        if selection is not None and selection.include is not None and pk not in selection.include:
            continue
        if selection is not None and selection.exclude is not None and pk in selection.exclude:
            continue
        kept = vector.astype(np.float16).astype(np.float64) if codes == "fp16" else vector.astype(np.float64)
        scored.append((np.float32(kept @ query.astype(np.float64)), pk))
    scored.sort(key=lambda entry: (-entry[0], entry[1]))
    return [Hit(pk, float(np.clip(score, -1, 1))) for score, pk in scored[:k]]


def assert_same_hits(found: list[Hit], expected: list[Hit]) -> None:
    assert [hit.pk for hit in found] == [hit.pk for hit in expected]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-6)


def sorted_pks(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(sorted(set(values)), dtype=np.int64)


steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), pks, st.integers(0, 99)), min_size=1, max_size=8)
selections = st.one_of(
    st.none(),
    st.builds(Selection, include=pks.map(sorted_pks)),
    st.builds(Selection, exclude=pks.map(sorted_pks)),
    st.builds(Selection, include=pks.map(sorted_pks), exclude=pks.map(sorted_pks)),
    st.just(Selection(include=np.empty(0, dtype=np.int64))),
    st.just(Selection(exclude=np.empty(0, dtype=np.int64))),
)


@settings(max_examples=150)
@given(steps, selections, st.integers(1, 70), st.integers(0, 5), st.sampled_from(["fp16", "flat"]))
def test_it_answers_as_a_naive_search_does(
    changes: list[tuple[str, list[int], int]], selection: Selection | None, k: int, query: int, codes: Codes
) -> None:
    index, stored = FaissIndex(DIM, codes=codes), dict[int, Float32Array]()
    for operation, ids, seed in changes:
        if operation == "add":
            rows = POOL[np.random.default_rng(seed).integers(0, len(POOL), len(ids))]
            index.add(np.array(ids), rows)
            stored |= dict(zip(ids, rows, strict=True))
        else:
            assert index.remove(np.array(ids)) == len(set(ids) & stored.keys())
            for pk in ids:
                stored.pop(pk, None)
    assert index.pks().tolist() == sorted(stored)
    assert len(index) == len(stored)
    assert_same_hits(index.search(POOL[query], k, selection), naive_search(stored, POOL[query], k, selection, codes))


@pytest.mark.parametrize("codes", ["fp16", "flat"])
def test_order_is_exact_at_real_width_and_count(codes: Codes) -> None:
    rows = unit_rows(3000, seed=5, dim=96)
    rows[1000:2000] = rows[:1000]  # each of these is a tie of two
    index = FaissIndex(96, codes=codes)
    shuffled = np.random.default_rng(1).permutation(3000)
    index.add(shuffled, rows[shuffled])
    stored = dict(enumerate(rows))
    for seed in range(5):
        query = rows[seed]
        for k in (1, 2, 7, 500, 3000, 10**9):
            assert_same_hits(index.search(query, k), naive_search(stored, query, k, None, codes))


def test_a_tie_over_the_edge_of_k_goes_to_the_smallest_pks() -> None:
    index = FaissIndex(DIM)
    ids = np.arange(500)[::-1].copy()
    index.add(ids, np.repeat(unit()[None], 500, axis=0))
    assert [hit.pk for hit in index.search(unit(), 5)] == [0, 1, 2, 3, 4]
    hits = index.search(unit(), 3, Selection(exclude=np.arange(0, 100)))
    assert [hit.pk for hit in hits] == [100, 101, 102]


def least_alike(vectors: Float32Array) -> Float32Array:
    """A score that no vector stands for, with many ties."""
    worst = (vectors[:, None].astype(np.float64) * POOL[None, :2]).sum(axis=2).max(axis=1)
    return np.asarray(-np.abs(np.round(worst, 1)), dtype=np.float32)


@settings(max_examples=60)
@given(st.integers(0, 60), selections, st.integers(1, 70), st.sampled_from(["fp16", "flat"]), st.integers(1, 70))
def test_scoring_all_is_as_a_naive_search(
    size: int, selection: Selection | None, k: int, codes: Codes, step: int
) -> None:
    rows = unit_rows(61, seed=size)[:size]
    rows[size // 2 :] = POOL[3]
    index = FaissIndex(DIM, codes=codes)
    ids = np.random.default_rng(size).permutation(61)[:size]
    index.add(ids, rows)
    stored = {
        pk: row.astype(np.float16).astype(np.float32) if codes == "fp16" else row
        for pk, row in zip(ids, rows, strict=True)
    }
    passing = [
        pk
        for pk in stored
        if selection is None
        or (
            (selection.include is None or pk in selection.include)
            and (selection.exclude is None or pk not in selection.exclude)
        )
    ]
    scored = sorted((-float(least_alike(stored[pk][None])[0]), int(pk)) for pk in passing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faiss_index, "_SCORED_A_STEP", step)
        found = index.search_scored(least_alike, k, selection)
    assert [(hit.score, hit.pk) for hit in found] == [(-score, pk) for score, pk in scored[:k]]


def test_scoring_all_by_a_cosine_is_the_search() -> None:
    index, rows = FaissIndex(DIM), unit_rows(300, seed=4)
    index.add(np.arange(300), rows)
    query = unit(9).astype(np.float64)
    found = index.search_scored(lambda v: np.einsum("nd,d->n", v.astype(np.float64), query).astype(np.float32), 20)
    assert_same_hits(found, index.search(unit(9), 20))


def test_changes_do_not_wait_until_all_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_index, "_SCORED_A_STEP", 4)
    index = FaissIndex(DIM)
    index.add(np.arange(12), unit_rows(12))
    changed: list[bool] = []

    def change() -> None:
        index.remove(np.array([0, 5, 11]))
        index.add(np.array([6, 99]), unit_rows(2, seed=5))

    def score(vectors: Float32Array) -> Float32Array:
        if not changed:
            writer = threading.Thread(target=change, daemon=True)
            writer.start()
            writer.join(timeout=30)
            changed.append(not writer.is_alive())
        return least_alike(vectors)

    found = index.search_scored(score, 20)
    assert changed == [True]
    assert sorted(hit.pk for hit in found) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10], "0 was scored before it went"
    assert len(index.search_scored(least_alike, 20)) == 10


@pytest.mark.parametrize("scores", [np.zeros(2), np.zeros((3, 1)), np.array([0, np.nan, 1]), np.array([0, np.inf, 1])])
def test_scores_that_are_none_are_refused(scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    index = FaissIndex(DIM)
    index.add(np.arange(3), unit_rows(3))
    with pytest.raises(ValueError, match="3 vectors need as many finite scores"):
        index.search_scored(lambda _: scores.astype(np.float32), 2)
    with pytest.raises(ValueError, match="k must"):
        index.search_scored(least_alike, 0)
    assert index.remove(np.array([0])) == 1, "the lock was given back"


def test_scores_stay_in_range_although_float16_rounds() -> None:
    rows = unit_rows(300, seed=8)
    index = FaissIndex(DIM)
    index.add(np.arange(300), rows)
    scores = [hit.score for row in rows for hit in (*index.search(row, 1), *index.search(-row, 300))]
    assert max(scores) == 1.0
    assert min(scores) >= -1.0


def test_an_empty_index_or_selection_gives_no_hits() -> None:
    index = FaissIndex(DIM)
    assert index.search(unit(), 3) == []
    assert index.remove(np.array([1])) == 0
    index.add(np.array([], dtype=np.int64), np.empty((0, DIM), dtype=np.float32))
    index.add(np.array([4]), unit()[None])
    assert index.search(unit(), 3, Selection(include=np.array([5]))) == []
    assert index.search(unit(), 3, Selection(exclude=np.array([4]))) == []


@pytest.mark.parametrize(
    "query", [np.zeros(DIM), np.full(DIM, np.nan), np.ones(DIM), unit(dim=DIM + 1), unit_rows(2), np.float32(1)]
)
def test_a_bad_query_is_refused(query: Float32Array) -> None:
    index = FaissIndex(DIM)
    index.add(np.array([1]), unit()[None])
    with pytest.raises(ValueError, match="query must"):
        index.search(query, 1)


def test_bad_arguments_are_refused_before_anything_changes() -> None:
    index = FaissIndex(DIM)
    index.add(np.array([1]), unit()[None])
    rows = unit_rows(2)
    with pytest.raises(ValueError, match="k must"):
        index.search(unit(), 0)
    with pytest.raises(ValueError, match="unit norm"):
        index.add(np.array([1, 2]), rows * 2)
    with pytest.raises(ValueError, match="finite"):
        index.add(np.array([1, 2]), rows * np.float32(np.nan))
    with pytest.raises(ValueError, match="as many vectors"):
        index.add(np.array([1]), rows)
    with pytest.raises(ValueError, match=">= 0"):
        index.add(np.array([-1, 2]), rows)
    with pytest.raises(ValueError, match="dim"):
        FaissIndex(0)
    assert index.pks().tolist() == [1]


def test_of_a_pk_given_twice_the_last_vector_counts() -> None:
    index = FaissIndex(DIM, codes="flat")
    rows = unit_rows(2)
    index.add(np.array([7, 7]), rows)
    assert len(index) == 1
    assert np.array_equal(index.reconstruct([7, 8])[7], rows[1])


@pytest.mark.parametrize("codes", ["fp16", "flat"])
def test_a_saved_index_comes_back_as_it_was(tmp_path: Path, codes: Codes) -> None:
    index = FaissIndex(DIM, codes=codes)
    index.add(np.arange(50), unit_rows(50))
    index.remove(np.array([3, 4]))
    index.save(tmp_path / "a.index", seq=12, generation=3, catalogue="here")
    saved = FaissIndex.load(tmp_path / "a.index")
    assert (saved.seq, saved.generation, saved.catalogue, saved.index.codes) == (12, 3, "here", codes)
    assert saved.index.search(unit(4), 50) == index.search(unit(4), 50)
    saved.index.add(np.array([3]), unit()[None])
    assert len(saved.index) == 49
    assert [path.name for path in tmp_path.iterdir()] == ["a.index"]


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    FaissIndex(DIM).save(tmp_path / "a.index", seq=0, generation=1)
    assert len(FaissIndex.load(tmp_path / "a.index").index) == 0


def test_a_missing_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FaissIndex.load(tmp_path / "none.index")
    with pytest.raises(CorruptIndexError, match="read"):
        FaissIndex.load(tmp_path)


@pytest.mark.fault
def test_a_flipped_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = FaissIndex(DIM)
    index.add(np.arange(5), unit_rows(5))
    index.save(path, seq=1, generation=1)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(CorruptIndexError):
            FaissIndex.load(path)


@pytest.mark.fault
def test_a_truncated_file_is_found_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    index = FaissIndex(DIM)
    index.add(np.arange(5), unit_rows(5))
    index.save(path, seq=1, generation=1)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(CorruptIndexError):
            FaissIndex.load(path)


@pytest.mark.fault
def test_a_full_disk_leaves_the_file_saved_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.index"
    index = FaissIndex(DIM)
    index.save(path, seq=1, generation=1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    index.add(np.arange(5), unit_rows(5))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        index.save(path, seq=2, generation=1)
    assert FaissIndex.load(path).seq == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.index"]


def test_threads_may_search_while_others_change_it() -> None:
    index, rows = FaissIndex(DIM), unit_rows(200)
    index.add(np.arange(100), rows[:100])
    stop, failures = threading.Event(), list[BaseException]()

    def search() -> None:
        try:
            while not stop.is_set():
                hits = index.search(rows[0], 150)
                assert len({hit.pk for hit in hits}) == len(hits) >= 100
                assert hits[0].pk == 0
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    readers = [threading.Thread(target=search) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        index.add(np.arange(100, 200), rows[100:])
        index.remove(np.arange(100, 200))
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
