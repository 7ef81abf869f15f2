"""How good tags are: average precision by tag and group, F1, calibration, against two baselines.

Nothing is chosen on the measured split: thresholds and the neighbours' k come from the training split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.data import DataError
from models.evaluation.tag_baselines import knn_frozen_features
from models.evaluation.tag_metrics import (
    BINS,
    TOP,
    Calibration,
    average_precision,
    best_threshold,
    calibration,
    f1_scores,
)
from models.photos import encode_photos
from models.tagging.head import TagHead, require_fit
from models.tagging.types import Tagger, TaggerUnavailableError
from models.tagging.vocabulary import TagVocabulary, built_in_vocabulary
from models.tagging.weights import SHIPPED_TAGS, load_tag_weights
from models.tagging.zero_shot import zero_shot_tagger
from models.training.tag_data import TaggedPhotos, read_tagged
from models.types import Float32Array, JointEncoder

Method = Literal["head", "zero-shot"]
OnTagEvaluation: TypeAlias = Callable[[str, int, int], None]
#: Positives that a tag needs in the measured split: the average precision of fewer is mostly chance.
MIN_MEASURED = 20
_TRAIN = "train"


@dataclass(frozen=True, slots=True)
class TagMeasurement:
    """One method over the measured tags; all values are in [0, 1], ``threshold`` is a probability.

    ``map`` and F1 are over the measured tags, ``ece`` over each photo's five most probable of all tags.
    """

    map: float
    f1_micro: float
    f1_macro: float
    threshold: float
    calibration: Calibration
    per_tag: dict[str, float]
    per_group: dict[str, float]
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "map": self.map,
            "f1": self.f1_micro,
            "f1_macro": self.f1_macro,
            "ece": self.calibration.error,
            "threshold": self.threshold,
            "per_group": self.per_group,
            "per_tag": self.per_tag,
            "reliability": [asdict(each) for each in self.calibration.bins],
            **self.notes,
        }


@dataclass(frozen=True, slots=True)
class TagReport:
    """What :func:`evaluate_tags` measured; ``methods`` in the order asked for, ``tags`` with their positives.

    ``calibrated_on`` says what the probabilities were fitted on: the measured split's calibration would flatter itself.
    """

    model: str
    fingerprint: str
    split: str
    photos: int
    min_positives: int
    tags: dict[str, int]
    methods: dict[str, TagMeasurement]
    baselines: dict[str, TagMeasurement]
    calibrated_on: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The first method on top; everything under ``methods`` and ``baselines``."""
        method, first = next(iter(self.methods.items()))
        return {
            "method": method,
            **first.to_json(),
            "model": self.model,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "photos": self.photos,
            "min_positives": self.min_positives,
            "calibrated_on": self.calibrated_on,
            "tags": self.tags,
            "f1_average": "micro, over the measured tags",
            "ece_over": f"each photo's {TOP} most probable tags, {BINS} bins of equal width",
            "methods": {name: each.to_json() for name, each in self.methods.items()},
            "baselines": {name: each.to_json() for name, each in self.baselines.items()},
        }


