"""Captions of any captioner as the field reports them: BLEU, METEOR, ROUGE-L, CIDEr-D, diversity, and baselines.

Captions are written freely, word by word from the model's own words; nothing here ever shows it a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from models.captioning.types import Captioner, CaptionOptions, CaptionStyle, check_options
from models.data import DataError
from models.evaluation.caption_data import CaptionedPhoto, natural_style, read_captioned
from models.evaluation.caption_metrics import Tokens, distinct, mean_length, share_unseen, vocabulary_size
from models.evaluation.caption_neighbours import NEIGHBOURS, NeighbourCaptions, NeighbourSource, neighbour_captions
from models.evaluation.caption_scorers import CaptionScores, score_captions, scorers_in_use, tokenize_all
from models.photos import open_photo
from models.preprocess import to_pixels

OnCaptionEvaluation: TypeAlias = Callable[[str, int, int], None]
_TRAIN = "train"
_BATCH = 32
_SPICE = "SPICE is left out: its parser downloads models of its own"


@dataclass(frozen=True, slots=True)
class CaptionMeasurement:
    """Scores and diversity of one set of captions.

    ``mean_length`` is in words, ``distinct1`` and ``distinct2`` are the shares of different words and pairs of words,
    ``not_in_training`` is the share of captions that no training photo has (None where there are none).
    """

    scores: CaptionScores
    vocabulary: int
    mean_length: float
    distinct1: float
    distinct2: float
    not_in_training: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            **self.scores.to_json(),
            "vocabulary": self.vocabulary,
            "mean_length": self.mean_length,
            "distinct1": self.distinct1,
            "distinct2": self.distinct2,
            "not_in_training": self.not_in_training,
        }


@dataclass(frozen=True, slots=True)
class WrittenCaption:
    """What was written of a photo, beside its references, to be read by eye."""

    id: str
    caption: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaptionReport:
    """What :func:`evaluate_captions` measured.

    ``baselines`` are by name; ``neighbours`` says what the nearest photos were found by, None where they were not.
    ``notes`` say what is left out, and why.
    """

    model: str
    fingerprint: str
    style: CaptionStyle
    beams: int
    split: str
    measured: CaptionMeasurement
    references_per_photo: float
    tokenizer: str
    scorers: str
    neighbours: str | None
    baselines: dict[str, CaptionMeasurement]
    notes: tuple[str, ...]
    captions: tuple[WrittenCaption, ...]

    def to_json(self) -> dict[str, Any]:
        """The captioner's own scores on top; scores are fractions, ``cider`` is in [0, 10]."""
        return {
            **self.measured.to_json(),
            "spice": None,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "style": self.style,
            "beams": self.beams,
            "split": self.split,
            "photos": len(self.captions),
            "references_per_photo": self.references_per_photo,
            "units": "fractions of 1; cider from 0 to 10; bleu1 to bleu4 with brevity penalty, bleu_no_brevity without",
            "tokenizer": self.tokenizer,
            "scorers": self.scorers,
            "neighbours": self.neighbours,
            "baselines": {name: each.to_json() for name, each in self.baselines.items()},
            "notes": list(self.notes),
        }


