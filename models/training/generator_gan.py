"""Adversarial training of a generator of latents.

What is drawn is decoded by the frozen autoencoder and judged through a frozen classifier (Sauer et al. 2021), beside
decoded latents of photos, so that nobody is blamed for what decoding loses. A step looks either at whole pictures at
half their resolution, or at a quarter of each at the full one: both cost a fourth of whole pictures at the full one.
The discriminator sees real pictures with what is told of them, drawn ones with the same, and real ones with what is
told of another photo, so that matching counts as well as looks (Reed et al. 2016; Tao et al. 2022). All that it sees is
augmented in the same way (Zhao et al. 2020).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.generation.autoencoder import PictureAutoencoder
from models.generation.gan import LatentGenerator
from models.losses import info_nce
from models.training.augmentation import augmented
from models.training.generator_config import GeneratorTrainingConfig
from models.training.generator_data import GeneratorBatch
from models.training.generator_flow import load_prefixed, prefixed_state
from models.training.optim import descend, follow, parameter_groups, set_rate
from models.training.projected_critic import FeatureMixing, MatchingHead, ProjectedCritic, ProjectionNetwork
from models.training.run_folder import Stateful

_BETAS = (0.0, 0.99)
_LARGEST_GRADIENT = 10.0
_MATCHING_SCALE = 10.0
#: Of a batch, what is drawn once more from other noise, and how different that must be, relative to other photos.
_DRAWN_AGAIN, _DIFFERENT = 1 / 4, 0.7


class GanTraining:
    """Generator, its average, discriminators of both ways of looking, matching head and their optimisers.

    Args:
        network: on its device, trained in place.
        autoencoder: decodes; on the same device, not trained.
        config: of the run.
    """

    def __init__(
        self, network: LatentGenerator, autoencoder: PictureAutoencoder, config: GeneratorTrainingConfig
    ) -> None:
        self.network, self._config, self._autoencoder = network, config, autoencoder.requires_grad_(False)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        device, shape = autoencoder.mean.device, network.config
        self._eyes = ProjectionNetwork().to(device)
        self._mixing = FeatureMixing(shape.critic).to(device).to(memory_format=torch.channels_last)
        self.critics = _Critics(shape.critic, shape.condition)
        self.critics.to(device).to(memory_format=torch.channels_last)
        rate = config.learning_rate
        self._optimiser = torch.optim.Adam(parameter_groups(network, 0.0, rate), betas=_BETAS, fused=True)
        groups = parameter_groups(self.critics, 0.0, rate * config.gan.critic_rate)
        self._critic_optimiser = torch.optim.Adam(groups, betas=_BETAS, fused=True)

    def step(self, batch: GeneratorBatch, step: int, total: int) -> dict[str, float]:
        """One step of ``total``, of the discriminator and then of the generator, over the same drawn pictures."""
        config = self._config
        share = min(1.0, (step + 1) / max(1, round(config.warmup * total)))
        for optimiser in (self._optimiser, self._critic_optimiser):
            set_rate(optimiser, share)
        whole = bool(torch.rand(()) >= config.gan.parts)
        noise = torch.randn(len(batch.latents), *self.network.noise_shape, device=batch.latents.device)
        with torch.autocast(batch.latents.device.type, torch.bfloat16, enabled=config.bfloat16):
            with torch.no_grad():
                real = self._eyes(augmented(self._look(batch.latents, whole)))
            latents = self.network(noise, batch.condition)
            drawn = self._eyes(augmented(self._look(latents, whole)))
            mixed = self._mixing(drawn)
            values = self._teach_critics(real, mixed, batch.condition, whole)
            self.critics.requires_grad_(False)
            losses = self._generator_losses(drawn, mixed, batch.condition, whole)
            if config.gan.variety:
                losses["sameness"] = self._sameness(latents, batch)
        loss = losses["generator"] + config.gan.matching * losses.get("drawn_matching", 0.0)
        loss = loss + config.gan.variety * losses.get("sameness", 0.0)
        descend(self._optimiser, loss, self.network, largest=_LARGEST_GRADIENT)
        self.critics.requires_grad_(True)
        follow(self.average, self.network, decay=config.ema_decay, step=step)
        return values | {name: value.item() for name, value in losses.items()}

    def parts(self) -> dict[str, Stateful]:
        """What a resumed run needs."""
        return {
            "network": self.network,
            "average": self.average,
            "critics": self.critics,
            "optimiser": self._optimiser,
            "critic_optimiser": self._critic_optimiser,
        }

    def exported(self) -> dict[str, Tensor]:
        """What a further training starts from beside the average."""
        return prefixed_state({"network.": self.network, "critics.": self.critics})

    def start_from(self, average: Mapping[str, Tensor], training: Mapping[str, Tensor]) -> None:
        """Load what was exported. Raises RuntimeError where it doesn't fit."""
        self.average.load_state_dict(dict(average))
        load_prefixed(self.network, training, "network.")
        load_prefixed(self.critics, training, "critics.")

    def _look(self, latents: Tensor, whole: bool) -> Tensor:
        """Decoded pictures of half the side: (n, 3, S / 2, S / 2)."""
        seen = functional.avg_pool2d(latents, 2) if whole else quarters(latents)
        return self._autoencoder.decode(seen)

    def _teach_critics(
        self, real: Sequence[Tensor], mixed: Sequence[Tensor], condition: Tensor, whole: bool
    ) -> dict[str, float]:
        """A step of the discriminator by maps of real pictures and mixed ones of drawn pictures, and of the matching
        head where it is looked at whole pictures."""
        drawn = [each.detach() for each in mixed]
        losses = critic_losses(self.critics.looking(whole), self._mixing(real), drawn, condition)
        loss = losses["real"] + (losses["drawn"] + losses["mismatched"]) / 2
        if whole:
            losses["real_matching"] = self._matching_loss(real, condition)
            loss = loss + losses["real_matching"]
        descend(self._critic_optimiser, loss, self.critics, largest=_LARGEST_GRADIENT)
        return {name: value.item() for name, value in losses.items()}

    def _generator_losses(
        self, drawn: Sequence[Tensor], mixed: Sequence[Tensor], condition: Tensor, whole: bool
    ) -> dict[str, Tensor]:
        scores = self.critics.looking(whole)(mixed, condition)
        losses = {"generator": -_over_maps(scores)}
        if whole and self._config.gan.matching:
            losses["drawn_matching"] = self._matching_loss(drawn, condition)
        return losses

    def _sameness(self, latents: Tensor, batch: GeneratorBatch) -> Tensor:
        """Of some of the drawn latents, drawn once more from other noise."""
        count = max(1, round(_DRAWN_AGAIN * len(latents)))
        noise = torch.randn(count, *self.network.noise_shape, device=latents.device)
        return sameness(latents[:count], self.network(noise, batch.condition[:count]), batch.latents)

    def _matching_loss(self, maps: Sequence[Tensor], condition: Tensor) -> Tensor:
        found = self.critics.matching(maps).float()
        return info_nce(functional.normalize(found), functional.normalize(condition.float()), _MATCHING_SCALE)


