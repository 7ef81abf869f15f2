import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.evaluation.kernel_distance import kernel_distance


def naive(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    def kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def among(rows: NDArray[np.float64]) -> float:
        return float(np.mean([kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]))

    return among(left) + among(right) - 2 * float(np.mean([kernel(x, y) for x in left for y in right]))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(2, 7), m=st.integers(2, 7), width=st.integers(1, 5))
def test_it_is_the_definition(seed: int, n: int, m: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((n, width)), 1 + 2 * rng.standard_normal((m, width))
    assert kernel_distance(left, right) == pytest.approx(naive(left, right), rel=1e-9, abs=1e-9)
    assert kernel_distance(right, left) == pytest.approx(naive(left, right), rel=1e-9, abs=1e-9)


def test_small_samples_of_one_distribution_are_0_apart_in_the_mean() -> None:
    """The biased estimate would be about 0.4 here."""
    rng = np.random.default_rng(0)
    found = [kernel_distance(rng.standard_normal((8, 3)), rng.standard_normal((8, 3))) for _ in range(3000)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert min(found) < 0


@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((5,), (5,))])
def test_samples_that_cannot_be_compared_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="the samples must be"):
        kernel_distance(np.zeros(shapes[0]), np.zeros(shapes[1]))
