"""Training of a reasoner: two streams and their fusion over the cached maps of a frozen vision tower."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.data import DataError
from models.joint.lite import LiteConfig
from models.joint.loading import parse_device
from models.reasoning.calibration import Calibration
from models.reasoning.fusion import Memory
from models.reasoning.network import NetworkConfig, ReasoningNetwork, narrowing
from models.reasoning.questions import read_questions
from models.reasoning.vocabulary import ReasoningVocabulary
from models.reasoning.weights import ReasonerManifest, save_reasoner_weights
from models.training.caption_validation import finished
from models.training.feature_maps import MapCache
from models.training.gradient_modulation import (
    Coefficients,
    add_noise,
    coefficients,
    contributions,
    modulate_rates,
    stream_groups,
)
from models.training.joint import OnProgress, TrainingProgress
from models.training.memory import keep_freed_memory
from models.training.optim import cpu_state, descend, follow, mean, parameter_groups, schedule, set_rate
from models.training.question_only import QuestionOnlyBranch
from models.training.reasoner_config import ReasonerTrainingConfig
from models.training.reasoner_data import QuestionBatch, QuestionSet, Rows
from models.training.reasoner_loss import answer_loss, type_loss
from models.training.reasoner_space import PriorSpace
from models.training.reasoner_validation import ReasonerValidation
from models.training.run_folder import RunFolder, Stateful
from models.training.start import Start

__all__ = ["ReasonerTrainingConfig", "ReasonerTrainingResult", "train_reasoner"]


@dataclass(frozen=True, slots=True)
class ReasonerTrainingResult:
    """``folder`` holds the reasoner; ``epoch`` was chosen; ``metrics`` are those of val at it."""

    folder: Path
    epoch: int
    metrics: Mapping[str, float]


def train_reasoner(config: ReasonerTrainingConfig, on_progress: OnProgress | None = None) -> ReasonerTrainingResult:
    """Train a reasoner; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or has no question to train on.
        RunFolderError: the run folder holds another run.
        EncoderUnavailableError: the backbone or the initial encoder is missing or changed.
    """
    keep_freed_memory()
    return _Run(config, on_progress or (lambda _: None)).train()


class _Run:
    def __init__(self, config: ReasonerTrainingConfig, report: OnProgress) -> None:
        self.config, self.report = config, report
        self.device = parse_device(config.device)
        questions = read_questions(config.data, "train")
        self.folder = RunFolder(config.out, config.settings(), resume=config.resume)
        try:
            self.vocabulary = ReasoningVocabulary.build(
                questions, min_words=config.min_words, min_answers=config.min_answers
            )
        except ValueError as error:
            raise DataError(f"{config.data}: {error}; lower min_answers or give more questions") from error
        self.set = QuestionSet(questions, self.vocabulary, read=partial(narrowing, config.inputs))
        self.start = Start.read(config.init, LiteConfig(vision=config.vision))
        self.tower = self.start.map_tower(config.stage, config.image_size, self.device)
        cache = MapCache(config.cache or config.out.parent / "maps", self.tower, self.start.tuned, self._mapped)
        self.maps = {view: cache.maps(self.set.photos, view) for view in dict.fromkeys(config.views)}
        self.validation = self._held(cache)
        prior = PriorSpace(self.start, self.tower) if config.space else None
        self.space = prior.shape if prior is not None and config.inputs != "question" else None
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = ReasoningNetwork(self._shape(), dropout=config.dropout).to(self.device)
            self.branch = (
                QuestionOnlyBranch(config.hidden, len(self.vocabulary.answers)).to(self.device)
                if config.balance == "rubi"
                else None
            )
        if prior is not None:
            prior.fill(self.network, self.vocabulary, self.maps[config.views[0]])
        self.trained = nn.ModuleList([self.network, *([self.branch] if self.branch else [])])
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        decay, rate = config.weight_decay, config.learning_rate
        groups = (
            stream_groups(self.network, decay, rate)
            if config.balance == "ogm_ge"
            else parameter_groups(self.trained, decay, rate)
        )
        self.optimiser = torch.optim.AdamW(groups, fused=True)

    def train(self) -> ReasonerTrainingResult:
        config = self.config
        first, best = self.folder.restore(self.folder.load_state(), self._parts())
        for epoch in range(first, config.epochs + 1):
            began = time.monotonic()
            losses = mean(self._epoch(epoch))
            metrics, calibration = self._validate()
            self.folder.log({"epoch": epoch, **losses, **metrics, "seconds": round(time.monotonic() - began, 1)})
            if not metrics or not best or metrics["accuracy"] > best["metrics"]["accuracy"]:
                best = {
                    "epoch": epoch,
                    "metrics": metrics,
                    "weights": cpu_state(self.average),
                    "calibration": asdict(calibration),
                }
                # Whoever stops the run early has the best reasoner so far.
                self._export(best)
            self.folder.save(epoch, best, self._parts())
            self.report(TrainingProgress("epochs", "", epoch, config.epochs, losses | metrics))
        self._export(best)
        return ReasonerTrainingResult(config.out, best["epoch"], best["metrics"])

    def _epoch(self, epoch: int) -> Iterator[dict[str, float]]:
        """One pass; everything random in it is a function of seed and epoch, so that a resumed run repeats it."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        batches = self.set.epoch(config.batch_size, rng)
        self.network.train()
        done, began = 0, time.monotonic()
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * 100_003 + epoch)
            for i, rows in enumerate(batches):
                step, steps = (epoch - 1) * len(batches) + i, config.epochs * len(batches)
                set_rate(self.optimiser, schedule(step, steps, config.warmup))
                parts = self._step(rows, rng)
                follow(self.average, self.network, decay=config.ema_decay, step=step)
                done += len(rows)
                pace = f"{done / max(1e-9, time.monotonic() - began):,.0f} questions/s"
                self.report(TrainingProgress("steps", f"epoch {epoch}, {pace}", i + 1, len(batches), parts))
                yield parts

    def _step(self, rows: Rows, rng: np.random.Generator) -> dict[str, float]:
        config = self.config
        batch = self.set.batch(rows, rng, config.word_dropout)
        places, targets, candidates, types = (
            each.to(self.device) for each in (batch.places, batch.targets, batch.candidates, batch.types)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bfloat16):
            memory = self._memory(batch, rng)
            question = self.network.read(batch.words.to(self.device), batch.lengths)
            scores = self.network(memory, places, question)
            found = None
            if config.balance == "ogm_ge":
                alone = contributions(self.network, memory, places, question, targets, candidates)
                found = coefficients(*alone, config.modulation)
        parts: dict[str, float] = {}
        if self.branch is None:
            answers = answer_loss(scores.answers.float(), targets, candidates, config.loss)
        else:
            answers, own = self.branch.losses(
                question.float(), scores.answers.float(), targets, candidates, config.loss
            )
            parts["question_only"] = own.item()
            answers = answers + own
        kinds = type_loss(scores.types.float(), types)
        loss = answers + config.type_weight * kinds
        self._descend(loss, found)
        if found is not None:
            parts |= {"question_rate": found.question, "image_rate": found.image, "ratio": found.ratio}
        return {"loss": loss.item(), "answers": answers.item(), "types": kinds.item(), **parts}

    def _descend(self, loss: Tensor, found: Coefficients | None) -> None:
        if found is None:
            descend(self.optimiser, loss, self.trained)
            return
        modulate_rates(self.optimiser, found)
        descend(self.optimiser, loss, self.trained, before_step=lambda: add_noise(self.network, found))

    def _memory(self, batch: QuestionBatch, rng: np.random.Generator) -> Memory:
        """What the questions read of their photos, each in a view drawn for it."""
        views = rng.integers(0, len(self.config.views), len(batch.photos))
        tables = [self.maps[self.config.views[view]] for view in views]
        stages = np.stack([table.gather([photo])[0] for table, photo in zip(tables, batch.photos, strict=True)])
        return self.network.memory(finished(self.tower, torch.from_numpy(stages)))

    def _validate(self) -> tuple[dict[str, float], Calibration]:
        if self.validation is None:
            return {}, Calibration.none(len(self.vocabulary.types))
        return self.validation.measure(self.average)

    def _held(self, cache: MapCache) -> ReasonerValidation | None:
        try:
            questions = read_questions(self.config.data, "val")
        except DataError:
            # Reading the other split has shown that the folder is sound: it has no question of this one.
            return None
        held = QuestionSet(questions, self.vocabulary, complete=True)
        return ReasonerValidation(held, cache.maps(held.photos, "whole"), self.tower, self.vocabulary)

    def _shape(self) -> NetworkConfig:
        config = self.config
        return NetworkConfig(
            features=self.tower.width,
            grid=self.tower.config.grid,
            vocabulary=self.vocabulary.size,
            answers=len(self.vocabulary.answers),
            types=len(self.vocabulary.types),
            embedding=config.embedding,
            hidden=config.hidden,
            values=config.values,
            attention=config.attention,
            joint=config.joint,
            fusion=config.fusion,
            inputs=config.inputs,
            space=self.space,
        )

    def _mapped(self, what: str, done: int, total: int) -> None:
        self.report(TrainingProgress("maps", what, done, total))

    def _parts(self) -> dict[str, Stateful]:
        return {"trained": self.trained, "average": self.average, "optimiser": self.optimiser}

    def _export(self, best: dict[str, Any]) -> None:
        config = self.config
        paths = ("data", "init")
        manifest = ReasonerManifest(
            model="tastespace-answers",
            vision=self.tower.config,
            network=self._shape(),
            calibration=Calibration(**best["calibration"]),
            licence=config.licence,
            training={
                "command": config.command,
                "data": config.description,
                "seed": config.seed,
                "epoch": best["epoch"],
                "questions": len(self.set),
                "photos": len(self.set.photos),
                "settings": {
                    name: Path(value).name if name in paths and value else value
                    for name, value in config.settings().items()
                },
            },
            metrics={"val, during training": best["metrics"]} if best["metrics"] else {},
        )
        save_reasoner_weights(config.out, best["weights"], self.start.trunk, self.vocabulary, manifest)
