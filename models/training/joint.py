"""Training of the joint space over frozen towers: minutes on two CPU cores.

The recipe is im2recipe's (Salvador et al. 2017), made modern: InfoNCE in place of sampled cosine pairs, semantic
regularisation by one classifier shared by both sides, dropout of recipe components so that parts of a recipe work
alone, cached views of each photo as augmentation, photoless recipes as self-supervision, and averaged weights.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoint import Manifest, save_checkpoint
from models.data import DataError, RecipeExample, read_recipe_file, read_recipes
from models.joint.lite import LiteConfig
from models.joint.loading import parse_device
from models.joint.towers import lite_preprocess
from models.training.dataset import LineTable, TrainingSet, split_lines
from models.training.features import FeatureCache
from models.training.labels import build_labels
from models.training.objective import CorpusBatch, JointObjective, LossWeights, PairOptions
from models.training.optim import cpu_state, descend, follow, mean, parameter_groups, schedule, set_rate
from models.training.run_folder import FREE_SETTINGS, RunFolder, Stateful, run_settings
from models.training.start import Start, exported
from models.training.validation import Validation
from models.training.views import PLAIN_VIEWS, crop_views


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far training is: ``stage`` is "features", "steps" (of a long epoch) or "epochs"; ``metrics`` are those of the
    last epoch."""

    stage: str
    detail: str
    done: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)


