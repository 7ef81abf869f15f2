import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.captioning.style import StyleGate, mean_features


def _gate(*weight: float, bias: float = 0.0) -> StyleGate:
    return StyleGate(np.array(weight, dtype=np.float32), bias)


@settings(max_examples=30)
@given(st.lists(st.floats(-50, 50, width=32), min_size=6, max_size=6), st.floats(-50, 50))
def test_the_logistic_of_the_mean_feature(values: list[float], bias: float) -> None:
    maps = np.array(values, dtype=np.float32).reshape(1, 3, 2)
    [found] = _gate(0.5, -2.0, bias=bias).probabilities(maps)
    mean = maps[0].astype(np.float64).mean(axis=0)
    expected = 1 / (1 + np.exp(-(0.5 * mean[0] - 2.0 * mean[1] + bias)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_means_are_float32_and_odds_overflow_nowhere() -> None:
    maps = np.full((2, 4, 1), 1e4, dtype=np.float32)
    assert mean_features(maps).dtype == np.float32
    maps[1] *= -1
    np.testing.assert_array_equal(_gate(1e4).probabilities(maps), [1, 0])
    np.testing.assert_array_equal(_gate(1e4).is_dish(maps), [True, False])
