"""Training of a generator of pictures in the latents of a trained autoencoder, as a flow or adversarially."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data import DataError, RecipeExample, read_recipes
from models.generation.conditions import ConditionCentring
from models.generation.flow import FlowSampling, LatentFlow
from models.generation.generator_weights import GeneratorManifest, save_generator_weights
from models.generation.weights import build_autoencoder
from models.joint.loading import parse_device
from models.registry import load_encoder
from models.training.generator_alignment import alignment_targets
from models.training.generator_config import GeneratorTrainingConfig
from models.training.generator_data import TrainingPictures, batches, photo_conditions, picture_latents
from models.training.generator_progress import GeneratorProgress, Sheet
from models.training.generator_start import GeneratorStart
from models.training.joint import OnProgress, TrainingProgress
from models.training.memory import keep_freed_memory
from models.training.optim import cpu_state, mean
from models.training.picture_data import PictureTable
from models.training.run_folder import RunFolder
from models.training.watch import DivergenceError, check_losses, check_spread

__all__ = ["DivergenceError", "GeneratorTrainingConfig", "GeneratorTrainingResult", "train_generator"]


@dataclass(frozen=True, slots=True)
class GeneratorTrainingResult:
    """``folder`` holds the generator; ``metrics`` are those after the last epoch (see
    :class:`models.training.generator_progress.GeneratorProgress`)."""

    folder: Path
    metrics: Mapping[str, float]


def train_generator(config: GeneratorTrainingConfig, on_progress: OnProgress | None = None) -> GeneratorTrainingResult:
    """Train a generator; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or has no photo to train on.
        DivergenceError: the losses are no numbers any more or far above what they were, or all pictures look alike.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: the joint encoder is missing or changed.
        GeneratorUnavailableError: the autoencoder or the generator to start from is missing, changed, or made for
            another encoder, autoencoder or backend.
    """
    keep_freed_memory()
    return _Run(config, on_progress or (lambda _: None)).train()


class _Run:
    def __init__(self, config: GeneratorTrainingConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        self.start = GeneratorStart.read(config)
        train, held = self._examples()
        self.cache = config.cache or config.out.parent / "pictures"
        self.encoder = load_encoder(config.encoder, device=config.device, cache=self.cache / "encoder")
        self.start.check_encoder(self.encoder.info)
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        coder = self.start.coder
        self.autoencoder = build_autoencoder(coder.manifest.config, coder.data, config.out).to(self.device)
        self.trainee = self.start.trainee(config, self.encoder.info.dim, self.autoencoder)
        self.pictures = self._learned(train)
        self.centring = ConditionCentring(self.encoder.info.dim).to(self.device)
        initial = self.start.initial
        self.centring.means.copy_(initial.means if initial else self.pictures.means())
        self.progress = self._progress(held or train)

    def train(self) -> GeneratorTrainingResult:
        config, state = self.config, self.folder.load_state()
        first, _ = self.folder.restore(state, self.trainee.parts())
        kept: dict[str, Any] = state["kept"] if state else {"metrics": {}, "baseline": None, "spreads": []}
        for epoch in range(first, config.epochs + 1):
            began = time.monotonic()
            losses = mean(self._epoch(epoch))
            trained = time.monotonic() - began
            baseline = check_losses(losses, kept["baseline"], epoch)
            metrics = self._measure(epoch)
            spreads = [*kept["spreads"], metrics["spread"]][-config.patience :]
            kept = {"metrics": metrics, "baseline": baseline, "spreads": spreads}
            pace = config.steps * config.batch_size / trained
            times = {"seconds": time.monotonic() - began, "samples_per_second": pace}
            record = {"epoch": epoch, **losses, **metrics, **times}
            self.folder.log({name: round(value, 5) for name, value in record.items()})
            check_spread(spreads, config.least_spread, config.patience)
            self._export(metrics, epoch)
            self.folder.save(epoch, {}, self.trainee.parts(), kept=kept)
            self.report(TrainingProgress("epochs", "", epoch, config.epochs, losses | metrics))
        return GeneratorTrainingResult(config.out, kept["metrics"])

    def _epoch(self, epoch: int) -> Iterator[dict[str, float]]:
        """Everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch, 1])
        total, began = config.epochs * config.steps, time.monotonic()
        rows = batches(len(self.pictures), config.batch_size, config.steps, (config.seed, epoch, 0))
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + epoch)
            for i, chosen in enumerate(rows):
                batch = self.pictures.batch(chosen, rng, self.centring, config.mix, self.device)
                losses = self.trainee.step(batch, (epoch - 1) * config.steps + i, total)
                pace = (i + 1) * config.batch_size / max(1e-9, time.monotonic() - began)
                detail = f"epoch {epoch}, {pace:,.0f} samples/s"
                self.report(TrainingProgress("steps", detail, i + 1, config.steps, losses))
                yield losses

    def _measure(self, epoch: int) -> dict[str, float]:
        network, config = self.trainee.average, self.config

        def draw(noise: Tensor, condition: Tensor, sampling: FlowSampling) -> Tensor:
            if isinstance(network, LatentFlow):
                return network.draw(noise, condition, None, sampling)
            latents: Tensor = network(noise, condition)
            return latents

        sampling = config.flow.sampling
        quick = replace(sampling, steps=min(config.val_steps, sampling.steps))
        metrics = self.progress.measure(draw, network.noise_shape, quick)
        varied = self.progress.save_sheet(config.out, epoch, draw, network.noise_shape, sampling)
        return metrics | {"spread_of_prompt": varied}

    def _examples(self) -> tuple[list[RecipeExample], list[RecipeExample]]:
        found: dict[str, list[RecipeExample]] = {"train": [], "val": []}
        for example in read_recipes(self.config.data):
            if example.image is not None and example.split in found:
                found[example.split].append(example)
        if not found["train"]:
            raise DataError(f"{self.config.data} has no photo whose split is 'train'")
        return found["train"], found["val"]

    def _learned(self, examples: Sequence[RecipeExample]) -> TrainingPictures:
        table, views, targets = self._table(examples), self.config.views, None
        digest = self.start.coder.latents_digest()
        latents = picture_latents(self.cache, table, self.autoencoder, digest, views, self._prepared)
        if self.config.flow.align:
            targets = alignment_targets(self.cache, table, views, self.device, self._prepared)
        vectors = photo_conditions(examples, self.encoder, self.cache, self._prepared)
        return TrainingPictures(latents, vectors, targets)

    def _table(self, examples: Sequence[RecipeExample]) -> PictureTable:
        photos = [example.image for example in examples if example.image is not None]
        return PictureTable(self.cache, photos, self.autoencoder.config.size, self._prepared)

    def _prepared(self, what: str, done: int, total: int) -> None:
        self.report(TrainingProgress(what, "", done, total))

    def _progress(self, examples: Sequence[RecipeExample]) -> GeneratorProgress:
        """Measured with the first photos and titles of val, if there are any."""
        config = self.config
        chosen = [each for each in examples if each.text.title][: config.val_pictures]
        if len(chosen) < 2:
            raise DataError(f"{config.data} has fewer than two photos with a title; nothing can be measured by them")
        table = self._table(chosen)
        titles = self.encoder.encode_texts([each.text.title for each in chosen])
        prompts = self.encoder.encode_texts(config.prompts)
        as_text = [torch.zeros(len(each), dtype=torch.long, device=self.device) for each in (titles, prompts)]
        conditions = [
            self.centring(torch.from_numpy(vectors).to(self.device), kinds)
            for vectors, kinds in zip((titles, prompts), as_text, strict=True)
        ]
        return GeneratorProgress(
            self.encoder,
            self.autoencoder,
            table.middle_squares(range(len(chosen))),
            conditions[0],
            self.centring.means[-1],
            Sheet(conditions[1], config.sheet_seeds),
        )

    def _export(self, metrics: Mapping[str, float], epoch: int) -> None:
        config = self.config
        before = self.start.initial.manifest.training if self.start.initial else {}
        manifest = GeneratorManifest(
            model="tastespace-pictures",
            backend=config.backend,
            network=self.trainee.average.config,
            autoencoder=self.autoencoder.config,
            encoder=self.encoder.info.fingerprint,
            encoder_name=self.encoder.info.name,
            licence=config.licence,
            sampling=config.flow.sampling,
            training={
                "command": config.command,
                "data": config.description,
                "seed": config.seed,
                "epoch": epoch,
                "photos": len(self.pictures),
                "samples": epoch * config.steps * config.batch_size + int(before.get("samples", 0)),
                "settings": _without_folders(config.settings()),
            },
            metrics={"during training, by what it knows": dict(metrics)},
        )
        average, means = cpu_state(self.trainee.average), self.centring.means
        save_generator_weights(config.out, average, means, self.start.coder, self.trainee.exported(), manifest)


def _without_folders(settings: dict[str, Any]) -> dict[str, Any]:
    """Of a path only the last part, the rest is this machine's affair."""
    folders = ("data", "autoencoder", "init")
    return {n: Path(value).name if n in folders and value else value for n, value in settings.items()}
