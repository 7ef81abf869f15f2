"""Networks small enough to convert in a moment."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.runtime.network import Network, Part


class Mean(nn.Module):
    """float (n, length, 4) -> unit-norm (n, 3): the mean over a dimension of any size, and a linear map."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(self.linear(x.mean(dim=1)), dim=-1)


class Untraceable(nn.Module):
    """A loop over values, which a trace freezes: right on its example, wrong elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(x.abs().sum())):
            x = x.roll(1, dims=-1)
        return functional.normalize(x.mean(dim=1), dim=-1)


def inputs(n: int, length: int, seed: int = 0) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return (np.random.default_rng(seed).standard_normal((n, length, 4)).astype(np.float32),)


def network(module: nn.Module | None = None, *, may_round: bool = False) -> Network:
    module = (module or Mean()).eval().requires_grad_(False)
    part = Part(module, (inputs(2, 3), inputs(1, 5, seed=1)), ((-1, -1, 4),), may_round=may_round)
    return Network({"mean": part}, sum(p.numel() for p in module.parameters()))
