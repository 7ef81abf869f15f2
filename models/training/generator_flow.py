"""Training of a flow: at a random time between noise and latents, say how they move."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.generation.flow import LatentFlow
from models.training.generator_alignment import AlignmentHead, alignment_loss
from models.training.generator_config import GeneratorTrainingConfig
from models.training.generator_data import GeneratorBatch
from models.training.optim import cpu_state, descend, follow, parameter_groups, schedule, set_rate
from models.training.run_folder import Stateful


class FlowTraining:
    """A network, its average, its optimiser and, where it is aligned, the head that predicts features.

    Args:
        network: on its device, trained in place.
        config: of the run.
    """

    def __init__(self, network: LatentFlow, config: GeneratorTrainingConfig) -> None:
        self.network, self._config = network, config
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.head: AlignmentHead | None = None
        if config.flow.align:
            self.head = AlignmentHead(network.config.widths[-1]).to(network.no_condition.device)
        self._trained = nn.ModuleList([network] if self.head is None else [network, self.head])
        groups = parameter_groups(self._trained, config.weight_decay, config.learning_rate)
        self._optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)

    def step(self, batch: GeneratorBatch, step: int, total: int) -> dict[str, float]:
        """One step of ``total``."""
        config = self._config
        set_rate(self._optimiser, schedule(step, total, config.warmup))
        with torch.autocast(batch.latents.device.type, torch.bfloat16, enabled=config.bfloat16):
            losses = flow_losses(self.network, batch, config.flow.forget, self.head)
        loss = losses["loss"]
        if "align" in losses:
            loss = loss + config.flow.align * losses["align"]
        descend(self._optimiser, loss, self._trained)
        follow(self.average, self.network, decay=config.ema_decay, step=step)
        return {name: value.item() for name, value in losses.items()}

    def parts(self) -> dict[str, Stateful]:
        """What a resumed run needs."""
        return self._networks() | {"average": self.average, "optimiser": self._optimiser}

    def exported(self) -> dict[str, Tensor]:
        """What a further training starts from beside the average."""
        return prefixed_state({f"{name}.": network for name, network in self._networks().items()})

    def start_from(self, average: Mapping[str, Tensor], training: Mapping[str, Tensor]) -> None:
        """Load what was exported; a head begins anew where there was none. Raises RuntimeError where it doesn't fit."""
        self.average.load_state_dict(dict(average))
        load_prefixed(self.network, training, "network.")
        if self.head is not None and any(name.startswith("head.") for name in training):
            load_prefixed(self.head, training, "head.")

    def _networks(self) -> dict[str, nn.Module]:
        return {"network": self.network} if self.head is None else {"network": self.network, "head": self.head}


def flow_losses(
    network: LatentFlow, batch: GeneratorBatch, forget: float, head: AlignmentHead | None = None
) -> dict[str, Tensor]:
    """``loss``, the mean squared error of the velocity on straight paths from noise to latents (Lipman et al. 2023), at
    times whose logit is normal (Esser et al. 2024), a share of the examples not told anything; with a head also
    ``align``, how far what it makes of inner features is from the targets, whatever the time (Yu et al. 2025).

    Raises:
        ValueError: there is a head but the batch has no targets.
    """
    n = len(batch.latents)
    time = torch.randn(n, device=batch.latents.device).sigmoid()
    noise = torch.randn_like(batch.latents)
    blank = torch.rand(n, device=batch.latents.device) < forget
    condition = torch.where(blank[:, None], network.no_condition, batch.condition)
    along = time[:, None, None, None]
    noisy = torch.lerp(noise, batch.latents, along)
    if head is None:
        return {"loss": _velocity_error(network(noisy, time, condition), batch.latents - noise)}
    if batch.targets is None:
        raise ValueError("a flow that is aligned needs batches with targets")
    found, features = network.with_features(noisy, time, condition)
    return {
        "loss": _velocity_error(found, batch.latents - noise),
        "align": alignment_loss(head(features), batch.targets),
    }


def _velocity_error(found: Tensor, velocity: Tensor) -> Tensor:
    return (found.float() - velocity).square().mean()


def prefixed_state(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The tensors of all modules, those of each under its prefix; :func:`load_prefixed` reads them."""
    return {
        f"{prefix}{name}": tensor for prefix, module in modules.items() for name, tensor in cpu_state(module).items()
    }


def load_prefixed(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Load the tensors whose names begin so. Raises RuntimeError where they don't fit."""
    module.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    )
