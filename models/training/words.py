"""Word vectors of ingredients: skip-gram with negative sampling (Mikolov et al. 2013).

A recipe is a set, so there is no window: every other ingredient and title word of a recipe is a context, and of these
a fixed number is drawn for each word, so that a long recipe does not outweigh short ones by the square of its length.
The rest is as in the paper: frequent words are subsampled, negatives are drawn from the counts to the power of 0.75,
and the learning rate falls linearly. Steps take a batch of pairs; within a batch the gradients of a word add up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import DataError, read_recipe_file, read_recipes
from models.evaluation.words import evaluate_words
from models.training.run_folder import RunFolder
from models.types import Float32Array, RecipeText
from models.words.corpus import WordCorpus, build_corpus
from models.words.store import StoredWords, save_words

_LEAST_RATE = 1e-4  # of the first learning rate, at the end of the schedule
_NOISE_POWER = 0.75


@dataclass(frozen=True, slots=True)
class WordTrainingConfig:
    """Everything that decides a run.

    Attributes:
        data: folder with ``recipes.jsonl``, of which only the split ``train`` is read; or None.
        text_corpus: ``.jsonl`` or ``.jsonl.gz`` of recipes, or None.
        out: run folder; it ends up holding the vectors, which ``TASTESPACE_WORDS`` takes.
        contexts: drawn for each word of a recipe and epoch.
        negatives: noise words for each pair.
        subsample: the paper's t; None subsamples nothing.
        min_count, min_title_count: recipes that an ingredient and a title word must stand in.
        command, description, licence: for the manifest.
    """

    out: Path
    data: Path | None = None
    text_corpus: Path | None = None
    dim: int = 100
    epochs: int = 12
    seed: int = 0
    contexts: int = 6
    negatives: int = 5
    batch_size: int = 2048
    learning_rate: float = 0.05
    subsample: float | None = 1e-3
    min_count: int = 10
    min_title_count: int = 20
    resume: bool = False
    command: str = "tastespace train words"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        free = ("out", "resume", "command", "description", "licence")
        values = {name: value for name, value in asdict(self).items() if name not in free}
        # Of a path only the last part: the rest is this machine's affair.
        values |= {name: value.name for name, value in values.items() if isinstance(value, Path)}
        settings: dict[str, Any] = json.loads(json.dumps(values))
        return settings


@dataclass(frozen=True, slots=True)
class WordTrainingProgress:
    """How far training is: ``stage`` is "corpus" (recipes) or "epochs" (batches of the epoch ``epoch``)."""

    stage: str
    epoch: int
    done: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WordTrainingResult:
    folder: Path
    names: int
    recipes: int
    metrics: Mapping[str, float]


OnWordProgress: TypeAlias = Callable[[WordTrainingProgress], None]


def train_words(config: WordTrainingConfig, on_progress: OnWordProgress | None = None) -> WordTrainingResult:
    """Train and write the vectors; deterministic for one seed, machine and library version.

    Raises:
        DataError: the data can't be read or is not there.
        WordCorpusError: the recipes hold too little.
        RunFolderError: the run folder holds another run.
    """
    report = on_progress or (lambda _: None)
    folder = RunFolder(config.out, config.settings(), resume=config.resume)
    recipes = read_training_recipes(config.data, config.text_corpus)
    report(WordTrainingProgress("corpus", 0, 0, len(recipes)))
    corpus = build_corpus(recipes, config.min_count, config.min_title_count)
    report(WordTrainingProgress("corpus", 0, len(recipes), len(recipes)))
    inputs, contexts, metrics = _train(config, corpus, folder, report)
    names = len(corpus.names)
    stored = StoredWords(names=corpus.names, counts=corpus.counts, vectors=inputs[:names], contexts=contexts[:names])
    manifest = {
        "model": "tastespace-words",
        "licence": config.licence,
        "dim": config.dim,
        "training": {
            "command": config.command,
            "data": config.description,
            "recipes": len(recipes),
            "seed": config.seed,
            "settings": config.settings(),
        },
        "metrics": {"loss": metrics["loss"], **measure(stored, config.data)},
    }
    save_words(config.out, replace(stored, manifest=manifest))
    return WordTrainingResult(config.out, names, len(recipes), metrics)


def measure(words: StoredWords, data: Path | None) -> dict[str, Any]:
    """The intrinsic measures for the manifest; those on held-out recipes where ``data`` has a split ``val``."""
    try:
        return evaluate_words(words, data).to_json()
    except DataError:
        return evaluate_words(words).to_json()


def read_training_recipes(data: Path | None, text_corpus: Path | None) -> list[RecipeText]:
    """The recipes to learn from: of a data folder the split ``train`` alone, of a text corpus all.

    Raises:
        DataError: neither is given, or one can't be read.
    """
    examples = [] if data is None else read_recipes(data, "train")
    if text_corpus is not None:
        examples += read_recipe_file(text_corpus)
    return [example.text for example in examples]


class SkipGram:
    """The two tables of vectors and a step over a batch of pairs, with the gradient written out.

    Args:
        size: different tokens.
        counts: int64 (size,), how often each occurs; noise is drawn from their power of 0.75.
        generator: decides the initial vectors and the noise.
    """

    def __init__(self, size: int, dim: int, counts: Tensor, generator: torch.Generator) -> None:
        # As in the authors' program: small random inputs, contexts of zero.
        self.inputs = (torch.rand(size, dim, generator=generator) - 0.5) / dim
        self.contexts = torch.zeros(size, dim)
        self._noise = counts.double().pow(_NOISE_POWER)

    def noise(self, shape: tuple[int, int], generator: torch.Generator) -> Tensor:
        """int64 ``shape``: tokens drawn from the smoothed counts."""
        drawn = torch.multinomial(self._noise, shape[0] * shape[1], replacement=True, generator=generator)
        return drawn.view(shape)

    def step(self, centres: Tensor, contexts: Tensor, noise: Tensor, rate: float) -> float:
        """One step of gradient descent; returns the mean loss of the pairs before it.

        Args:
            centres, contexts: int64 (batch,), pairs that occur.
            noise: int64 (batch, negatives); a noise word that equals the pair's context is passed over.
        """
        targets = torch.cat((contexts[:, None], noise), dim=1)
        centre, target = self.inputs[centres], self.contexts[targets]
        scores = torch.bmm(target, centre[:, :, None])[:, :, 0]
        labels = torch.zeros_like(scores)
        labels[:, 0] = 1.0
        weights = torch.ones_like(scores)
        weights[:, 1:] = (noise != contexts[:, None]).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, labels, weights, reduction="sum")
        delta = rate * weights * (labels - scores.sigmoid())
        moved_centre = torch.bmm(delta[:, None, :], target)[:, 0, :]
        moved_target = (delta[:, :, None] * centre[:, None, :]).flatten(0, 1)
        self.inputs.index_add_(0, centres, moved_centre)
        self.contexts.index_add_(0, targets.flatten(), moved_target)
        return float(loss) / len(centres)


def draw_pairs(
    corpus: WordCorpus, contexts: int, subsample: float | None, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Pairs of one epoch in random order: (centres, contexts), each int32 (pairs,).

    Each token survives with the paper's probability, and each survivor draws ``contexts`` others of its recipe, with
    replacement. A recipe of which one token survives gives none.
    """
    recipe = np.repeat(np.arange(len(corpus.offsets) - 1), np.diff(corpus.offsets))
    kept = rng.random(len(corpus.tokens)) < keep_probability(corpus, subsample)[corpus.tokens]
    tokens, recipe = corpus.tokens[kept], recipe[kept]
    lengths = np.bincount(recipe, minlength=len(corpus.offsets) - 1)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))[recipe]
    own = lengths[recipe]
    centres = np.flatnonzero(own > 1).repeat(contexts)
    # A step of 1 to length - 1 around the recipe leads to any other token and never back to the centre.
    steps = 1 + (rng.random(len(centres)) * (own[centres] - 1)).astype(np.int64)
    partners = starts[centres] + (centres - starts[centres] + steps) % own[centres]
    order = rng.permutation(len(centres))
    return tokens[centres[order]], tokens[partners[order]]


