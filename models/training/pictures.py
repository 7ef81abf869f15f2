"""Training of the autoencoder in whose latents generators draw.

The loss is the mean absolute error and a perceptual distance; a discriminator may join, for sharpness (Esser et al.
2021). Two things make the latents easy to draw in: noise is added to them, so that the decoder forgives small errors;
and at some steps they are halved in resolution and must decode to the halved picture, which keeps them as smooth as
pictures are (Kouzelis et al. 2025).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.data import DataError, read_recipes
from models.generation.autoencoder import PictureAutoencoder, from_pixels, to_pixels
from models.generation.weights import AutoencoderManifest, load_autoencoder_weights, save_autoencoder, unpack
from models.joint.loading import parse_device
from models.training.decoder_critic import DecoderCritic, balanced_backward, critic_loss
from models.training.joint import OnProgress, TrainingProgress
from models.training.memory import keep_freed_memory
from models.training.optim import cpu_state, descend, follow, mean, parameter_groups, schedule, set_rate
from models.training.perceptual import PerceptualNetwork
from models.training.picture_data import PictureTable, Rows, ahead, save_sheet
from models.training.pictures_config import AutoencoderTrainingConfig
from models.training.run_folder import RunFolder, Stateful
from models.training.watch import DivergenceError, check_losses, check_not_worse
from models.types import UInt8Array

__all__ = ["AutoencoderTrainingConfig", "AutoencoderTrainingResult", "DivergenceError", "train_autoencoder"]

_SHEET_COLUMNS, _SHEET_ROWS, _SHEET_FILE = 8, 4, "reconstructions.png"
_BATCH_OF_STATISTICS = 64


@dataclass(frozen=True, slots=True)
class AutoencoderTrainingResult:
    """``folder`` holds the autoencoder; ``metrics`` are those of val after the last epoch."""

    folder: Path
    metrics: Mapping[str, float]


def train_autoencoder(
    config: AutoencoderTrainingConfig, on_progress: OnProgress | None = None
) -> AutoencoderTrainingResult:
    """Train an autoencoder; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or has no photo to train on.
        DivergenceError: the losses are no numbers any more, or far above what they were.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: the backbone of the perceptual loss is missing or changed.
        GeneratorUnavailableError: the autoencoder to start from is missing or changed.
    """
    keep_freed_memory()
    return _Run(config, on_progress or (lambda _: None)).train()


class _Run:
    def __init__(self, config: AutoencoderTrainingConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        initial = load_autoencoder_weights(config.init) if config.init else None
        self.shape = initial.manifest.config if initial else config.model
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        self.photos, self.held = self._tables()
        self.judge = PerceptualNetwork().to(self.device)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = PictureAutoencoder(self.shape)
            self.critic = DecoderCritic()
        if initial and config.init:
            self.network.load_state_dict(unpack(initial.data, config.init))
        self.network.encoder.requires_grad_(not config.decoder_only)
        for network in (self.network, self.critic):
            network.to(self.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        groups = parameter_groups(self.network, config.weight_decay, config.learning_rate)
        self.optimiser = torch.optim.AdamW(groups, fused=True)
        groups = parameter_groups(self.critic, 0.0, config.learning_rate)
        self.critic_optimiser = torch.optim.AdamW(groups, betas=(0.0, 0.99), fused=True)

    def train(self) -> AutoencoderTrainingResult:
        state = self.folder.load_state()
        first, _ = self.folder.restore(state, self._parts())
        metrics: dict[str, float] = dict(state["metrics"]) if state else {}
        baseline = state["baseline"] if state else None
        least = state["least"] if state else None
        for epoch in range(first, self.config.epochs + 1):
            began = time.monotonic()
            losses = mean(self._epoch(epoch))
            baseline = check_losses(losses, baseline, epoch)
            metrics = self._validate()
            least = check_not_worse("val_absolute", metrics.get("val_absolute"), least, epoch)
            seconds = time.monotonic() - began
            pace = len(self.photos) / seconds
            record = {"epoch": epoch, **losses, **metrics, "seconds": seconds, "pictures_per_second": pace}
            self.folder.log({name: round(value, 5) for name, value in record.items()})
            self._export(metrics, epoch)
            self.folder.save(epoch, {}, self._parts(), metrics=metrics, baseline=baseline, least=least)
            self.report(TrainingProgress("epochs", "", epoch, self.config.epochs, losses | metrics))
        return AutoencoderTrainingResult(self.config.out, metrics)

    def _epoch(self, epoch: int) -> Iterator[dict[str, float]]:
        """One pass; everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        order = rng.permutation(len(self.photos))
        batches = [order[i : i + config.batch_size] for i in range(0, len(order), config.batch_size)]
        total = config.epochs * len(batches)
        began, done = time.monotonic(), 0
        squares = ahead(batches, (config.seed, epoch), self.photos.random_squares)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + epoch)
            for i, pixels in enumerate(squares):
                step = (epoch - 1) * len(batches) + i
                for optimiser in (self.optimiser, self.critic_optimiser):
                    set_rate(optimiser, schedule(step, total, config.warmup))
                adversarial = config.adversarial > 0 and step >= config.adversarial_from * total
                parts = self._step(from_pixels(torch.from_numpy(pixels).to(self.device)), rng, adversarial)
                follow(self.average, self.network, decay=config.ema_decay, step=step)
                done += len(pixels)
                pace = f"epoch {epoch}, {done / max(1e-9, time.monotonic() - began):,.0f} pictures/s"
                self.report(TrainingProgress("steps", pace, i + 1, len(batches), parts))
                yield parts

    def _step(self, pictures: Tensor, rng: np.random.Generator, adversarial: bool) -> dict[str, float]:
        config = self.config
        halved = bool(rng.random() < config.halved)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bfloat16):
            latents = self.network.bounded(pictures)
            if halved:
                latents, pictures = (functional.avg_pool2d(each, 2) for each in (latents, pictures))
            drawn = self.network.paint(latents + config.noise * torch.randn_like(latents)).float()
            absolute = (drawn - pictures).abs().mean()
            top, left, side = self._part_seen(pictures.shape[-1], rng)
            part = (..., slice(top, top + side), slice(left, left + side))
            perceptual = self.judge(drawn[part], pictures[part])
        loss = absolute + config.perceptual * perceptual
        values = {"loss": loss.item(), "absolute": absolute.item(), "perceptual": perceptual.item()}
        if not adversarial or halved:
            descend(self.optimiser, loss, self.network)
            return values
        return values | self._adversarial(drawn, drawn[part], pictures[part], loss)

    def _adversarial(self, drawn: Tensor, seen: Tensor, real: Tensor, loss: Tensor) -> dict[str, float]:
        """A step of the discriminator by ``seen``, a part of ``drawn``, and of the network by all losses."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            refusal = critic_loss(self.critic, real, seen)
        descend(self.critic_optimiser, refusal, self.critic)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            wanted = -self.critic(seen).float().mean()
        self.optimiser.zero_grad()
        balanced_backward(drawn, self.network.last_weight, loss, wanted, self.config.adversarial)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        return {"critic": refusal.item()}

    def _part_seen(self, size: int, rng: np.random.Generator) -> tuple[int, int, int]:
        side = min(self.config.perceptual_size, size)
        top, left = rng.integers(0, size - side + 1, 2)
        return int(top), int(left), side

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Of the averaged weights, on the middle squares of val; the first ones go onto the contact sheet."""
        if self.held is None:
            return {}
        sums = {"val_psnr": 0.0, "val_absolute": 0.0, "val_perceptual": 0.0}
        shown: list[UInt8Array] = []
        for rows in _batches(len(self.held), self.config.batch_size):
            pixels = torch.from_numpy(self.held.middle_squares(rows)).to(self.device)
            pictures = from_pixels(pixels)
            drawn = self.average.paint(self.average.bounded(pictures)).clamp(-1, 1)
            errors = (drawn - pictures).square().mean((1, 2, 3)).clamp_min(1e-10)
            sums["val_psnr"] += float((10 * torch.log10(4 / errors)).sum())
            sums["val_absolute"] += float((drawn - pictures).abs().mean()) * len(rows)
            sums["val_perceptual"] += float(self.judge(drawn, pictures)) * len(rows)
            if sum(map(len, shown)) < _SHEET_ROWS * _SHEET_COLUMNS:
                pairs = torch.stack([pixels, to_pixels(drawn)], 1).flatten(0, 1)
                shown.append(pairs.cpu().numpy())
        save_sheet(self.config.out / _SHEET_FILE, np.concatenate(shown)[: _SHEET_ROWS * _SHEET_COLUMNS], _SHEET_COLUMNS)
        return {name: value / len(self.held) for name, value in sums.items()}

    @torch.no_grad()
    def _measure_statistics(self) -> None:
        """Mean and deviation of the averaged network's latents over all photos, by channel."""
        if self.config.decoder_only:
            return  # they are the encoder's
        count, first, second = 0, torch.zeros(self.shape.channels), torch.zeros(self.shape.channels)
        for rows in _batches(min(len(self.photos), 2048), _BATCH_OF_STATISTICS):
            pictures = from_pixels(torch.from_numpy(self.photos.middle_squares(rows)).to(self.device))
            latents = self.average.bounded(pictures).cpu().double()
            count += latents.numel() // latents.shape[1]
            first = first + latents.sum((0, 2, 3))
            second = second + latents.square().sum((0, 2, 3))
        deviation = (second / count - (first / count).square()).clamp_min(1e-6).sqrt()
        self.average.mean.copy_(first / count)
        self.average.std.copy_(deviation)

    def _tables(self) -> tuple[PictureTable, PictureTable | None]:
        cache = self.config.cache or self.config.out.parent / "pictures"
        found: dict[str, list[Path]] = {"train": [], "val": []}
        for example in read_recipes(self.config.data):
            if example.image is not None and example.split in found:
                found[example.split].append(example.image)
        if not found["train"]:
            raise DataError(f"{self.config.data} has no photo whose split is 'train'")
        held = found["val"][: self.config.val_photos]

        def report(what: str, done: int, total: int) -> None:
            self.report(TrainingProgress(what, "", done, total))

        train = PictureTable(cache, found["train"], self.shape.size, report)
        return train, PictureTable(cache, held, self.shape.size, report) if held else None

    def _parts(self) -> dict[str, Stateful]:
        return {
            "network": self.network,
            "average": self.average,
            "critic": self.critic.critic,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def _export(self, metrics: Mapping[str, float], epoch: int) -> None:
        config = self.config
        self._measure_statistics()
        manifest = AutoencoderManifest(
            model="tastespace-autoencoder",
            config=self.shape,
            licence=config.licence,
            training={
                "command": config.command,
                "data": config.description,
                "seed": config.seed,
                "epoch": epoch,
                "photos": len(self.photos),
                "settings": config.settings() | {"data": config.data.name, "init": config.init and config.init.name},
            },
            metrics={"val, during training": dict(metrics)} if metrics else {},
        )
        save_autoencoder(config.out, cpu_state(self.average), manifest)


def _batches(count: int, size: int) -> Iterator[Rows]:
    return (np.arange(start, min(start + size, count)) for start in range(0, count, size))
