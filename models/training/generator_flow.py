"""Training of a flow: at a random time between noise and latents, say how they move."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.generation.flow import LatentFlow
from models.training.generator_config import GeneratorTrainingConfig
from models.training.generator_data import GeneratorBatch
from models.training.optim import cpu_state, descend, follow, parameter_groups, schedule, set_rate
from models.training.run_folder import Stateful


class FlowTraining:
    """A network, its average and its optimiser.

    Args:
        network: on its device, trained in place.
        config: of the run.
    """

    def __init__(self, network: LatentFlow, config: GeneratorTrainingConfig) -> None:
        self.network, self._config = network, config
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        groups = parameter_groups(network, config.weight_decay, config.learning_rate)
        self._optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)

    def step(self, batch: GeneratorBatch, step: int, total: int) -> dict[str, float]:
        """One step of ``total``."""
        config = self._config
        set_rate(self._optimiser, schedule(step, total, config.warmup))
        with torch.autocast(batch.latents.device.type, torch.bfloat16, enabled=config.bfloat16):
            loss = flow_loss(self.network, batch, config.flow.forget)
        descend(self._optimiser, loss, self.network)
        follow(self.average, self.network, decay=config.ema_decay, step=step)
        return {"loss": loss.item()}

    def parts(self) -> dict[str, Stateful]:
        """What a resumed run needs."""
        return {"network": self.network, "average": self.average, "optimiser": self._optimiser}

    def exported(self) -> dict[str, Tensor]:
        """What a further training starts from beside the average."""
        return {f"network.{name}": tensor for name, tensor in cpu_state(self.network).items()}

    def start_from(self, average: Mapping[str, Tensor], training: Mapping[str, Tensor]) -> None:
        """Load what was exported. Raises RuntimeError where it doesn't fit."""
        self.average.load_state_dict(dict(average))
        load_prefixed(self.network, training, "network.")


def flow_loss(network: LatentFlow, batch: GeneratorBatch, forget: float) -> Tensor:
    """The mean squared error of the velocity on straight paths from noise to latents, (Lipman et al. 2023), at times
    whose logit is normal (Esser et al. 2024); a share of the examples is not told anything."""
    n = len(batch.latents)
    time = torch.randn(n, device=batch.latents.device).sigmoid()
    noise = torch.randn_like(batch.latents)
    blank = torch.rand(n, device=batch.latents.device) < forget
    condition = torch.where(blank[:, None], network.no_condition, batch.condition)
    along = time[:, None, None, None]
    found = network(torch.lerp(noise, batch.latents, along), time, condition)
    loss: Tensor = (found.float() - (batch.latents - noise)).square().mean()
    return loss


def load_prefixed(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Load the tensors whose names begin so. Raises RuntimeError where they don't fit."""
    module.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    )
