"""What a generator is told: vectors of the joint space, of whichever kind, made comparable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generation.types import MODALITIES, Modality


class ConditionCentring(nn.Module):
    """Joint vectors without the offset of their kind.

    Texts, recipes and photos lie in cones of their own (Liang et al. 2022): a generator trained on all of them would
    take the kind for content. The mean of each kind over the training set is a buffer, ``means`` (kinds, dim).
    """

    means: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("means", torch.zeros(len(MODALITIES), dim))

    def forward(self, vectors: Tensor, kinds: Tensor) -> Tensor:
        """Unit rows (n, dim) and their kinds, int64 (n,) -> (n, dim), each of norm sqrt(dim)."""
        return functional.normalize(vectors - self.means[kinds], dim=-1) * math.sqrt(self.dim)


def kind_numbers(modalities: Sequence[Modality], device: torch.device) -> Tensor:
    """int64 (n,): what :class:`ConditionCentring` calls these kinds."""
    return torch.tensor([MODALITIES.index(each) for each in modalities], device=device)