OnProgress: TypeAlias = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class JointTrainingConfig:
    """Everything that decides a run.

    Attributes:
        data: folder with ``recipes.jsonl``; lines of split ``train`` that have a photo are trained on, those of
            ``val`` choose the epoch (without any, the last one is taken).
        out: run folder; it ends up holding an encoder that ``lite:OUT`` loads.
        text_corpus: ``.jsonl`` or ``.jsonl.gz`` of recipes without photos, or None.
        views: of each photo, one drawn at each step (see :mod:`models.training.views`).
        init: folder of trained weights to start from, whose shape then replaces ``model``.
        cache: where features of frozen towers are kept; None: ``features`` beside the run folder.
        resume: go on with an interrupted run of the same settings.
        corpus_limit, corpus_batch: photoless recipes used, and seen at each step.
        min_tag, min_word: how often a visible tag or a title word occurs to become a class.
        command, description, licence: for the manifest.
    """

    data: Path
    out: Path
    seed: int = 0
    epochs: int = 45
    batch_size: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    dropout: float = 0.5
    ema_decay: float = 0.99
    views: tuple[str, ...] = (*PLAIN_VIEWS, *crop_views(4))
    model: LiteConfig = field(default_factory=LiteConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    pairs: PairOptions = field(default_factory=PairOptions)
    min_tag: int = 12
    min_word: int = 20
    text_corpus: Path | None = None
    corpus_limit: int = 20_000
    corpus_batch: int = 512
    init: Path | None = None
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train joint"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        return run_settings(self, FREE_SETTINGS)


@dataclass(frozen=True, slots=True)
class JointTrainingResult:
    """``folder`` holds the encoder (``lite:FOLDER``); ``epoch`` was chosen; ``metrics`` are those of val at it."""

    folder: Path
    epoch: int
    metrics: Mapping[str, float]


def train_joint(config: JointTrainingConfig, on_progress: OnProgress | None = None) -> JointTrainingResult:
    """Train heads and recipe tower; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or has no photo to train on.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: backbones or initial weights are missing or changed.
    """
    report = on_progress or (lambda _: None)
    return _Run(config, report).train()


class _Run:
    def __init__(self, config: JointTrainingConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        self.start = Start.read(config.init, config.model)
        self.shape = self.start.shape
        train, val = training_examples(config.data)
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        cache = self._cache()
        labels = build_labels(train, min_tag=config.min_tag, min_word=config.min_word)
        self.set = TrainingSet(train, labels, cache, config.views)
        self.validation = Validation(val, cache) if val else None
        self.corpus = self._corpus(cache)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            heads = self.start.build_heads(config.dropout)
            objective = JointObjective(heads, self.shape.dim, self.set.class_features, config.loss, config.pairs)
        self.objective = objective.to(self.device)
        self.average = copy.deepcopy(self.objective.heads).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.objective, config.weight_decay, config.learning_rate), fused=True
        )

    def train(self) -> JointTrainingResult:
        first, best = self.folder.restore(self.folder.load_state(), self._parts())
        for epoch in range(first, self.config.epochs + 1):
            losses = self._epoch(epoch)
            metrics = self.validation.measure(self.average) if self.validation else {}
            record = {"epoch": epoch, **losses, **metrics}
            self.folder.log(record)
            if not best or metrics.get("score", math.inf) > best["metrics"].get("score", -math.inf):
                best = {"epoch": epoch, "metrics": metrics, "weights": cpu_state(self.average)}
            self.folder.save(epoch, best, self._parts())
            self.report(TrainingProgress("epochs", "", epoch, self.config.epochs, metrics))
        self._export(best)
        return JointTrainingResult(self.config.out, best["epoch"], best["metrics"])

    def _epoch(self, epoch: int) -> dict[str, float]:
        """One pass; everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        rng = np.random.default_rng([self.config.seed, epoch])
        count = max(1, round(len(self.set) / self.config.batch_size))
        batches = np.array_split(rng.permutation(len(self.set)), count)
        self.objective.train()
        first, total = (epoch - 1) * count, self.config.epochs * count
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed * 100_003 + epoch)
            return mean(self._step(rows, rng, first + i, total) for i, rows in enumerate(batches))

    def _step(self, rows: NDArray[np.int64], rng: np.random.Generator, step: int, total: int) -> dict[str, float]:
        set_rate(self.optimiser, schedule(step, total, self.config.warmup))
        batch = self.set.batch(rows, rng).to(self.device)
        parts = self.objective(batch, self._corpus_batch(rng))
        loss = torch.stack(list(parts.values())).sum()
        descend(self.optimiser, loss, self.objective)
        follow(self.average, self.objective.heads, decay=self.config.ema_decay, step=step)
        return {"loss": loss.item(), **{name: part.item() for name, part in parts.items()}}

    def _corpus_batch(self, rng: np.random.Generator) -> CorpusBatch | None:
        if self.corpus is None:
            return None
        chosen = rng.choice(len(self.corpus), min(self.config.corpus_batch, len(self.corpus)), replace=False)
        pairs = [pair for row in chosen if (pair := split_lines(self.corpus, int(row), rng))]
        if len(pairs) < 2:
            return None
        left, right = (self.corpus.gather([pair[side] for pair in pairs]) for side in (0, 1))
        return (left[0].to(self.device), left[1].to(self.device)), (right[0].to(self.device), right[1].to(self.device))

    def _cache(self) -> FeatureCache:
        def on_features(what: str, done: int, total: int) -> None:
            self.report(TrainingProgress("features", what, done, total))

        folder = self.config.cache or self.config.out.parent / "features"
        clip = self.start.build_clip().to(self.device, memory_format=torch.channels_last)
        return FeatureCache(
            folder,
            clip,
            lite_preprocess(self.shape.resize_mode, self.shape.image_size),
            on_features,
            vision=self.shape.vision,
            tuned=self.start.tuned,
        )

    def _corpus(self, cache: FeatureCache) -> LineTable | None:
        if self.config.text_corpus is None or not self.config.loss.corpus:
            return None
        examples = [example for example in read_recipe_file(self.config.text_corpus) if example.has_body]
        rng = np.random.default_rng([self.config.seed, 0])
        chosen = rng.permutation(len(examples))[: self.config.corpus_limit]
        return LineTable.build([examples[i] for i in sorted(chosen)], cache)

    def _parts(self) -> dict[str, Stateful]:
        return {"objective": self.objective, "average": self.average, "optimiser": self.optimiser}

    def _export(self, best: dict[str, Any]) -> None:
        # Names of folders say nothing elsewhere, and may say too much: only the last part goes into the manifest.
        settings = {
            name: value.rsplit(os.sep, 1)[-1] if name in ("data", "text_corpus", "init") and value else value
            for name, value in self.config.settings().items()
        }
        manifest = Manifest(
            model="tastespace-lite",
            config=self.shape,
            licence=self.config.licence,
            training={
                "command": self.config.command,
                "data": self.config.description,
                "seed": self.config.seed,
                "epoch": best["epoch"],
                "examples": len(self.set),
                "classes": len(self.set.labels.names),
                "settings": settings,
                **({"start": self.start.training} if self.start.training else {}),
            },
            metrics={"val, during training": best["metrics"]} if best["metrics"] else {},
        )
        save_checkpoint(self.config.out, exported(best["weights"], self.start.trunk), manifest)


def training_examples(data: Path) -> tuple[list[RecipeExample], list[RecipeExample]]:
    """What to train on, all of split ``train`` that has a photo, and what to choose the epoch by: whole recipes of
    ``val`` with a photo, if any.

    Raises:
        DataError: the data can't be read or has no photo to train on.
    """
    everything = read_recipes(data)
    train = with_photo(everything, "train")
    if not train:
        raise DataError(f"{data} has no line with a photo and split 'train'")
    return train, [example for example in with_photo(everything, "val") if example.has_body]


def with_photo(examples: list[RecipeExample], split: str) -> list[RecipeExample]:
    """The examples of a split that have a photo."""
    return [example for example in examples if example.split == split and example.image is not None]