def evaluate_captions(
    captioner: Captioner,
    data: Path,
    split: str = "val",
    *,
    style: CaptionStyle | None = None,
    beams: int = 5,
    neighbours: NeighbourSource | None = None,
    on_progress: OnCaptionEvaluation | None = None,
) -> CaptionReport:
    """Caption the photos of a split and score the captions against its own.

    Args:
        data: folder with ``captions.jsonl`` or ``recipes.jsonl``, see :mod:`models.evaluation.caption_data`.
        style: by default ``general`` for captions and ``dish`` for recipes, whose titles are the references.
        beams: hypotheses of the search.
        neighbours: vectors that nearest training photos are found by; without them there is no baseline.
        on_progress: called with (what, done, total).

    Raises:
        DataError: the data can't be read or has no words, or a photo is broken.
        CaptionOptionError: the captioner has no such style.
        ValueError: ``beams`` is out of its range.
    """
    report = on_progress or (lambda *_: None)
    chosen = style or natural_style(data)
    options = CaptionOptions(style=chosen, beams=beams)
    check_options(captioner.info, options)
    photos = read_captioned(data, split, chosen)
    train, notes = _training_photos(data, split, chosen)
    written = _write(captioner, photos, options, report)
    empty = sum(not caption for caption in written)
    if empty:
        notes.append(f"{empty} of {len(photos)} photos got no caption, which counts as an empty one")

    texts = _Texts.of(photos, written, train)
    if not any(tokens for own in texts.references for tokens in own):
        raise DataError(f"the captions of split {split!r} of {data} have no words")
    notes += texts.notes
    own, note = texts.measure(texts.written)
    baselines: dict[str, CaptionMeasurement] = {}
    if neighbours is not None and train:
        found = _neighbours(neighbours, train, photos, texts.train, report)
        for name, places in (("nearest", found.nearest), (f"consensus_of_{NEIGHBOURS}", found.consensus)):
            baselines[name], _ = texts.measure([texts.train[photo][caption] for photo, caption in places])
    elif train:
        notes.append("the captions of the nearest training photos are left out: no vectors were given to find them by")
    return CaptionReport(
        model=captioner.info.name,
        fingerprint=captioner.info.fingerprint,
        style=chosen,
        beams=beams,
        split=split,
        measured=own,
        references_per_photo=sum(len(photo.captions) for photo in photos) / len(photos),
        tokenizer=texts.tokenizer,
        scorers=scorers_in_use(),
        neighbours=neighbours.name if baselines and neighbours else None,
        baselines=baselines,
        notes=(*notes, *([note] if note else []), _SPICE),
        captions=tuple(
            WrittenCaption(photo.id, caption, photo.captions) for photo, caption in zip(photos, written, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Texts:
    """All captions as words: references and what was written of each photo, and those of the training photos."""

    references: list[list[Tokens]]
    written: list[Tokens]
    train: list[list[Tokens]]
    tokenizer: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, photos: Sequence[CaptionedPhoto], written: Sequence[str], train: Sequence[CaptionedPhoto]) -> _Texts:
        texts = [caption for photo in (*photos, *train) for caption in photo.captions]
        tokens, tokenizer, why = tokenize_all([*written, *texts])
        left = iter(tokens[len(written) :])
        references, known = ([[next(left) for _ in photo.captions] for photo in part] for part in (photos, train))
        return cls(references, tokens[: len(written)], known, tokenizer, (why,) if why else ())

    def measure(self, captions: list[Tokens]) -> tuple[CaptionMeasurement, str | None]:
        """Scores and diversity, and why METEOR is missing."""
        scores, note = score_captions(self.references, captions)
        training = [tokens for own in self.train for tokens in own]
        measurement = CaptionMeasurement(
            scores=scores,
            vocabulary=vocabulary_size(captions),
            mean_length=mean_length(captions),
            distinct1=distinct(captions, 1),
            distinct2=distinct(captions, 2),
            not_in_training=share_unseen(captions, training) if training else None,
        )
        return measurement, note


def _training_photos(data: Path, split: str, style: CaptionStyle) -> tuple[list[CaptionedPhoto], list[str]]:
    """The training photos; none, with a note, where there are none or where they are what is measured."""
    left_out = "the share of captions not in training and the captions of the nearest training photos are left out"
    if split == _TRAIN:
        return [], [f"{left_out}: the measured split is the training split"]
    try:
        return read_captioned(data, _TRAIN, style), []
    except DataError:
        return [], [f"{left_out}: the data has no photos of split {_TRAIN!r}"]


def _write(
    captioner: Captioner, photos: Sequence[CaptionedPhoto], options: CaptionOptions, report: OnCaptionEvaluation
) -> list[str]:
    """The best caption of each photo; an empty one where the captioner finds none."""
    spec = captioner.info.preprocess
    written: list[str] = []
    for start in range(0, len(photos), _BATCH):
        pixels = np.stack([to_pixels(open_photo(photo.image), spec) for photo in photos[start : start + _BATCH]])
        written += [found[0].text if found else "" for found in captioner.caption_pixels(pixels, options)]
        report("captions", len(written), len(photos))
    return written


def _neighbours(
    source: NeighbourSource,
    train: Sequence[CaptionedPhoto],
    photos: Sequence[CaptionedPhoto],
    captions: Sequence[Sequence[Tokens]],
    report: OnCaptionEvaluation,
) -> NeighbourCaptions:
    known = source.encode([photo.image for photo in train])
    asked = source.encode([photo.image for photo in photos])
    return neighbour_captions(
        known, captions, asked, on_progress=lambda done, total: report("nearest captions", done, total)
    )