class _Critics(nn.Module):
    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.whole, self.part = ProjectedCritic(width, condition), ProjectedCritic(width, condition)
        self.matching = MatchingHead(condition)

    def looking(self, whole: bool) -> ProjectedCritic:
        """The one of this way of looking."""
        return self.whole if whole else self.part


def critic_losses(
    critic: ProjectedCritic, real: Sequence[Tensor], drawn: Sequence[Tensor], condition: Tensor
) -> dict[str, Tensor]:
    """Hinge losses at mixed maps of real pairs, of drawn ones, and of real pictures with what is told of their
    neighbour; the mean over the places of each map, then over maps."""
    features = critic.features(real)
    return {
        "real": _over_maps([functional.relu(1 - each.float()) for each in critic.scores(features, condition)]),
        "drawn": _over_maps([functional.relu(1 + each.float()) for each in critic(drawn, condition)]),
        "mismatched": _over_maps(
            [functional.relu(1 + each.float()) for each in critic.scores(features, condition.roll(1, 0))]
        ),
    }


def sameness(one: Tensor, other: Tensor, real: Tensor) -> Tensor:
    """How much two drawings of the same conditions lack of seven tenths of the difference of two photos; 0: nothing.

    A photo has but one title, so nothing else asks for different pictures of one; noise is soon ignored (Mao et al.
    2019, whose ratio of differences has no such limit). Each pair counts by itself, since else a few kinds of pictures
    would do. Differences are absolute ones of latents at half their resolution and of equal power: to be paler or
    more blurred is no difference.

    Args:
        one, other: drawn latents, (m, channels, grid, grid), row by row of the same condition.
        real: latents of photos, (n, channels, grid, grid), n at least 2.
    """
    wanted = _DIFFERENT * _differences(real, real.roll(1, 0)).mean().detach()
    return functional.relu(1 - _differences(one, other) / wanted).mean()


def _differences(one: Tensor, other: Tensor) -> Tensor:
    small = [functional.avg_pool2d(each.float(), 2) for each in (one, other)]
    equal = [each * each.square().mean((1, 2, 3), keepdim=True).clamp_min(1e-6).rsqrt() for each in small]
    return (equal[0] - equal[1]).abs().mean((1, 2, 3))


def quarters(latents: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c, h / 2, w / 2): a window of each, where chance puts it. Chance is torch's."""
    n, _, rows, columns = latents.shape
    tops = torch.randint(0, rows - rows // 2 + 1, (n,)).tolist()
    lefts = torch.randint(0, columns - columns // 2 + 1, (n,)).tolist()
    windows = [
        each[:, top : top + rows // 2, left : left + columns // 2]
        for each, top, left in zip(latents, tops, lefts, strict=True)
    ]
    return torch.stack(windows).contiguous(memory_format=torch.channels_last)


def _over_maps(scores: Sequence[Tensor]) -> Tensor:
    return torch.stack([each.float().mean() for each in scores]).mean()
