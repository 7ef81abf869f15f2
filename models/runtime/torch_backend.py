"""The parts of an encoder under torch, in float32: on any device, and what the other runtime is held against."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from models.runtime.network import Network
from models.runtime.types import Runtime
from models.types import Float32Array


class TorchBackend:
    """:class:`models.runtime.types.Backend` over the modules themselves, moved to ``device``."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self._modules = {name: part.module.eval().to(device) for name, part in network.parts.items()}
        self._parameters = network.parameters
        self._device = device

    @property
    def runtime(self) -> Runtime:
        return "torch"

    @property
    def parameters(self) -> int:
        return self._parameters

    @torch.inference_mode()
    def run(self, part: str, *inputs: NDArray[Any]) -> Float32Array:
        """See :class:`models.runtime.types.Backend`; errors are torch's own."""
        module = self._modules[part]
        rows: Float32Array = module(*(torch.tensor(each, device=self._device) for each in inputs)).float().cpu().numpy()
        return rows
