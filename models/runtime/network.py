"""An encoder's network as the parts that a runtime computes one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.types import ImagePreprocess

Inputs: TypeAlias = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A module that runs by itself: tensors in, unit-norm rows (n, width) out.

    Args:
        module: in evaluation mode.
        probes: built-in inputs. The first one is what a trace sees, so its free dimensions should be greater than
            one; all of them are what a converted part is held against.
        shapes: of each input, -1 where any size goes.
        may_round: whether bfloat16 keeps the order of search results (measured: see :mod:`models.runtime.openvino`).
    """

    module: nn.Module
    probes: tuple[Inputs, ...]
    shapes: tuple[tuple[int, ...], ...]
    may_round: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """The parts of an encoder by name, and how many weights they have together."""

    parts: Mapping[str, Part]
    parameters: int


class Pixels(nn.Module):
    """Preprocessed pictures -> what a vision tower takes.

    uint8 (n, size, size, 3) -> float32 (n, 3, size, size), normalised, channels last in memory (twice as fast on a
    CPU under torch).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ImagePreprocess) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        return (pixels.permute(0, 3, 1, 2).float() / 255.0 - self.mean) / self.std
