"""What all trainings of this folder share: parameter groups, the rate's schedule, a step, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


def parameter_groups(module: nn.Module, weight_decay: float, rate: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only: biases, norms and temperatures go without. ``peak`` is the highest rate."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay, "lr": rate, "peak": rate},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0, "lr": rate, "peak": rate},
    ]


def set_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Give every group this share of its highest rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share


def schedule(step: int, total: int, warmup: float) -> float:
    """Linear warm-up over this share of the steps, then half a cosine down to 0; in [0, 1]."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def descend(
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    model: nn.Module,
    *,
    largest: float = 1.0,
    before_step: Callable[[], None] | None = None,
) -> None:
    """One step down the gradient of ``loss``, whose norm over ``model`` is held to ``largest``; ``before_step`` may
    change the gradients before that."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if before_step is not None:
        before_step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), largest)
    optimiser.step()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Move an exponential moving average of the trained weights; it follows quickly at first, so that the start is
    forgotten."""
    now = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        if fast.requires_grad:
            slow.lerp_(fast, 1 - now)


def cpu_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the weights that later steps leave alone."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def mean(values: Iterable[dict[str, float]]) -> dict[str, float]:
    """The mean of each entry over the records that have it."""
    found: dict[str, list[float]] = {}
    for record in values:
        for name, value in record.items():
            found.setdefault(name, []).append(value)
    return {name: sum(each) / len(each) for name, each in found.items()}
