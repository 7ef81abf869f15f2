import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.frechet import frechet_distance


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), width=st.integers(1, 6))
def test_it_is_the_distance_of_normal_distributions(seed: int, width: int) -> None:
    """Against the definition, whose square root of a matrix that is not symmetric is by its eigenvalues."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((40, width)), 2 * rng.standard_normal((50, width)) + 1
    covariance_a, covariance_b = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    root = np.sqrt(np.linalg.eigvals(covariance_a @ covariance_b).astype(complex)).sum().real
    naive = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(covariance_a + covariance_b) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(naive, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(naive, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, a + 3) == pytest.approx(9 * width, rel=1e-6)


def test_few_rows_are_enough_to_be_a_number() -> None:
    rng = np.random.default_rng(0)
    assert np.isfinite(frechet_distance(rng.standard_normal((2, 30)), rng.standard_normal((3, 30))))


@pytest.mark.parametrize("shapes", [((1, 4), (5, 4)), ((5, 4), (5, 3)), ((5,), (5,))])
def test_samples_that_cannot_be_compared_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="the samples must be"):
        frechet_distance(np.zeros(shapes[0]), np.zeros(shapes[1]))
