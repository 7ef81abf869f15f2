"""Questions to train on, by number: who is asked what about which photo, and in which batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.reasoning.questions import Question
from models.reasoning.vocabulary import PAD, UNKNOWN, ReasoningVocabulary

Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """Questions about a few photos.

    Attributes:
        photos: (photos,), numbers of the photos, each once.
        places: int64 (n,), which of ``photos`` each question is about.
        words: int64 (n, words), padded. lengths: int64 (n,).
        targets: float32 (n, answers), scores of the true answers.
        candidates: bool (n, answers), the answers that each question may have.
        types: int64 (n,).
    """

    photos: Rows
    places: Tensor
    words: Tensor
    lengths: Tensor
    targets: Tensor
    candidates: Tensor
    types: Tensor


class QuestionSet:
    """Questions by number, photos by number; ``photos`` has the files, ``photo_of`` the photo of each question.

    Args:
        questions: at least one.
        complete: keep questions whose type or answers the vocabulary doesn't have, so that they count as failed: their
            type is -1, their targets are 0. Training needs ones that it has.
        read: what of a question may narrow its answers down.

    Raises:
        ValueError: no question is left.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        vocabulary: ReasoningVocabulary,
        *,
        complete: bool = False,
        read: Callable[[str], str] = str,
    ) -> None:
        number = {name: place for place, name in enumerate(vocabulary.types)}
        answers = [vocabulary.targets(question.answers) for question in questions]
        kept = [row for row, question in enumerate(questions) if complete or (answers[row] and question.type in number)]
        if not kept:
            raise ValueError("no question has a type and an answer that the vocabulary knows")
        place_of: dict[Path, int] = {}
        self.questions = [questions[row] for row in kept]
        self.photo_of: Rows = np.array(
            [place_of.setdefault(each.image, len(place_of)) for each in self.questions], dtype=np.int64
        )
        self.photos = list(place_of)
        self.types: Rows = np.array([number.get(each.type, -1) for each in self.questions], dtype=np.int64)
        self._words = [np.array(vocabulary.encode(each.question), dtype=np.int64) for each in self.questions]
        self._answers = [answers[row] for row in kept]
        self._candidates = np.ones((len(kept), len(vocabulary.answers)), dtype=np.bool_)
        for row, each in enumerate(self.questions):
            if each.type in number:
                self._candidates[row] = vocabulary.candidates(read(each.question), number[each.type])
                self._candidates[row, list(self._answers[row])] = True
        self._width = len(vocabulary.answers)

    def __len__(self) -> int:
        return len(self.questions)

    def targets(self, rows: Rows) -> NDArray[np.float32]:
        """float32 (rows, answers): scores of the true answers."""
        targets = np.zeros((len(rows), self._width), dtype=np.float32)
        for place, row in enumerate(rows):
            for answer, score in self._answers[row].items():
                targets[place, answer] = score
        return targets

    def candidates(self, rows: Rows) -> NDArray[np.bool_]:
        """bool (rows, answers): what each may be answered by, its true answers in any case; of a type that is not
        known, all."""
        candidates: NDArray[np.bool_] = self._candidates[rows]
        return candidates

    def batch(self, rows: Rows, rng: np.random.Generator | None = None, word_dropout: float = 0.0) -> QuestionBatch:
        """The questions of these numbers; with ``rng``, each word is by this chance read as an unknown one."""
        photos, places = np.unique(self.photo_of[rows], return_inverse=True)
        lengths = np.array([len(self._words[row]) for row in rows], dtype=np.int64)
        words = np.full((len(rows), int(lengths.max())), PAD, dtype=np.int64)
        for place, row in enumerate(rows):
            words[place, : lengths[place]] = self._words[row]
        if rng is not None and word_dropout:
            words[(rng.random(words.shape) < word_dropout) & (words != PAD)] = UNKNOWN
        return QuestionBatch(
            photos,
            torch.from_numpy(places.reshape(-1)),
            torch.from_numpy(words),
            torch.from_numpy(lengths),
            torch.from_numpy(self.targets(rows)),
            torch.from_numpy(self.candidates(rows)),
            torch.from_numpy(self.types[rows]),
        )

    def epoch(self, batch_size: int, rng: np.random.Generator) -> list[Rows]:
        """Every question once, in batches of about this size. Photos come in random order, and with each all that is
        asked about it: its map is then read and projected once."""
        order = rng.permutation(len(self.photos))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        shuffled = rng.permutation(len(self))
        rows = shuffled[np.argsort(rank[self.photo_of[shuffled]], kind="stable")]
        batches = np.array_split(rows, max(1, round(len(rows) / batch_size)))
        return [batches[place] for place in rng.permutation(len(batches))]

    def in_order(self, batch_size: int) -> list[Rows]:
        """Every question once, photo by photo."""
        rows = np.argsort(self.photo_of, kind="stable")
        return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
