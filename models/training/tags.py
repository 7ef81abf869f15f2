"""Training of the tagger: logistic regressions over the joint vectors of tagged photos, calibrated across folds.

Everything is chosen on photos that the fit at hand did not see: the penalty, the calibration (Platt 1999) and the
threshold come from out-of-fold scores of the training split. The joint encoder itself has usually seen these photos,
which flatters weak penalties most; hence the strongest penalty is taken that keeps most of the gain.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.evaluation.tag_metrics import best_threshold, calibration, f1_scores, mean_average_precision
from models.tagging.scoring import sigmoid
from models.tagging.vocabulary import MIN_POSITIVES, TagVocabulary
from models.tagging.weights import TagManifest, save_tag_weights
from models.tagging.zero_shot import ZeroShotCalibration, ZeroShotTagger, encode_names
from models.training.logistic import Logistic, fit_logistic, fit_platt, log_loss
from models.training.photo_vectors import photo_vectors
from models.training.tag_data import read_tagged, vocabulary_of
from models.types import Float32Array, JointEncoder, ModelError

OnTagTraining: TypeAlias = Callable[[str, int, int, str], None]
METRICS_FILE = "metrics.jsonl"
CACHE_FOLDER = "tag-vectors"
#: From the strongest to the weakest, so that each fit starts from the one before.
PENALTIES = (6.4e-3, 3.2e-3, 1.6e-3, 8e-4, 4e-4, 2e-4, 1e-4)
#: Share of the best gain in log loss (over the tags' rates alone) that a stronger penalty must keep to be preferred.
KEPT_GAIN = 0.8


class TagTrainingError(ModelError):
    """There is too little to train on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagTrainingConfig:
    """What decides the outcome of :func:`train_tags`.

    Args:
        data: folder with ``recipes.jsonl`` and the photos; the split ``train`` is used.
        out: folder of the weights; what an earlier run left there is replaced.
        seed: of the folds.
        folds: parts of the photos, each of which is scored by a fit on the others.
        min_positives: photos that a tag needs.
        cache: where vectors are kept; default: beside ``out``.
        calibrate_on: a split whose photos the encoder has not seen, to calibrate head and zero-shot on. None: out of
            fold on the training photos; where the encoder was trained on those, probabilities come out a little high.
        command, description, licence: for the manifest.
    """

    data: Path
    out: Path
    seed: int = 0
    folds: int = 4
    min_positives: int = MIN_POSITIVES
    cache: Path | None = None
    calibrate_on: str | None = None
    command: str = ""
    description: str = "the user's own data"
    licence: str = "that of the training data"


@dataclass(frozen=True, slots=True)
class TagTrainingResult:
    """``metrics`` are of the photos that the calibration was fitted on: out of fold, or of ``calibrate_on``."""

    folder: Path
    photos: int
    tags: int
    metrics: dict[str, float]


def train_tags(
    config: TagTrainingConfig, encoder: JointEncoder, on_progress: OnTagTraining | None = None
) -> TagTrainingResult:
    """Train head and zero-shot calibration for the vectors of ``encoder``.

    Photos without any tag are left out: what is unknown is not negative.

    Args:
        on_progress: called with (stage, done, total, note).

    Raises:
        DataError: the data can't be read, a photo is broken, or no tag is frequent enough.
        TagTrainingError: there are too few photos for the folds, or none to calibrate on has a tag of the vocabulary.
    """
    report = on_progress or (lambda *_: None)
    tagged = read_tagged(config.data, "train")
    vocabulary = vocabulary_of(tagged, config.data, "train", min_positives=config.min_positives)
    targets = tagged.targets(vocabulary)
    cache = config.cache or config.out.parent / CACHE_FOLDER
    vectors, keys = photo_vectors(
        encoder, tagged.photos, cache, lambda what, done, total: report(what, done, total, "")
    )
    config.out.mkdir(parents=True, exist_ok=True)
    log = _Log(config.out / METRICS_FILE)
    fold = _folds(keys, config.folds, config.seed)
    penalty, scores = _cross_fit(vectors, targets, fold, log, report)
    head = fit_logistic(vectors, targets, penalty)
    if config.calibrate_on is not None:
        unseen = read_tagged(config.data, config.calibrate_on)
        vectors, _ = photo_vectors(
            encoder, unseen.photos, cache, lambda what, done, total: report(what, done, total, "")
        )
        targets, scores = unseen.targets(vocabulary), head.logits(vectors)
        if not targets.any():
            raise TagTrainingError(
                f"no photo of split {config.calibrate_on!r} has one of the {len(vocabulary)} tags; calibrate on another"
            )
    slope, offset = fit_platt(scores, targets)
    probabilities = sigmoid(slope * scores + offset)
    threshold = best_threshold(targets, probabilities)
    metrics = _metrics(targets, probabilities, threshold)
    log.write({"stage": "head", "penalty": penalty, "slope": slope, "offset": offset, **metrics})
    zero_shot, zero_shot_metrics = _fit_zero_shot(encoder, vocabulary, vectors, targets)
    log.write({"stage": "zero-shot", "scale": zero_shot.scale, "bias": zero_shot.bias, **zero_shot_metrics})
    manifest = TagManifest(
        model="tastespace-tags",
        encoder=encoder.info.name,
        fingerprint=encoder.info.fingerprint,
        dim=encoder.info.dim,
        names=vocabulary.names,
        groups=vocabulary.groups,
        threshold=threshold,
        zero_shot={"scale": zero_shot.scale, "bias": zero_shot.bias, "threshold": zero_shot.threshold},
        licence=config.licence,
        training={
            "command": config.command,
            "data": config.description,
            "photos": len(tagged.photos),
            "seed": config.seed,
            "folds": config.folds,
            "min_positives": config.min_positives,
            "penalty": penalty,
            "calibration": {"on": config.calibrate_on or "train, out of fold", "slope": slope, "offset": offset},
        },
        metrics={"calibration, head": metrics, "calibration, zero-shot": zero_shot_metrics},
    )
    tensors = {
        "head.weight": slope * head.weight,
        "head.bias": slope * head.bias + offset,
        "zero_shot.text_mean": zero_shot.text_mean,
        "zero_shot.reference": zero_shot.reference,
    }
    save_tag_weights(config.out, tensors, manifest)
    return TagTrainingResult(config.out, len(tagged.photos), len(vocabulary), metrics)


