"""When a training has gone wrong, so that it stops and says so instead of going on for hours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from models.types import ModelError

_EXPLOSION = 20.0
_WORSE = 1.5


class DivergenceError(ModelError):
    """A training has diverged; the message says how it was seen and what to try."""


def check_losses(
    losses: Mapping[str, float], baseline: Mapping[str, float] | None, epoch: int, *, explosion: float = _EXPLOSION
) -> dict[str, float]:
    """Compare the mean losses of an epoch with the least that each has been.

    Args:
        baseline: what the last call gave, None at first.
        explosion: how many times the least magnitude (or 1, where that is more) a loss may be.

    Returns:
        The baseline for the next epoch.

    Raises:
        DivergenceError: a loss is no finite number, or far above what it was.
    """
    least = dict(baseline or {})
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergenceError(
                f"the training diverged: {name} is {value} in epoch {epoch}; try a lower --learning-rate"
            )
        limit = explosion * max(1.0, least.get(name, math.inf))
        if abs(value) > limit:
            raise DivergenceError(
                f"the training diverged: {name} rose from {least[name]:.3g} to {value:.3g} in epoch {epoch}; "
                "try a lower --learning-rate"
            )
        least[name] = min(abs(value), least.get(name, math.inf))
    return least


def check_not_worse(
    name: str, value: float | None, least: float | None, epoch: int, *, worse: float = _WORSE
) -> float | None:
    """Compare an error on held-out data with the least that it has been; None stands for an error not measured.

    Args:
        least: what the last call gave, None at first.
        worse: how many times the least error it may be.

    Returns:
        The least error by now.

    Raises:
        DivergenceError: it is more.
    """
    if value is None or least is None:
        return value if least is None else least
    if value > worse * least:
        raise DivergenceError(
            f"the training diverged: {name} rose from {least:.3g} to {value:.3g} in epoch {epoch}; the weights of the "
            "epoch before are kept; try a lower --learning-rate or a smaller --adversarial"
        )
    return min(value, least)


def check_spread(spreads: Sequence[float], least: float, patience: int) -> None:
    """Raises DivergenceError where the last ``patience`` spreads, relative to that of photos, are all below
    ``least``: the generator draws the same picture whatever it is told."""
    recent = spreads[-patience:]
    if len(recent) == patience and max(recent) < least:
        raise DivergenceError(
            f"the training collapsed: for {patience} epochs drawn pictures differed less than {least:.0%} of what "
            "photos do; go on from an earlier state with a lower --learning-rate or another --seed"
        )
