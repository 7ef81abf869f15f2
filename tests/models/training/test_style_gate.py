import numpy as np
import pytest

from models.training.style_gate import fit_style_gate, gate_accuracy, spread_rows
from models.types import Float32Array


def _means(count: int, first: float, seed: int) -> Float32Array:
    """Means whose first number says what they are, whose second is dead, and whose third is noise."""
    drawn = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    drawn[:, 0] = 0.05 * drawn[:, 0] + first
    drawn[:, 1] = 0
    return drawn


def test_it_tells_apart_what_it_has_not_seen() -> None:
    gate = fit_style_gate(_means(60, 0.5, 0), _means(60, 0.1, 1))
    assert gate_accuracy(gate, _means(40, 0.5, 2), dish=True) == 1
    assert gate_accuracy(gate, _means(40, 0.1, 3), dish=False) == 1
    assert gate_accuracy(gate, _means(40, 0.1, 3), dish=True) == 0
    assert gate.weight.dtype == np.float32
    assert gate.weight[1] == 0
    assert abs(gate.weight[2]) < 0.1 * gate.weight[0]
    # Half way between the two it knows nothing.
    middle = np.array([[[0.3, 0, 0]]], dtype=np.float32)
    assert 0.3 < gate.probabilities(middle)[0] < 0.7


def test_a_larger_penalty_is_less_sure() -> None:
    dishes, others = _means(30, 0.5, 0), _means(30, 0.1, 1)
    sure, unsure = (fit_style_gate(dishes, others, penalty) for penalty in (1e-4, 1.0))
    assert sure.probabilities(dishes[:, None]).mean() > unsure.probabilities(dishes[:, None]).mean() > 0.5


def test_both_kinds_are_needed() -> None:
    with pytest.raises(ValueError, match="needs photos of dishes and others"):
        fit_style_gate(_means(3, 0, 0), _means(0, 0, 0))


def test_rows_at_even_distances() -> None:
    rows = np.arange(100, 200)
    assert spread_rows(rows, 100) is rows
    assert spread_rows(rows, 4).tolist() == [100, 133, 166, 199]
    assert len(set(spread_rows(rows, 99).tolist())) == 99
