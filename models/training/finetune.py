"""Fine-tuning of the vision tower together with the heads, from trained heads on.

What frozen ImageNet features leave out of a dish the tower can learn once the heads say where to go: training both
from the start would wash the pretrained features out before the heads are any good (Kumar et al. 2022). The text
tower stays frozen: its features are cached, and a step costs little but the photos.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.checkpoint import Manifest, save_checkpoint
from models.joint.lite import LiteConfig
from models.joint.loading import parse_device
from models.joint.towers import lite_preprocess, normalise_pixels
from models.training.dataset import TrainingSet
from models.training.depthwise import quick_depthwise_gradients
from models.training.features import FeatureCache
from models.training.joint import JointTrainingResult, OnProgress, TrainingProgress, training_examples
from models.training.labels import build_labels
from models.training.memory import keep_freed_memory
from models.training.objective import JointObjective, LossWeights, PairOptions
from models.training.optim import cpu_state, descend, follow, mean, parameter_groups, schedule, set_rate
from models.training.photos import augmented_batches
from models.training.precision import half_precision
from models.training.run_folder import FREE_SETTINGS, RunFolder, Stateful, run_settings
from models.training.start import Start, exported
from models.training.tower import TunedTower
from models.training.validation import Validation


@dataclass(frozen=True, slots=True)
class FinetuneConfig:
    """Everything that decides a run; what is not explained here is as in
    :class:`models.training.joint.JointTrainingConfig`.

    Attributes:
        init: folder of trained weights to start from: heads, and towers if those were tuned before.
        tower_rate, head_rate: the highest learning rates of tower and heads.
        frozen_stages, drop_path: see :class:`models.training.tower.TunedTower`.
        train_size: side of the training crops in pixels. Crops show dishes larger than whole photos do, which a
            smaller side makes up for (Touvron et al. 2019), and costs less.
    """

    data: Path
    out: Path
    init: Path
    seed: int = 0
    epochs: int = 12
    batch_size: int = 256
    tower_rate: float = 3e-4
    head_rate: float = 5e-4
    weight_decay: float = 0.05
    warmup: float = 0.05
    dropout: float = 0.5
    drop_path: float = 0.1
    ema_decay: float = 0.99
    frozen_stages: int = 2
    train_size: int = 192
    loss: LossWeights = field(default_factory=LossWeights)
    pairs: PairOptions = field(default_factory=PairOptions)
    min_tag: int = 12
    min_word: int = 20
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train joint"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        return run_settings(self, FREE_SETTINGS)


def finetune_joint(config: FinetuneConfig, on_progress: OnProgress | None = None) -> JointTrainingResult:
    """Train vision tower and heads; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read, or a photo can't be decoded.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: backbones or initial weights are missing or changed.
    """
    keep_freed_memory()
    return _Finetuning(config, on_progress or (lambda _: None)).train()


class _Network(torch.nn.Module):
    """Tower and objective, trained as one."""

    def __init__(self, tower: TunedTower, objective: JointObjective) -> None:
        super().__init__()
        self.tower = tower
        self.objective = objective


class _Finetuning:
    def __init__(self, config: FinetuneConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        self.start = Start.read(config.init, LiteConfig())
        self.shape = self.start.shape
        train, val = training_examples(config.data)
        self.photos = [example.image for example in train if example.image is not None]
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        self.spec = lite_preprocess(self.shape.resize_mode, self.shape.image_size)
        clip = self.start.build_clip()
        cache = FeatureCache(
            config.cache or config.out.parent / "features", clip, self.spec, self._features, vision=self.shape.vision
        )
        labels = build_labels(train, min_tag=config.min_tag, min_word=config.min_word)
        self.set = TrainingSet(train, labels, cache, views=())
        self.validation = Validation(val, cache, images=False) if val else None
        self.network = self._build(clip.visual.trunk).to(self.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            [
                *parameter_groups(self.network.tower, config.weight_decay, config.tower_rate),
                *parameter_groups(self.network.objective, config.weight_decay, config.head_rate),
            ],
            fused=True,
        )

    def train(self) -> JointTrainingResult:
        first, best = self.folder.restore(self.folder.load_state(), self._parts())
        with quick_depthwise_gradients(self.network.tower):
            for epoch in range(first, self.config.epochs + 1):
                losses = mean(self._epoch(epoch))
                metrics = self._validate()
                self.folder.log({"epoch": epoch, **losses, **metrics})
                if not metrics or not best or metrics["score"] > best["metrics"]["score"]:
                    best = {"epoch": epoch, "metrics": metrics, "weights": self._weights()}
                self.folder.save(epoch, best, self._parts())
                self.report(TrainingProgress("epochs", "", epoch, self.config.epochs, metrics))
        self._export(best)
        return JointTrainingResult(self.config.out, best["epoch"], best["metrics"])

    def _build(self, trunk: torch.nn.Module) -> _Network:
        config = self.config
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            heads = self.start.build_heads(config.dropout)
            objective = JointObjective(heads, self.shape.dim, self.set.class_features, config.loss, config.pairs)
        tower = TunedTower(trunk, frozen_stages=config.frozen_stages, drop_path=config.drop_path)
        return _Network(tower.to(memory_format=torch.channels_last), objective)

    def _epoch(self, epoch: int) -> Iterator[dict[str, float]]:
        """One pass; everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        count = max(1, round(len(self.set) / config.batch_size))
        batches = np.array_split(rng.permutation(len(self.set)), count)
        views = augmented_batches(
            self.photos, batches, replace(self.spec, size=config.train_size), (config.seed, epoch)
        )
        self.network.train()
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + epoch)
            for i, (rows, pixels) in enumerate(zip(batches, views, strict=True)):
                prepared = normalise_pixels(pixels, self.spec, self.device)
                yield self._step(rows, prepared, rng, (epoch - 1) * count + i, config.epochs * count)
                self.report(TrainingProgress("steps", f"epoch {epoch}", i + 1, count))

    def _step(
        self, rows: NDArray[np.int64], pixels: Tensor, rng: np.random.Generator, step: int, total: int
    ) -> dict[str, float]:
        set_rate(self.optimiser, schedule(step, total, self.config.warmup))
        # For the tower alone: it is all of the work, and the losses want float32.
        with half_precision(self.device):
            features = self.network.tower(pixels)
        batch = replace(self.set.batch(rows, rng).to(self.device), images=features)
        parts = self.network.objective(batch, None)
        loss = torch.stack(list(parts.values())).sum()
        descend(self.optimiser, loss, self.network)
        follow(self.average, self.network, decay=self.config.ema_decay, step=step)
        return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}}

    def _validate(self) -> dict[str, float]:
        if self.validation is None:
            return {}
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16):
            batches = self.validation.pixels(self.spec)
            features = [self.average.tower(normalise_pixels(pixels, self.spec, self.device)) for pixels in batches]
        return self.validation.measure(self.average.objective.heads, torch.cat(features))

    def _weights(self) -> dict[str, Tensor]:
        trunk = cpu_state(self.average.tower.trunk)
        changed = {name: trunk[name] for name in self.network.tower.changed()}
        # A tower that was tuned before may have changed in stages that are frozen now.
        return exported(cpu_state(self.average.objective.heads), {**self.start.trunk, **changed})

    def _features(self, what: str, done: int, total: int) -> None:
        self.report(TrainingProgress("features", what, done, total))

    def _parts(self) -> dict[str, Stateful]:
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def _export(self, best: dict[str, Any]) -> None:
        config = self.config
        manifest = Manifest(
            model="tastespace-lite",
            config=self.shape,
            licence=config.licence,
            training={
                "command": config.command,
                "data": config.description,
                "seed": config.seed,
                "epoch": best["epoch"],
                "examples": len(self.set),
                "classes": len(self.set.labels.names),
                "settings": {
                    name: Path(value).name if name in ("data", "init") else value
                    for name, value in config.settings().items()
                },
                "start": self.start.training,
            },
            metrics={"val, during training": best["metrics"]} if best["metrics"] else {},
        )
        save_checkpoint(config.out, best["weights"], manifest)
