import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.metrics import Ranks, ranks, retrieval_metrics
from models.types import Float32Array


def _naive_rank(queries: Float32Array, gallery: Float32Array, row: int) -> int:
    """Sort with the partner last among equals; its position is the rank."""
    scores = [float(queries[row] @ candidate) for candidate in gallery]
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i == row))
    return order.index(row) + 1


# Small whole numbers make ties common and arithmetic exact.
_pairs = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[arrays(np.float32, (n, 3), elements=st.integers(-2, 2)) for _ in range(2)])
)


@given(_pairs)
def test_ranks_equal_the_naive_ones_with_ties_against_the_model(pair: tuple[Float32Array, Float32Array]) -> None:
    queries, gallery = pair
    result = ranks(queries, gallery)
    assert result.rank.tolist() == [_naive_rank(queries, gallery, row) for row in range(len(queries))]
    scores = queries @ gallery.T
    assert result.tied.tolist() == [bool((np.delete(scores[i], i) == scores[i, i]).any()) for i in range(len(scores))]


@given(_pairs, st.randoms())
def test_ranks_do_not_depend_on_the_order_of_pairs(pair: tuple[Float32Array, Float32Array], random: object) -> None:
    queries, gallery = pair
    order = np.arange(len(queries))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert ranks(queries[order], gallery[order]).rank.tolist() == ranks(queries, gallery).rank[order].tolist()


def test_galleries_larger_than_a_chunk() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = (rng.normal(size=(2500, 8)).astype(np.float32) for _ in range(2))
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    expected = (scores >= scores.diagonal()[:, None] - 1e-6).sum(axis=1)
    np.testing.assert_array_equal(ranks(queries, gallery).rank, expected)


def test_constant_embeddings_find_nothing() -> None:
    constant = np.full((1500, 512), 512**-0.5, dtype=np.float32)
    metrics = retrieval_metrics(ranks(constant, constant))
    assert (metrics.medr, metrics.r10, metrics.ties) == (1500, 0, 1500)


def test_metrics_of_known_ranks() -> None:
    metrics = retrieval_metrics(Ranks(np.array([1, 2, 5, 6, 10, 11, 40, 1]), np.zeros(8, dtype=np.bool_)))
    assert (metrics.medr, metrics.r1, metrics.r5, metrics.r10) == (5.5, 25.0, 50.0, 75.0)


@pytest.mark.parametrize(
    ("queries", "gallery"),
    [
        (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)),
        (np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)),
        (np.full((2, 3), np.nan, np.float32), np.zeros((2, 3), np.float32)),
    ],
)
def test_unpaired_or_broken_rows_are_refused(queries: Float32Array, gallery: Float32Array) -> None:
    with pytest.raises(ValueError, match="queries and gallery"):
        ranks(queries, gallery)
