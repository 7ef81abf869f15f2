"""Zero-shot classification of any folder of labelled photos: ``labels.jsonl`` with ``image`` and ``label`` a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import DataError, picture_path, read_json_lines
from models.photos import encode_photos
from models.tagging.types import TagGroup
from models.tagging.vocabulary import TagVocabulary
from models.tagging.weights import SHIPPED_TAGS
from models.tagging.zero_shot import zero_shot_tagger
from models.types import Float32Array, JointEncoder

LABELS_FILE = "labels.jsonl"


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo's path, and the name of the only class it belongs to."""

    image: Path
    label: str


@dataclass(frozen=True, slots=True)
class LabelAccuracy:
    """Percent of a label's photos whose label is first, or among the first five."""

    photos: int
    top1: float
    top5: float


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What :func:`evaluate_labelled` measured, in percent of photos."""

    model: str
    fingerprint: str
    photos: int
    top1: float
    top5: float
    per_label: dict[str, LabelAccuracy]

    def to_json(self) -> dict[str, Any]:
        return {
            "top1": self.top1,
            "top5": self.top5,
            "method": "zero-shot",
            "model": self.model,
            "fingerprint": self.fingerprint,
            "photos": self.photos,
            "labels": len(self.per_label),
            "ties": "against the model",
            "per_label": {
                label: {"photos": each.photos, "top1": each.top1, "top5": each.top5}
                for label, each in self.per_label.items()
            },
        }


def read_labelled(folder: Path) -> list[LabelledPhoto]:
    """The lines of ``labels.jsonl``.

    Raises:
        DataError: the file is missing or empty, or a line is broken; the message names file and line.
    """
    path = folder / LABELS_FILE
    if not path.is_file():
        raise DataError(f"{folder} has no {LABELS_FILE}")
    found = [_labelled(record, where, folder) for where, record in read_json_lines(path)]
    if not found:
        raise DataError(f"{path} has no lines")
    return found


def evaluate_labelled(
    encoder: JointEncoder,
    folder: Path,
    *,
    weights: Path = SHIPPED_TAGS,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> LabelReport:
    """Rank the set of labels for each photo, as the service's zero-shot tagging does, and see where its own comes.

    Labels that differ in case alone are one; an underscore is read as a space. Ties count against the model.

    Args:
        weights: folder of tag weights, for their zero-shot calibration; not needed.
        on_progress: called with (what, done, total).

    Raises:
        DataError: a line is broken, a photo can't be read, or two labels read the same; the message names it.
    """
    labelled = read_labelled(folder)
    labels: dict[str, str] = {}
    for each in labelled:
        labels.setdefault(each.label.casefold(), each.label)
    column = {key: place for place, key in enumerate(labels)}
    # Names of classes are often written as names of files: apple_pie.
    names = tuple(" ".join(label.replace("_", " ").split()) or label for label in labels.values())
    if len({name.casefold() for name in names}) < len(names):
        raise DataError(f"{folder / LABELS_FILE} has labels that read the same, underscores aside")
    vocabulary = TagVocabulary(names, (TagGroup.OTHER.value,) * len(names))
    tagger = zero_shot_tagger(encoder, vocabulary, weights)
    vectors = encode_photos(encoder, [each.image for each in labelled], on_progress)
    target = np.array([column[each.label.casefold()] for each in labelled])
    ranks = _ranks(tagger.similarities(vectors), target)
    return LabelReport(
        model=encoder.info.name,
        fingerprint=encoder.info.fingerprint,
        photos=len(labelled),
        top1=_percent(ranks <= 1),
        top5=_percent(ranks <= 5),
        per_label={label: _accuracy(ranks[target == column[key]]) for key, label in labels.items()},
    )


def _labelled(record: dict[str, Any], where: str, folder: Path) -> LabelledPhoto:
    values = {}
    for name in ("image", "label"):
        value = record.get(name)
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{where}: {name} must be a non-empty text")
        values[name] = value.strip()
    image = picture_path(folder, values["image"], where)
    if not image.is_file():
        raise DataError(f"{where}: there is no file {values['image']!r}")
    return LabelledPhoto(image, values["label"])


def _ranks(scores: Float32Array, target: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of the right label from 1 on, behind all that score as high. int64 (photos,)."""
    own = scores[np.arange(len(scores)), target]
    ranks: NDArray[np.int64] = (scores >= own[:, None]).sum(axis=1)
    return ranks


def _accuracy(ranks: NDArray[np.int64]) -> LabelAccuracy:
    return LabelAccuracy(len(ranks), _percent(ranks <= 1), _percent(ranks <= 5))


def _percent(right: NDArray[np.bool_]) -> float:
    return float(100.0 * right.mean())
