"""A vision tower whose later stages are trained."""

from __future__ import annotations

import torch
from timm.layers import DropPath
from torch import Tensor, nn

_CHUNK = 32  # photos at a time: more of them leave the caches of a CPU


class TunedTower(nn.Module):
    """A timm EfficientNet with its first stages frozen, and its batch norms at their pretrained statistics.

    Batches of a contrastive step are too small and too alike to estimate statistics from, and the tower must be at
    inference what it was in training; scales and shifts are trained.

    Args:
        trunk: timm's network without classifier; changed in place.
        frozen_stages: the stem and so many of its seven stages stay as they are; 0 trains the stem as well.
        drop_path: chance of leaving out the last residual branch, rising from 0 at the first (Huang et al. 2016).

    Raises:
        ValueError: the network has fewer stages than are to be frozen.
    """

    def __init__(self, trunk: nn.Module, *, frozen_stages: int, drop_path: float) -> None:
        super().__init__()
        stages: list[nn.Module] = list(trunk.blocks)  # type: ignore[arg-type]
        if not 0 <= frozen_stages <= len(stages):
            raise ValueError(f"frozen_stages must be between 0 and {len(stages)}, not {frozen_stages}")
        self.trunk = trunk
        self._frozen_stages = frozen_stages
        trunk.requires_grad_(True)
        if frozen_stages:
            for part in (trunk.conv_stem, trunk.bn1, *stages[:frozen_stages]):
                part.requires_grad_(False)
        blocks = [block for stage in stages for block in stage]  # type: ignore[attr-defined]
        for place, block in enumerate(blocks):
            if hasattr(block, "drop_path") and drop_path:
                block.drop_path = DropPath(drop_path * place / max(1, len(blocks) - 1))

    def train(self, mode: bool = True) -> TunedTower:
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """float (n, 3, size, size), normalised -> float32 (n, features)."""
        return torch.cat([self._features(chunk).float() for chunk in torch.split(pixels, _CHUNK)])

    def _features(self, pixels: Tensor) -> Tensor:
        trunk = self.trunk
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._frozen_stages == 0):
            x = trunk.bn1(trunk.conv_stem(pixels))  # type: ignore[operator]
            for stage in trunk.blocks[: self._frozen_stages]:  # type: ignore[index]
                x = stage(x)
        for stage in trunk.blocks[self._frozen_stages :]:  # type: ignore[index]
            x = stage(x)
        out: Tensor = trunk.forward_head(trunk.bn2(trunk.conv_head(x)))  # type: ignore[operator]
        return out

    def changed(self) -> dict[str, Tensor]:
        """The tensors that training may have changed, by their names in the trunk."""
        return {name: parameter for name, parameter in self.trunk.named_parameters() if parameter.requires_grad}