def keep_probability(corpus: WordCorpus, subsample: float | None) -> NDArray[np.float64]:
    """float64 (size,): how likely each token survives, as in the authors' program: sqrt(t / f) + t / f, at most 1."""
    frequency = np.bincount(corpus.tokens, minlength=corpus.size) / len(corpus.tokens)
    if subsample is None:
        return np.ones(corpus.size)
    ratio = subsample / np.maximum(frequency, 1e-12)
    return np.minimum(np.sqrt(ratio) + ratio, 1.0)


def _train(
    config: WordTrainingConfig, corpus: WordCorpus, folder: RunFolder, report: OnWordProgress
) -> tuple[Float32Array, Float32Array, dict[str, float]]:
    generator = torch.Generator().manual_seed(config.seed)
    counts = torch.from_numpy(np.bincount(corpus.tokens, minlength=corpus.size))
    model = SkipGram(corpus.size, config.dim, counts, generator)
    state = folder.load_state() or {"epoch": 0, "loss": 0.0}
    if state["epoch"]:
        model.inputs, model.contexts = state["inputs"], state["contexts"]
    folder.truncate_log(state["epoch"])
    metrics: dict[str, float] = {"loss": state["loss"]}
    for epoch in range(state["epoch"] + 1, config.epochs + 1):
        started = time.monotonic()
        # An epoch's chances depend on the seed and its number alone, so a resumed run repeats an unbroken one.
        generator.manual_seed(config.seed * 100_003 + epoch)
        rng = np.random.default_rng([config.seed, epoch])
        centres, contexts = draw_pairs(corpus, config.contexts, config.subsample, rng)
        losses = []
        for start, end, total in _batches(len(centres), config.batch_size):
            done = (epoch - 1 + start / total) / config.epochs
            rate = config.learning_rate * max(_LEAST_RATE, 1.0 - done)
            batch = torch.from_numpy(centres[start:end]).long(), torch.from_numpy(contexts[start:end]).long()
            noise = model.noise((end - start, config.negatives), generator)
            losses.append(model.step(*batch, noise, rate) * (end - start))
            report(WordTrainingProgress("epochs", epoch, end, total, metrics))
        metrics = {"loss": sum(losses) / max(1, len(centres))}
        folder.log({"epoch": epoch, "pairs": len(centres), "seconds": round(time.monotonic() - started, 1), **metrics})
        folder.save_state({"epoch": epoch, "loss": metrics["loss"], "inputs": model.inputs, "contexts": model.contexts})
    return model.inputs.numpy(), model.contexts.numpy(), metrics


def _batches(total: int, size: int) -> Iterator[tuple[int, int, int]]:
    for start in range(0, total, size):
        yield start, min(start + size, total), total
