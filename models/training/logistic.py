"""Logistic regressions over vectors, many tags at once, and their calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from models.types import Float32Array

_ITERATIONS = 60
_RAREST = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """``weight`` (dim, tags), ``bias`` (tags,)."""

    weight: Float32Array
    bias: Float32Array

    def logits(self, vectors: Float32Array) -> Float32Array:
        """(n, dim) -> (n, tags)."""
        return np.asarray(vectors @ self.weight + self.bias, dtype=np.float32)


def fit_logistic(
    vectors: Float32Array, targets: NDArray[np.bool_], penalty: float, start: Logistic | None = None
) -> Logistic:
    """Minimise the log loss a photo, summed over tags, plus ``penalty`` times the squared weights (not the biases).

    Args:
        vectors: (n, dim). targets: bool (n, tags).
        start: where to begin; the minimum is the same, convex as the problem is.
    """
    x, y = torch.from_numpy(vectors), torch.from_numpy(targets.astype(np.float32))
    rate = y.mean(dim=0).clamp(_RAREST, 1 - _RAREST)
    weight = torch.zeros(x.shape[1], y.shape[1]) if start is None else torch.from_numpy(start.weight.copy())
    bias = torch.log(rate / (1 - rate)) if start is None else torch.from_numpy(start.bias.copy())

    def loss() -> Tensor:
        fit = binary_cross_entropy_with_logits(x @ weight + bias, y, reduction="sum") / len(x)
        return fit + penalty * weight.square().sum()

    _minimise([weight, bias], loss)
    return Logistic(weight.detach().numpy(), bias.detach().numpy())


def fit_platt(scores: Float32Array, targets: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope (positive) and offset that make ``slope * score + offset`` the log-odds of being true (Platt 1999).

    One pair of numbers for all tags: with the tags' own biases in the scores, more would fit noise.
    """
    x, y = torch.from_numpy(scores.ravel().astype(np.float64)), torch.from_numpy(targets.ravel().astype(np.float64))
    rate = float(y.mean().clamp(_RAREST, 1 - _RAREST))
    log_slope = torch.zeros((), dtype=torch.float64)
    offset = torch.tensor(float(np.log(rate / (1 - rate))), dtype=torch.float64)
    middle, spread = x.mean(), x.std().clamp_min(1e-9)
    standard = (x - middle) / spread

    def loss() -> Tensor:
        return binary_cross_entropy_with_logits(standard * log_slope.exp() + offset, y)

    _minimise([log_slope, offset], loss)
    slope = float(log_slope.detach().exp() / spread)
    return slope, float(offset.detach()) - slope * float(middle)


def log_loss(scores: Float32Array, targets: NDArray[np.bool_]) -> float:
    """The mean over photos of the log loss summed over tags, of log-odds (n, tags)."""
    x, y = torch.from_numpy(scores), torch.from_numpy(targets.astype(np.float32))
    return float(binary_cross_entropy_with_logits(x, y, reduction="sum")) / len(x)


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    """L-BFGS from where the parameters are, which are changed in place."""
    for parameter in parameters:
        parameter.requires_grad_()
    optimiser = torch.optim.LBFGS(parameters, max_iter=_ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