def evaluate_tags(
    encoder: JointEncoder,
    data: Path,
    split: str = "val",
    *,
    methods: Sequence[Method] = ("head", "zero-shot"),
    weights: Path = SHIPPED_TAGS,
    cache: Path | None = None,
    min_positives: int = MIN_MEASURED,
    on_progress: OnTagEvaluation | None = None,
) -> TagReport:
    """Measure tags of the photos of ``split`` whose recipes have any.

    Args:
        methods: which ones; at least one.
        weights: folder of the trained head and of the zero-shot calibration. Zero-shot works without them, by the
            default calibration over the built-in vocabulary.
        cache: folder of cached frozen features. With it the kNN baseline is measured, too.
        min_positives: photos of the split that a tag needs to be measured.
        on_progress: called with (what, done, total).

    Raises:
        DataError: the data can't be read, a photo is broken, or no tag is frequent enough.
        TaggerUnavailableError: the head was asked for and does not fit the encoder.
    """
    tagged = read_tagged(data, split)
    taggers: dict[str, tuple[Tagger, float]] = {}
    if "head" in methods:
        head = TagHead.load(encoder.info, weights)
        taggers["head"] = head, head.threshold
    vocabulary = _vocabulary(encoder, weights)
    if "zero-shot" in methods:
        zero_shot = zero_shot_tagger(encoder, vocabulary, weights)
        taggers["zero-shot"] = zero_shot, zero_shot.calibration.threshold
    measure = _Measure.of(tagged, vocabulary, min_positives, where=f"split {split!r} of {data}")
    vectors = encode_photos(encoder, tagged.photos, on_progress)
    measured: dict[str, TagMeasurement] = {
        name: measure(taggers[name][0].score(vectors), taggers[name][1]) for name in methods
    }
    return TagReport(
        model=encoder.info.name,
        fingerprint=encoder.info.fingerprint,
        split=split,
        photos=len(tagged.photos),
        min_positives=min_positives,
        tags={vocabulary.names[tag]: int(measure.truth[:, tag].sum()) for tag in measure.columns},
        methods=measured,
        baselines=_baselines(data, split, tagged, vocabulary, measure, cache, on_progress),
        calibrated_on=_calibrated_on(encoder, weights),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Measure:
    """Measures probabilities (photos, tags of the vocabulary) over those tags that are frequent enough."""

    vocabulary: TagVocabulary
    truth: NDArray[np.bool_]
    columns: list[int]

    @classmethod
    def of(cls, tagged: TaggedPhotos, vocabulary: TagVocabulary, min_positives: int, *, where: str) -> _Measure:
        truth = tagged.targets(vocabulary)
        columns = [int(tag) for tag in np.flatnonzero(truth.sum(axis=0) >= min_positives)]
        if not columns:
            raise DataError(f"no tag is on {min_positives} photos of {where}; measure rarer ones with --min-positives")
        return cls(vocabulary, truth, columns)

    def __call__(self, probabilities: Float32Array, threshold: float, **notes: object) -> TagMeasurement:
        names, groups = self.vocabulary.names, self.vocabulary.groups
        by_tag = {tag: average_precision(self.truth[:, tag], probabilities[:, tag]) for tag in self.columns}
        by_group: dict[str, list[float]] = {}
        for tag, value in by_tag.items():
            by_group.setdefault(groups[tag], []).append(value)
        f1 = f1_scores(self.truth[:, self.columns], probabilities[:, self.columns] >= threshold)
        return TagMeasurement(
            map=float(np.mean(list(by_tag.values()))),
            f1_micro=f1.micro,
            f1_macro=f1.macro,
            threshold=threshold,
            calibration=calibration(self.truth, probabilities),
            per_tag={names[tag]: value for tag, value in by_tag.items()},
            per_group={group: float(np.mean(values)) for group, values in by_group.items()},
            notes=dict(notes),
        )


def _vocabulary(encoder: JointEncoder, weights: Path) -> TagVocabulary:
    try:
        return TagHead.load(encoder.info, weights).vocabulary
    except TaggerUnavailableError:
        return built_in_vocabulary()


def _calibrated_on(encoder: JointEncoder, weights: Path) -> str | None:
    """What the probabilities were fitted on; None where it is the default calibration."""
    try:
        manifest, _ = load_tag_weights(weights)
        require_fit(manifest, encoder.info, weights)
    except TaggerUnavailableError:
        return None
    return str(manifest.training.get("calibration", {}).get("on", "unknown"))


def _baselines(
    data: Path,
    split: str,
    tagged: TaggedPhotos,
    vocabulary: TagVocabulary,
    measure: _Measure,
    cache: Path | None,
    on_progress: OnTagEvaluation | None,
) -> dict[str, TagMeasurement]:
    """By name; none where the data has no training photo with a tag of the vocabulary to learn them from."""
    if split == _TRAIN:
        return {}
    try:
        train = read_tagged(data, _TRAIN)
    except DataError:
        return {}
    targets = train.targets(vocabulary)
    if not targets.any():
        return {}
    rates = targets.mean(axis=0, dtype=np.float32)
    threshold = best_threshold(targets, np.broadcast_to(rates, targets.shape))
    found = {"prior": measure(np.broadcast_to(rates, measure.truth.shape), threshold)}
    if cache is not None:
        near = knn_frozen_features(train.photos, targets, tagged.photos, cache, on_progress)
        threshold = best_threshold(targets, near.train_probabilities)
        found["knn_frozen_features"] = measure(near.probabilities, threshold, k=near.k)
    return found
