"""Captions to train on: who wrote what about which photo, and in which batches it is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.captioning.types import CaptionStyle
from models.captioning.vocabulary import END, PAD, CaptionVocabulary, tokenize
from models.evaluation.caption_data import read_captioned

Rows: TypeAlias = NDArray[np.int64]
_BATCHES_PER_POOL = 50
_ANY_LENGTH = 10_000
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]")


@dataclass(frozen=True, slots=True)
class CaptionedPhotos:
    """Photos of one style; ``texts`` are the captions of each as they were written, ``words`` tokenized."""

    style: CaptionStyle
    photos: list[Path]
    texts: list[tuple[str, ...]]
    words: list[list[list[str]]]

    def first(self, count: int) -> CaptionedPhotos:
        """The first ``count`` photos."""
        return CaptionedPhotos(self.style, self.photos[:count], self.texts[:count], self.words[:count])


def captioned_photos(folder: Path, split: str, style: CaptionStyle, most: int = _ANY_LENGTH) -> CaptionedPhotos:
    """The photos of a split with their captions of 1 to ``most`` words; photos left without one are left out.

    Names of dishes are the titles of recipes, without what stands in brackets.

    Raises:
        DataError: as :func:`models.evaluation.caption_data.read_captioned`.
    """
    photos, texts, words = [], [], []
    for example in read_captioned(folder, split, style):
        shown = [_ASIDE.sub(" ", each).strip() for each in example.captions] if style == "dish" else example.captions
        tokens = {text: tokenize(text) for text in shown}
        kept = tuple(text for text in shown if 1 <= len(tokens[text]) <= most)
        if kept:
            photos.append(example.image)
            texts.append(kept)
            words.append([tokens[text] for text in kept])
    return CaptionedPhotos(style, photos, texts, words)


@dataclass(frozen=True, slots=True)
class CaptionBatch:
    """Captions, one a photo: ``photos`` int64 (n,); ``inputs`` and ``targets`` int64 (n, 1, words), the start token
    first, the end last, then padding; ``lengths`` int64 (n, 1), the end counted."""

    photos: Rows
    inputs: Tensor
    targets: Tensor
    lengths: Tensor


class CaptionSet:
    """All captions of all styles by number; photos are numbered through the styles.

    ``by_style`` and ``photos_by_style`` have the numbers of a style's captions and photos, ``photo_of`` the photo of
    each caption, ``photo_starts`` the start token of each photo's style.

    Args:
        styles: photos of each style, at least one.
    """

    def __init__(self, styles: Sequence[CaptionedPhotos], vocabulary: CaptionVocabulary) -> None:
        self.vocabulary = vocabulary
        self.photos = [photo for part in styles for photo in part.photos]
        self.photo_starts: list[int] = []
        self.photos_by_style: dict[CaptionStyle, Rows] = {}
        self.starts: list[int] = []
        self.words: list[list[int]] = []
        photo_of: list[int] = []
        self.by_style: dict[CaptionStyle, Rows] = {}
        base = 0
        for part in styles:
            first = len(self.words)
            for place, captions in enumerate(part.words):
                for words in captions:
                    self.words.append(vocabulary.encode(words))
                    self.starts.append(vocabulary.start(part.style))
                    photo_of.append(base + place)
            self.by_style[part.style] = np.arange(first, len(self.words))
            self.photos_by_style[part.style] = np.arange(base, base + len(part.photos))
            self.photo_starts += [vocabulary.start(part.style)] * len(part.photos)
            base += len(part.photos)
        self.photo_of: Rows = np.array(photo_of, dtype=np.int64)
        self.lengths: Rows = np.array([len(words) + 1 for words in self.words], dtype=np.int64)

    def batch(self, rows: Rows) -> CaptionBatch:
        """The captions of these numbers, padded to the longest of them."""
        longest = int(self.lengths[rows].max())
        inputs = np.full((len(rows), longest), PAD, dtype=np.int64)
        targets = np.full((len(rows), longest), PAD, dtype=np.int64)
        for place, row in enumerate(rows):
            words = self.words[row]
            inputs[place, : len(words) + 1] = [self.starts[row], *words]
            targets[place, : len(words) + 1] = [*words, END]
        ready = [torch.from_numpy(each).unsqueeze(1) for each in (inputs, targets, self.lengths[rows])]
        return CaptionBatch(self.photo_of[rows], *ready)

    def epoch(self, batch_size: int, dish_share: float, rng: np.random.Generator) -> list[Rows]:
        """Numbers of captions in batches, of one pass; see :func:`mixed_batches`."""
        return mixed_batches(self.by_style, self.lengths, batch_size, dish_share, rng)

    def photo_epoch(self, batch_size: int, dish_share: float, rng: np.random.Generator) -> list[Rows]:
        """Numbers of photos in batches, likewise."""
        return mixed_batches(self.photos_by_style, np.zeros_like(self.photo_of), batch_size, dish_share, rng)


def mixed_batches(
    by_style: dict[CaptionStyle, Rows], lengths: Rows, batch_size: int, dish_share: float, rng: np.random.Generator
) -> list[Rows]:
    """Every general row once and as many of dishes as make ``dish_share`` of all; of one style alone, all.

    Each batch has both in this proportion, and rows of similar length, so that little is padded: they are
    sorted within random pools of 50 batches.
    """
    drawn = {style: rng.permutation(rows) for style, rows in by_style.items()}
    if len(drawn) == 2:
        wanted = max(1, round(len(drawn["general"]) * dish_share / (1 - dish_share)))
        rounds = -(-wanted // len(drawn["dish"]))
        drawn["dish"] = np.concatenate([drawn["dish"], *(rng.permutation(drawn["dish"]) for _ in range(rounds - 1))])
        drawn["dish"] = drawn["dish"][:wanted]
    count = max(1, round(sum(map(len, drawn.values())) / batch_size))
    batches: list[list[Rows]] = [[] for _ in range(count)]
    for rows in drawn.values():
        shares = np.array_split(rows, count)
        for start in range(0, count, _BATCHES_PER_POOL):
            pool = shares[start : start + _BATCHES_PER_POOL]
            joined = np.concatenate(pool)
            ordered = joined[np.argsort(lengths[joined], kind="stable")]
            cuts = np.cumsum([len(each) for each in pool])[:-1]
            for place, share in enumerate(np.split(ordered, cuts)):
                batches[start + place].append(share)
    joined_batches = [np.concatenate(parts) for parts in batches]
    return [joined_batches[place] for place in rng.permutation(count) if len(joined_batches[place])]
