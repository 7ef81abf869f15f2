from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.queries import Edit, Query, build_queries

tag_sets = st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1, max_size=8), min_size=1, max_size=14)


def sets(*words: str) -> list[frozenset[str]]:
    return [frozenset(word) for word in words]


def digests(count: int) -> list[str]:
    return [f"digest {number}" for number in range(count)]


def plain(query: Query) -> tuple[int, str | None, str | None, str, list[int], list[int]]:
    target = "".join(sorted(query.target))
    return query.reference, query.removed, query.added, target, query.right.tolist(), query.excluded.tolist()


def test_swaps_of_a_gallery_worked_out_by_hand() -> None:
    queries = build_queries(sets("a", "b", "ab", "bc"), digests(4), Edit.SWAP)
    assert sorted(map(plain, queries), key=str) == [
        (0, "a", "b", "b", [1], [0]),
        (1, "b", "a", "a", [0], [1]),
        (2, "a", "c", "bc", [3], [2]),
        (3, "c", "a", "ab", [2], [3]),
    ]


def test_additions_and_removals_worked_out_by_hand() -> None:
    gallery = sets("a", "b", "ab", "bc")
    added = build_queries(gallery, digests(4), Edit.ADD)
    assert sorted(map(plain, added), key=str) == [
        (0, None, "b", "ab", [2], [0]),
        (1, None, "a", "ab", [2], [1]),
        (1, None, "c", "bc", [3], [1]),
    ]
    removed = build_queries(gallery, digests(4), Edit.REMOVE)
    assert sorted(map(plain, removed), key=str) == [
        (2, "a", None, "b", [1], [2]),
        (2, "b", None, "a", [0], [2]),
        (3, "c", None, "b", [1], [3]),
    ]


def test_a_set_that_misses_one_of_four_is_right_and_one_of_three_is_not() -> None:
    # Of 'wxyz': 'xyz' shares 3 of 4, 'xy' 2 of 4; of 'wxy': 'xy' shares 2 of 3, below 0.7.
    (query,) = build_queries(sets("vxyz", "w", "xyz", "xy"), digests(4), Edit.SWAP, limit=1)
    assert query.reference == 0
    assert not len(build_queries(sets("vxy", "xy"), digests(2), Edit.SWAP))


def test_the_bound_itself_is_met() -> None:
    """Seven of ten is 0.7, though ten times 0.7 rounds to more than seven."""
    gallery = [frozenset("abcdefghiz"), frozenset("abcdefg"), frozenset("j")]
    found = [query for query in build_queries(gallery, digests(3), Edit.SWAP) if query.reference == 0]
    assert {query.removed for query in found} == {"h", "i", "z"}
    assert all(query.right.tolist() == [1] for query in found)


def test_copies_of_the_reference_are_neither_right_nor_ranked() -> None:
    queries = build_queries(sets("a", "b", "b"), ["same", "same", "other"], Edit.SWAP)
    assert plain(next(query for query in queries if query.reference == 0)) == (0, "a", "b", "b", [2], [0, 1])
    assert not build_queries(sets("a", "b"), ["same", "same"], Edit.SWAP)


@given(tag_sets, st.sampled_from(Edit), st.sampled_from([0.5, 0.7, 1.0]), st.integers(0, 5))
def test_right_answers_are_those_of_a_naive_reference(
    gallery: list[frozenset[str]], edit: Edit, jaccard: float, seed: int
) -> None:
    copies = ["one" if row % 5 == 0 else str(row) for row in range(len(gallery))]
    bound = Fraction(str(jaccard))
    expected = set()
    for row, tags in enumerate(gallery):
        removable = [None] if edit is Edit.ADD else sorted(tags)
        addable = [None] if edit is Edit.REMOVE else sorted(frozenset("abcdefgh") - tags)
        for removed in removable:
            for added in addable:
                target = (tags - {removed}) | ({added} if added else set())
                right = tuple(
                    other
                    for other, found in enumerate(gallery)
                    if copies[other] != copies[row]
                    and target
                    and Fraction(len(target & found), len(target | found)) >= bound
                )
                if right:
                    expected.add((row, removed, added, frozenset(target), right))
    queries = build_queries(gallery, copies, edit, jaccard=jaccard, seed=seed, limit=10_000)
    found_queries = [(q.reference, q.removed, q.added, q.target, tuple(q.right.tolist())) for q in queries]
    assert len(found_queries) == len(set(found_queries))
    known = frozenset().union(*gallery)
    # A tag that no photo has can be added on paper; nothing is drawn for it.
    assert set(found_queries) == {query for query in expected if query[2] is None or query[2] in known}


def test_the_draw_is_the_same_for_a_seed_and_shares_out_photos_and_tags() -> None:
    rng = np.random.default_rng(0)
    gallery = [frozenset(rng.choice(list("abcdefghij"), size, replace=False)) for size in rng.integers(1, 4, 120)]
    first = build_queries(gallery, digests(120), Edit.SWAP, limit=200, seed=3)
    assert list(map(plain, first)) == list(
        map(plain, build_queries(gallery, digests(120), Edit.SWAP, limit=200, seed=3))
    )
    assert list(map(plain, first)) != list(
        map(plain, build_queries(gallery, digests(120), Edit.SWAP, limit=200, seed=4))
    )
    assert len(first) == 200
    assert max(Counter(query.reference for query in first).values()) <= 2
    added = Counter(query.added for query in first)
    assert max(added.values()) <= 2 * min(added.values())


@pytest.mark.parametrize(
    ("gallery", "jaccard", "limit", "message"),
    [
        (sets("a", "b"), 0.0, 1, "jaccard"),
        (sets("a", "b"), 1.1, 1, "jaccard"),
        (sets("a", "b"), 0.7, 0, "at least one query"),
        (sets("a", ""), 0.7, 1, "without tags"),
        (sets("a"), 0.7, 1, "digests"),
    ],
)
def test_wrong_arguments_are_refused(gallery: list[frozenset[str]], jaccard: float, limit: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_queries(gallery, digests(2), Edit.SWAP, jaccard=jaccard, limit=limit)
