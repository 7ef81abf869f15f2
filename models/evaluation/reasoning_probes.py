"""The same question put to the other models: what do photo and text each do in the joint space, and in a captioner?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.captioning.types import Captioner, CaptionOptions, CaptionStyle, check_options
from models.data import DataError, read_recipes
from models.evaluation.caption_data import CaptionedPhoto, natural_style, read_captioned
from models.evaluation.caption_scorers import CaptionScores, score_captions, tokenize_all
from models.evaluation.reasoning_answers import OnAnswers, grey_pixels
from models.evaluation.reasoning_metrics import other_photos
from models.metrics import RetrievalMetrics, ranks, retrieval_metrics
from models.photos import encode_photos, open_photo
from models.preprocess import to_pixels
from models.types import Float32Array, JointEncoder, RecipeText

_BATCH = 32


@dataclass(frozen=True, slots=True)
class JointProbe:
    """Photo -> recipe retrieval by condition: ``full``, ``question_only`` (a grey picture asks for every recipe),
    ``image_only`` (the recipes say nothing: all are one and the same), ``shuffled`` (each recipe has another one's
    text), and by parts of the text: ``title``, ``ingredients``, ``instructions``."""

    model: str
    fingerprint: str
    split: str
    pairs: int
    conditions: dict[str, RetrievalMetrics]

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: {"r10": each.r10, "medr": each.medr} for name, each in self.conditions.items()},
            "pairs": self.pairs,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "split": self.split,
        }


@dataclass(frozen=True, slots=True)
class CaptionProbe:
    """Captions by condition: ``full``, ``question_only`` (of a grey picture: what the language model says unseen),
    ``shuffled`` (of another photo)."""

    model: str
    fingerprint: str
    split: str
    style: CaptionStyle
    photos: int
    conditions: dict[str, CaptionScores]

    def to_json(self) -> dict[str, Any]:
        return {
            **{
                name: {"cider": each.cider, "bleu1": each.bleu[0], "bleu4": each.bleu[3]}
                for name, each in self.conditions.items()
            },
            "photos": self.photos,
            "style": self.style,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "split": self.split,
        }


def probe_joint_space(
    encoder: JointEncoder, data: Path, split: str = "val", *, seed: int = 0, on_progress: OnAnswers | None = None
) -> JointProbe:
    """Retrieve the whole recipes of a split by their photos, as they are and with one side blank, wrong or in part.

    Ties count against the model, so a blank side finds its partner last.

    Raises:
        DataError: the recipes can't be read, a photo is broken, or fewer than two have a photo and all three parts.
    """
    report = on_progress or (lambda *_: None)
    examples = [each for each in read_recipes(data, split) if each.image is not None and _whole(each.text)]
    if len(examples) < 2:
        raise DataError(
            f"split {split!r} of {data} has fewer than two recipes with a photo, a title, ingredients and instructions"
        )
    photos = encode_photos(encoder, [each.image for each in examples if each.image], report)
    texts = [each.text for each in examples]
    recipes = _encode_recipes(encoder, texts)
    grey = encoder.encode_pixels(grey_pixels(encoder.info.preprocess)[None])
    moved = other_photos(range(len(examples)), seed)
    wrong = recipes[np.asarray(moved)]
    nothing = encoder.encode_texts(["recipe"])
    sides: dict[str, tuple[Float32Array, Float32Array]] = {
        "full": (photos, recipes),
        "question_only": (np.repeat(grey, len(examples), axis=0), recipes),
        "image_only": (photos, np.repeat(nothing, len(examples), axis=0)),
        "shuffled": (photos, wrong),
        "title": (photos, _encode_recipes(encoder, [RecipeText(title=text.title) for text in texts])),
        "ingredients": (photos, _encode_recipes(encoder, [RecipeText(ingredients=t.ingredients) for t in texts])),
        "instructions": (photos, _encode_recipes(encoder, [RecipeText(instructions=t.instructions) for t in texts])),
    }
    conditions = {name: retrieval_metrics(ranks(*pair)) for name, pair in sides.items()}
    info = encoder.info
    return JointProbe(info.name, info.fingerprint, split, len(examples), conditions)


def probe_captioner(
    captioner: Captioner,
    data: Path,
    split: str = "val",
    *,
    beams: int = 3,
    seed: int = 0,
    on_progress: OnAnswers | None = None,
) -> CaptionProbe:
    """Score captions of a split's photos as they are, the caption of a grey picture, and captions of other photos.

    Raises:
        DataError: the captions can't be read, a photo is broken, or there is but one.
        CaptionOptionError: the captioner has not the style of the data.
    """
    report = on_progress or (lambda *_: None)
    style = natural_style(data)
    options = CaptionOptions(style=style, beams=beams)
    check_options(captioner.info, options)
    photos = read_captioned(data, split, style)
    moved = other_photos(range(len(photos)), seed)
    if moved is None:
        raise DataError(f"split {split!r} of {data} has but one photo with a caption; shuffling needs at least two")
    spec = captioner.info.preprocess
    written: list[str] = []
    for start in range(0, len(photos), _BATCH):
        pixels = np.stack([to_pixels(open_photo(photo.image), spec) for photo in photos[start : start + _BATCH]])
        written += [found[0].text if found else "" for found in captioner.caption_pixels(pixels, options)]
        report("captions", len(written), len(photos))
    unseen = captioner.caption_pixels(grey_pixels(spec)[None], options)[0]
    captions = {
        "full": written,
        "question_only": [unseen[0].text if unseen else ""] * len(photos),
        "shuffled": [written[place] for place in moved],
    }
    info = captioner.info
    return CaptionProbe(info.name, info.fingerprint, split, style, len(photos), _score(photos, captions))


def _score(photos: Sequence[CaptionedPhoto], captions: dict[str, list[str]]) -> dict[str, CaptionScores]:
    texts = [text for written in captions.values() for text in written]
    texts += [caption for photo in photos for caption in photo.captions]
    tokens, _, _ = tokenize_all(texts)
    left = iter(tokens)
    words = {name: [next(left) for _ in written] for name, written in captions.items()}
    references = [[next(left) for _ in photo.captions] for photo in photos]
    return {name: score_captions(references, own)[0] for name, own in words.items()}


def _whole(text: RecipeText) -> bool:
    return bool(text.title and text.ingredients and text.instructions)


def _encode_recipes(encoder: JointEncoder, texts: Sequence[RecipeText]) -> Float32Array:
    return np.concatenate(
        [encoder.encode_recipes(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    )
