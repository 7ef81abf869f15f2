import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.losses import (
    SemanticRegulariser,
    adaptive_triplet_loss,
    cosine_embedding_loss,
    info_nce,
    multi_label_cross_entropy,
    sigmoid_loss,
    soft_targets,
    structure_loss,
)


def _unit(n: int, dim: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=-1)


def _softmax_loss(scores: list[float], target: int) -> float:
    return -scores[target] + math.log(sum(math.exp(score) for score in scores))


@given(st.integers(1, 7), st.integers(0, 50), st.floats(0.5, 20))
def test_info_nce_equals_the_naive_one(n: int, seed: int, scale: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    total = 0.0
    for i in range(n):
        total += _softmax_loss([scale * float(left[i] @ right[j]) for j in range(n)], i)
        total += _softmax_loss([scale * float(left[j] @ right[i]) for j in range(n)], i)
    assert info_nce(left, right, scale).item() == pytest.approx(total / (2 * n), abs=1e-9)


@given(st.integers(1, 7), st.integers(0, 50), st.floats(-0.5, 0.9))
def test_cosine_embedding_loss_equals_the_naive_one(n: int, seed: int, margin: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    positive = sum(1 - float(left[i] @ right[i]) for i in range(n)) / n
    others = [max(0.0, float(left[i] @ right[j]) - margin) for i in range(n) for j in range(n) if i != j]
    expected = positive + (sum(others) / len(others) if others else 0.0)
    assert cosine_embedding_loss(left, right, margin).item() == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 50))
def test_multi_label_cross_entropy_equals_the_naive_one(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, hot = rng.normal(size=(n, classes)), rng.random((n, classes)) < 0.4
    rows = [
        sum(_softmax_loss(list(logits[i]), k) for k in range(classes) if hot[i, k]) / hot[i].sum()
        for i in range(n)
        if hot[i].any()
    ]
    value = multi_label_cross_entropy(torch.from_numpy(logits), torch.from_numpy(hot)).item()
    assert value == pytest.approx(sum(rows) / len(rows) if rows else 0.0, abs=1e-9)


def test_aligned_pairs_cost_less_than_swapped_ones() -> None:
    left = _unit(6, 8, 0)
    for loss in (lambda a, b: info_nce(a, b, 10.0), cosine_embedding_loss):
        assert loss(left, left) < loss(left, left.roll(1, 0))


def test_regulariser_is_one_classifier_for_both_sides() -> None:
    torch.manual_seed(0)
    regulariser = SemanticRegulariser(8, 3)
    labels = torch.eye(3, dtype=torch.bool)
    image, recipe = _unit(3, 8, 1).float(), _unit(3, 8, 2).float()
    assert sum(p.numel() for p in regulariser.parameters()) == 8 * 3 + 3 + 1
    optimiser = torch.optim.Adam(regulariser.parameters(), lr=0.1)
    before = regulariser(image, labels).item()
    for _ in range(50):
        optimiser.zero_grad()
        (regulariser(image, labels) + regulariser(recipe, labels)).backward()
        optimiser.step()
    assert regulariser(image, labels).item() < before / 2


@given(st.integers(1, 6), st.integers(0, 50), st.floats(0.5, 20), st.floats(-10, 5))
def test_sigmoid_loss_equals_the_naive_one(n: int, seed: int, scale: float, bias: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    total = 0.0
    for i in range(n):
        for j in range(n):
            logit = scale * float(left[i] @ right[j]) + bias
            total += math.log1p(math.exp(-logit if i == j else logit))
    assert sigmoid_loss(left, right, scale, bias).item() == pytest.approx(total / n, abs=1e-9)


@given(st.integers(1, 6), st.integers(0, 50), st.floats(0, 1))
def test_adaptive_triplet_loss_equals_the_naive_one(n: int, seed: int, margin: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    sides = []
    for q, t in ((left, right), (right, left)):
        hinges = [
            max(0.0, float(q[i] @ t[j]) - float(q[i] @ t[i]) + margin) for i in range(n) for j in range(n) if i != j
        ]
        violating = [hinge for hinge in hinges if hinge > 0]
        sides.append(sum(violating) / max(1, len(violating)))
    assert adaptive_triplet_loss(left, right, margin).item() == pytest.approx(sum(sides) / 2, abs=1e-9)


@given(st.integers(2, 6), st.integers(0, 50), st.floats(0.5, 20))
def test_info_nce_with_the_identity_as_soft_targets_is_the_plain_one(n: int, seed: int, scale: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    identity = torch.eye(n, dtype=torch.float64)
    assert info_nce(left, right, scale, identity).item() == pytest.approx(info_nce(left, right, scale).item())


@given(st.integers(1, 6), st.integers(0, 50), st.floats(0, 0.9))
def test_info_nce_with_soft_targets_equals_the_naive_one(n: int, seed: int, share: float) -> None:
    left, right = _unit(n, 4, seed), _unit(n, 4, seed + 1000)
    soft = soft_targets(_unit(n, 4, seed + 7), share, scale=2.0)
    total = 0.0
    for i in range(n):
        for j in range(n):
            total += float(soft[i, j]) * _softmax_loss([10 * float(left[i] @ right[k]) for k in range(n)], j)
            total += float(soft[i, j]) * _softmax_loss([10 * float(left[k] @ right[i]) for k in range(n)], j)
    assert info_nce(left, right, 10.0, soft).item() == pytest.approx(total / (2 * n), abs=1e-9)
    assert info_nce(right, left, 10.0, soft).item() == pytest.approx(total / (2 * n), abs=1e-9)


@given(st.integers(1, 6), st.integers(0, 50), st.floats(0, 0.9))
def test_soft_targets_are_distributions_that_favour_the_pair_and_its_like(n: int, seed: int, share: float) -> None:
    texts = _unit(n, 4, seed)
    targets = soft_targets(torch.cat([texts, texts[:1]]), share)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(n + 1, dtype=torch.float64))
    assert (targets.diagonal() >= 1 - share - 1e-12).all()
    # The copy of the first text gets as much of its neighbours' share as the first one itself.
    assert targets[0, n].item() == pytest.approx(targets[0, 0].item() - (1 - share))


@given(st.integers(2, 6), st.integers(0, 50), st.integers(1, 3))
def test_structure_loss_is_zero_where_neighbourhoods_are_kept_and_bounded_elsewhere(
    n: int, seed: int, levels: int
) -> None:
    rows = _unit(n, 4, seed)
    rotation = torch.linalg.qr(_unit(4, 4, seed + 1)).Q
    assert structure_loss(rows, 3.0 * rows @ rotation + 1.0, levels).item() == pytest.approx(0, abs=1e-6)
    assert 0 <= structure_loss(rows, _unit(n, 4, seed + 7), levels).item() <= math.log(2) + 1e-9