class _Log:
    """Metrics as JSON lines; a new run starts a new file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_text("", encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, sort_keys=True) + "\n")


def _folds(keys: Sequence[bytes], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each photo; equal files share one, or a fit would be scored on what it saw."""
    unique = sorted(set(keys))
    if len(unique) < 2 * folds:
        raise TagTrainingError(f"{len(unique)} different tagged photos are too few to train on; {2 * folds} are needed")
    order = np.random.default_rng(seed).permutation(len(unique))
    fold = {unique[row]: place % folds for place, row in enumerate(order)}
    return np.array([fold[key] for key in keys], dtype=np.int64)


def _cross_fit(
    vectors: Float32Array, targets: NDArray[np.bool_], fold: NDArray[np.int64], log: _Log, report: OnTagTraining
) -> tuple[float, Float32Array]:
    """The penalty, and the score (log-odds) of each photo by a fit that did not see it. float32 (photos, tags)."""
    folds = int(fold.max()) + 1
    scores = np.zeros((len(PENALTIES), *targets.shape), dtype=np.float32)
    base = np.zeros(targets.shape, dtype=np.float32)
    for number in range(folds):
        inside = fold == number
        start: Logistic | None = None
        for place, penalty in enumerate(PENALTIES):
            start = fit_logistic(vectors[~inside], targets[~inside], penalty, start)
            scores[place, inside] = start.logits(vectors[inside])
            report("fits", number * len(PENALTIES) + place + 1, folds * len(PENALTIES), f"penalty {penalty:g}")
        rate = np.clip(targets[~inside].mean(axis=0), 1e-4, 1 - 1e-4)
        base[inside] = np.log(rate / (1 - rate))
    prior = log_loss(base, targets)
    losses = [log_loss(_scaled(each, targets), targets) for each in scores]
    for penalty, loss in zip(PENALTIES, losses, strict=True):
        log.write({"stage": "penalty", "penalty": penalty, "log_loss": loss, "prior_log_loss": prior})
    enough = prior - KEPT_GAIN * (prior - min(losses))
    chosen = next((place for place, loss in enumerate(losses) if loss <= enough), int(np.argmin(losses)))
    return PENALTIES[chosen], scores[chosen]


def _scaled(scores: Float32Array, targets: NDArray[np.bool_]) -> Float32Array:
    slope, offset = fit_platt(scores, targets)
    return np.asarray(slope * scores + offset, dtype=np.float32)


def _fit_zero_shot(
    encoder: JointEncoder, vocabulary: TagVocabulary, vectors: Float32Array, targets: NDArray[np.bool_]
) -> tuple[ZeroShotCalibration, dict[str, float]]:
    texts = encode_names(encoder, vocabulary.names)
    raw = ZeroShotCalibration.of_reference(texts)
    similarities = ZeroShotTagger(vocabulary, texts, raw).similarities(vectors)
    scale, bias = fit_platt(similarities, targets)
    probabilities = sigmoid(scale * similarities + bias)
    threshold = best_threshold(targets, probabilities)
    fitted = ZeroShotCalibration(raw.text_mean, raw.reference, scale, bias, threshold, fitted=True)
    return fitted, _metrics(targets, probabilities, threshold)


def _metrics(targets: NDArray[np.bool_], probabilities: Float32Array, threshold: float) -> dict[str, float]:
    f1 = f1_scores(targets, probabilities >= threshold)
    return {
        "map": mean_average_precision(targets, probabilities),
        "f1_micro": f1.micro,
        "f1_macro": f1.macro,
        "ece": calibration(targets, probabilities).error,
        "threshold": threshold,
    }
