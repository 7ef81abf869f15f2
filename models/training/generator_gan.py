"""Adversarial training of a generator of latents.

The discriminator sees real latents with what is told of them, drawn ones with the same, and real ones with what is told
of another photo, so that matching counts as well as looks (Reed et al. 2016; Tao et al. 2022). All that it sees is
augmented in the same way (Zhao et al. 2020), here in the grid of latents: shifted, partly covered, mirrored.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.generation.gan import LatentGenerator, MatchingDiscriminator
from models.training.generator_config import GanOptions, GeneratorTrainingConfig
from models.training.generator_data import GeneratorBatch
from models.training.generator_flow import load_prefixed
from models.training.optim import cpu_state, follow, parameter_groups, set_rate
from models.training.run_folder import Stateful

_BETAS = (0.0, 0.9)
_SHIFT, _COVER = 1 / 8, 3 / 8
_LARGEST_GRADIENT = 10.0


class GanTraining:
    """Generator, its average, discriminator and their optimisers.

    Args:
        network: on its device, trained in place.
        config: of the run.
    """

    def __init__(self, network: LatentGenerator, config: GeneratorTrainingConfig) -> None:
        self.network, self._config = network, config
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        device = next(network.parameters()).device
        self.critic = MatchingDiscriminator(network.config)
        self.critic.to(device).to(memory_format=torch.channels_last)
        rate = config.learning_rate
        self._optimiser = torch.optim.AdamW(parameter_groups(network, 0.0, rate), betas=_BETAS, fused=True)
        groups = parameter_groups(self.critic, 0.0, rate * config.gan.critic_rate)
        self._critic_optimiser = torch.optim.AdamW(groups, betas=_BETAS, fused=True)

    def step(self, batch: GeneratorBatch, step: int, total: int) -> dict[str, float]:
        """One step of ``total``, of the discriminator and then of the generator."""
        config = self._config
        share = min(1.0, (step + 1) / max(1, round(config.warmup * total)))
        for optimiser in (self._optimiser, self._critic_optimiser):
            set_rate(optimiser, share)
        kind = batch.latents.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=config.bfloat16):
            drawn = self.network(self._noise(batch), batch.condition)
            losses = critic_losses(self.critic, batch, drawn.detach())
        values = {name: loss.item() for name, loss in losses.items()}
        total_loss = losses["real"] + (losses["drawn"] + losses["mismatched"]) / 2
        if step % config.gan.penalty_every == 0:
            penalty = matching_penalty(self.critic, batch, config.gan)
            values["penalty"] = penalty.item()
            total_loss = total_loss + penalty * config.gan.penalty_every
        _descend(self._critic_optimiser, total_loss, self.critic)
        self.critic.requires_grad_(False)
        with torch.autocast(kind, torch.bfloat16, enabled=config.bfloat16):
            loss = -self.critic(augmented(drawn), batch.condition).float().mean()
        _descend(self._optimiser, loss, self.network)
        self.critic.requires_grad_(True)
        follow(self.average, self.network, decay=config.ema_decay, step=step)
        return values | {"generator": loss.item()}

    def parts(self) -> dict[str, Stateful]:
        """What a resumed run needs."""
        return {
            "network": self.network,
            "average": self.average,
            "critic": self.critic,
            "optimiser": self._optimiser,
            "critic_optimiser": self._critic_optimiser,
        }

    def exported(self) -> dict[str, Tensor]:
        """What a further training starts from beside the average."""
        networks = {"network.": self.network, "critic.": self.critic}
        return {
            f"{prefix}{name}": tensor for prefix, each in networks.items() for name, tensor in cpu_state(each).items()
        }

    def start_from(self, average: Mapping[str, Tensor], training: Mapping[str, Tensor]) -> None:
        """Load what was exported. Raises RuntimeError where it doesn't fit."""
        self.average.load_state_dict(dict(average))
        load_prefixed(self.network, training, "network.")
        load_prefixed(self.critic, training, "critic.")

    def _noise(self, batch: GeneratorBatch) -> Tensor:
        return torch.randn(len(batch.latents), *self.network.noise_shape, device=batch.latents.device)


def critic_losses(critic: MatchingDiscriminator, batch: GeneratorBatch, drawn: Tensor) -> dict[str, Tensor]:
    """Hinge losses at real pairs, at drawn ones, and at real latents with what is told of their neighbour."""
    maps = critic.maps(augmented(torch.cat([batch.latents, drawn.to(batch.latents.dtype)])))
    n = len(batch.latents)
    real, fake = [each[:n] for each in maps], [each[n:] for each in maps]
    return {
        "real": functional.relu(1 - critic.scores(real, batch.condition).float()).mean(),
        "drawn": functional.relu(1 + critic.scores(fake, batch.condition).float()).mean(),
        "mismatched": functional.relu(1 + critic.scores(real, batch.condition.roll(1, 0)).float()).mean(),
    }


def matching_penalty(critic: MatchingDiscriminator, batch: GeneratorBatch, options: GanOptions) -> Tensor:
    """The matching-aware gradient penalty (Tao et al. 2022, equation 2): a power of the norm of the scores' gradient
    at real latents and what is told of them, averaged over the pairs."""
    latents, condition = (each.detach().requires_grad_(True) for each in (augmented(batch.latents), batch.condition))
    scores = critic(latents, condition).mean(1).sum()
    gradients = torch.autograd.grad(scores, (latents, condition), create_graph=True)
    squares = sum((each.flatten(1).square().sum(1) for each in gradients), torch.zeros((), device=latents.device))
    norm = (squares + 1e-12).sqrt()
    penalty: Tensor = options.penalty * norm.pow(options.penalty_power).mean()
    return penalty


def augmented(latents: Tensor) -> Tensor:
    """Latents (n, channels, grid, grid), each shifted by up to an eighth, half of them mirrored, half of them covered
    in a square of three eighths; differentiable. Chance is torch's."""
    n, _, rows, columns = latents.shape
    device = latents.device
    mirrored = torch.rand(n, device=device) < 0.5
    x = torch.where(mirrored[:, None, None, None], latents.flip(3), latents)
    limit = round(rows * _SHIFT)
    down, right = torch.randint(-limit, limit + 1, (2, n, 1), device=device)
    y_from = torch.arange(rows, device=device)[None] + down
    x_from = torch.arange(columns, device=device)[None] + right
    inside = ((y_from >= 0) & (y_from < rows))[:, :, None] & ((x_from >= 0) & (x_from < columns))[:, None]
    places = y_from.clamp(0, rows - 1)[:, :, None] * columns + x_from.clamp(0, columns - 1)[:, None]
    gathered = x.flatten(2).gather(2, places.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
    seen: Tensor = gathered * (inside & ~_covered(n, rows, columns, device))[:, None]
    return seen


def _covered(n: int, rows: int, columns: int, device: torch.device) -> Tensor:
    side = round(rows * _COVER)
    top, left = (torch.randint(1 - side, size, (n, 1), device=device) for size in (rows, columns))
    y, x = torch.arange(rows, device=device)[None], torch.arange(columns, device=device)[None]
    covered = ((y >= top) & (y < top + side))[:, :, None] & ((x >= left) & (x < left + side))[:, None]
    return covered & (torch.rand(n, device=device) < 0.5)[:, None, None]


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor, network: torch.nn.Module) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
    optimiser.step()
