"""Training of a captioner: an attention decoder over the cached maps of a frozen vision tower.

First it learns the words of captions, given those before them; then, where that is asked for, it is rewarded for
whole captions (see :mod:`models.training.self_critical`). General captions and names of dishes are learned by one
decoder, in mixed batches, told apart by their start tokens.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, DecoderConfig, Memory
from models.captioning.style import StyleGate
from models.captioning.types import CaptionStyle
from models.captioning.vocabulary import CaptionVocabulary
from models.captioning.weights import CaptionerManifest, save_captioner_weights
from models.data import DataError
from models.joint.lite import LiteConfig
from models.joint.loading import parse_device
from models.training.caption_data import CaptionedPhotos, CaptionSet, Rows, captioned_photos
from models.training.caption_loss import teacher_forced
from models.training.caption_validation import StyleValidation, finished, weighted_score
from models.training.captioner_config import CaptionerTrainingConfig
from models.training.feature_maps import MapCache
from models.training.joint import OnProgress, TrainingProgress
from models.training.memory import keep_freed_memory
from models.training.optim import cpu_state, descend, follow, mean, parameter_groups, schedule, set_rate
from models.training.run_folder import RunFolder, RunFolderError, Stateful
from models.training.self_critical import CaptionReward, self_critical_loss
from models.training.start import Start
from models.training.style_gate import MOST_PHOTOS, fit_style_gate, gate_accuracy, map_means, spread_rows

__all__ = ["CaptionerTrainingConfig", "CaptionerTrainingResult", "train_captioner"]


@dataclass(frozen=True, slots=True)
class CaptionerTrainingResult:
    """``folder`` holds the captioner; ``epoch`` was chosen; ``metrics`` are those of val at it."""

    folder: Path
    epoch: int
    metrics: Mapping[str, float]


def train_captioner(config: CaptionerTrainingConfig, on_progress: OnProgress | None = None) -> CaptionerTrainingResult:
    """Train a captioner; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or has no photo to train on.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: the backbone or the initial encoder is missing or changed.
    """
    keep_freed_memory()
    return _Run(config, on_progress or (lambda _: None)).train()


class _Run:
    def __init__(self, config: CaptionerTrainingConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        styles, held = self._read()
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        self.start = Start.read(config.init, LiteConfig(vision=config.vision))
        self.tower = self.start.map_tower(config.stage, config.image_size, self.device)
        self.vocabulary = CaptionVocabulary.build(
            {part.style: [words for captions in part.words for words in captions] for part in styles}, config.min_count
        )
        self.set = CaptionSet(styles, self.vocabulary)
        cache = MapCache(config.cache or config.out.parent / "maps", self.tower, self.start.tuned, self._mapped)
        self.maps = {view: cache.maps(self.set.photos, view) for view in dict.fromkeys(config.views)}
        self.validations = [
            StyleValidation(part, cache, self.tower, self.vocabulary, config.search_of(part.style))
            for part in held
            if part.style in self.vocabulary.styles
        ]
        self.reward = CaptionReward(styles) if config.self_critical_epochs else None
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.decoder = AttentionDecoder(self._shape(), dropout=config.dropout).to(self.device)
        self.average = copy.deepcopy(self.decoder).eval().requires_grad_(False)
        self.optimiser = self._optimiser(config.learning_rate)

    def train(self) -> CaptionerTrainingResult:
        config = self.config
        first, best = self._restore()
        for epoch in range(first, config.epochs + config.self_critical_epochs + 1):
            if epoch == config.epochs + 1:
                self._begin_self_critical(best)
            began = time.monotonic()
            losses = mean(self._epoch(epoch))
            metrics = self._validate()
            self.folder.log({"epoch": epoch, **losses, **metrics, "seconds": round(time.monotonic() - began, 1)})
            if not metrics or not best or metrics["score"] > best["metrics"]["score"]:
                best = {"epoch": epoch, "metrics": metrics, "weights": cpu_state(self.average)}
                # Whoever stops the run early has the best captioner so far.
                self._export(best)
            self.folder.save(epoch, best, self._parts(), second_stage=config.second_stage())
            total = config.epochs + config.self_critical_epochs
            self.report(TrainingProgress("epochs", "", epoch, total, losses | metrics))
        self._export(best)
        return CaptionerTrainingResult(config.out, best["epoch"], best["metrics"])

    def _epoch(self, epoch: int) -> Iterator[dict[str, float]]:
        """One pass; everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        config = self.config
        taught = epoch <= config.epochs
        rng = np.random.default_rng([config.seed, epoch])
        if taught:
            batches, base, total = self.set.epoch(config.batch_size, config.dish_share, rng), 0, config.epochs
        else:
            batches = self.set.photo_epoch(config.self_critical_batch, config.dish_share, rng)
            base, total = config.epochs, config.self_critical_epochs
        # Drawn words are made more likely under the distribution that they were drawn from, so without dropout.
        self.decoder.train(taught)
        words, began = 0, time.monotonic()
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + epoch)
            for i, rows in enumerate(batches):
                step, steps = (epoch - 1 - base) * len(batches) + i, total * len(batches)
                set_rate(self.optimiser, schedule(step, steps, config.warmup))
                with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bfloat16):
                    loss, parts = self._taught(rows, rng, step / steps) if taught else self._rewarded(rows, rng)
                self._descend(loss, step)
                words += int(self.set.lengths[rows].sum()) if taught else 0
                pace = f", {words / max(1e-9, time.monotonic() - began):,.0f} words/s" if taught else ""
                self.report(TrainingProgress("steps", f"epoch {epoch}{pace}", i + 1, len(batches), parts))
                yield {"loss": loss.item(), **parts}

    def _taught(self, rows: Rows, rng: np.random.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        batch = self.set.batch(rows)
        inputs, targets, lengths = (each.to(self.device) for each in (batch.inputs, batch.targets, batch.lengths))
        sampling = self.config.scheduled_sampling * progress
        memory = self._memory(batch.photos, rng)
        return teacher_forced(self.decoder, memory, inputs, targets, lengths, self.config.loss, sampling=sampling)

    def _rewarded(self, photos: Rows, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        if self.reward is None:
            raise RuntimeError("a rewarded step without a reward")
        starts = torch.tensor([[self.set.photo_starts[photo]] for photo in photos], device=self.device)
        return self_critical_loss(
            self.decoder,
            self._memory(photos, rng),
            starts,
            self.vocabulary,
            self.reward,
            photos,
            samples=self.config.samples,
            max_words=self.config.max_words,
        )

    def _memory(self, photos: Rows, rng: np.random.Generator) -> Memory:
        """What the decoder reads of these photos, each in a view drawn for it."""
        views = rng.integers(0, len(self.config.views), len(photos))
        stages = np.stack(
            [self.maps[self.config.views[view]].gather([photo])[0] for view, photo in zip(views, photos, strict=True)]
        )
        return self.decoder.memory(finished(self.tower, torch.from_numpy(stages)))

    def _descend(self, loss: Tensor, step: int) -> None:
        descend(self.optimiser, loss, self.decoder)
        follow(self.average, self.decoder, decay=self.config.ema_decay, step=step)

    def _validate(self) -> dict[str, float]:
        if not self.validations:
            return {}
        measured: dict[CaptionStyle, dict[str, float]] = {
            each.style: each.measure(self.average) for each in self.validations
        }
        flat = {f"{style}_{name}": value for style, found in measured.items() for name, value in found.items()}
        return flat | {"score": weighted_score(measured, self.config.dish_share)}

    def _begin_self_critical(self, best: dict[str, Any]) -> None:
        for network in (self.decoder, self.average):
            if best:
                network.load_state_dict(best["weights"])
        self.optimiser = self._optimiser(self.config.self_critical_rate)

    def _optimiser(self, rate: float) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameter_groups(self.decoder, self.config.weight_decay, rate), fused=True)

    def _shape(self) -> DecoderConfig:
        config = self.config
        return DecoderConfig(
            features=self.tower.width,
            vocabulary=len(self.vocabulary),
            values=config.values,
            hidden=config.hidden,
            embedding=config.embedding,
            attention=config.attention,
            tied=config.tied,
        )

    def _read(self) -> tuple[list[CaptionedPhotos], list[CaptionedPhotos]]:
        """What there is to train on, and to choose the epoch by."""
        config = self.config
        folders: dict[CaptionStyle, Path | None] = {"general": config.captions, "dish": config.recipes}
        train, val = [], []
        for style, folder in folders.items():
            if folder is None:
                continue
            train.append(captioned_photos(folder, "train", style, config.max_words))
            # Reading the other split has shown that the folder is sound: it has no photo of this one.
            with suppress(DataError):
                val.append(captioned_photos(folder, "val", style).first(config.val_photos))
        if not any(part.photos for part in train):
            raise DataError("there is no caption to train on; name a folder of captions or of recipes that has some")
        return [part for part in train if part.photos], [part for part in val if part.photos]

    @cached_property
    def _gate(self) -> StyleGate | None:
        """What tells the styles apart where there are two: of each as many photos, in the first view."""
        photos = self.set.photos_by_style
        if len(photos) < 2:
            return None
        maps, most = self.maps[self.config.views[0]], min(MOST_PHOTOS, *map(len, photos.values()))
        dishes, others = (
            map_means(self.tower, maps, spread_rows(photos[style], most)) for style in ("dish", "general")
        )
        return fit_style_gate(dishes, others)

    @cached_property
    def _gate_metrics(self) -> dict[str, float]:
        """The share of val photos of each style that the gate sends to it."""
        gate = self._gate
        if gate is None:
            return {}
        return {
            f"{each.style}_accuracy": gate_accuracy(
                gate, map_means(self.tower, each.maps, range(len(each.maps))), dish=each.style == "dish"
            )
            for each in self.validations
        }

    def _mapped(self, what: str, done: int, total: int) -> None:
        self.report(TrainingProgress("maps", what, done, total))

    def _restore(self) -> tuple[int, dict[str, Any]]:
        state = self.folder.load_state()
        if state is not None and state["epoch"] > self.config.epochs:
            if state["second_stage"] != self.config.second_stage():
                raise RunFolderError(
                    f"{self.config.out} is in its second stage with other settings ({state['second_stage']}); "
                    "can't resume it with these"
                )
            self.optimiser = self._optimiser(self.config.self_critical_rate)
        return self.folder.restore(state, self._parts())

    def _parts(self) -> dict[str, Stateful]:
        return {"decoder": self.decoder, "average": self.average, "optimiser": self.optimiser}

    def _export(self, best: dict[str, Any]) -> None:
        config = self.config
        paths = ("captions", "recipes", "init")
        manifest = CaptionerManifest(
            model="tastespace-captions",
            vision=self.tower.config,
            decoder=self._shape(),
            search=config.search,
            length_alphas={style: config.search_of(style).length_alpha for style in self.vocabulary.styles},
            styles=self.vocabulary.styles,
            licence=config.licence,
            training={
                "command": config.command,
                "data": config.description,
                "seed": config.seed,
                "epoch": best["epoch"],
                "captions": {style: len(rows) for style, rows in self.set.by_style.items()},
                "photos": {style: len(rows) for style, rows in self.set.photos_by_style.items()},
                "settings": {
                    name: Path(value).name if name in paths and value else value
                    for name, value in (config.settings() | config.second_stage()).items()
                },
            },
            metrics={
                name: measured
                for name, measured in (
                    ("val, during training", best["metrics"]),
                    ("automatic style, val", self._gate_metrics),
                )
                if measured
            },
        )
        save_captioner_weights(config.out, best["weights"], self.start.trunk, self.vocabulary, manifest, self._gate)
