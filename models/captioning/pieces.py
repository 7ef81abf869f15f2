"""From the pieces that bigger captioners write to whole words, which captions are counted in and looked at by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from models.captioning.types import Caption, CaptionedWord
from models.types import Float32Array

#: No word has more pieces than this on average: what bounds the pieces of a caption.
PIECES_PER_WORD = 3


@dataclass(frozen=True, slots=True, eq=False)
class WordPieces:
    """A vocabulary of pieces of words, by number.

    Attributes:
        begins: bool (vocabulary,): the piece begins a word.
        ends: bool (vocabulary,): a word ends with the piece. Tokenizers mark the one or the other.
        end: the number of the end of a caption.
        decode: text of pieces; special ones have none.
    """

    begins: Tensor
    ends: Tensor
    end: int
    decode: Callable[[Sequence[int]], str]

    def starts(self, pieces: Tensor) -> Tensor:
        """int64 (..., t), a caption without start and end -> bool (..., t): a word starts here."""
        starts = self.begins[pieces]
        starts[..., :1] = True
        starts[..., 1:] |= self.ends[pieces[..., :-1]]
        return starts

    def limit(self, gains: Tensor, pieces: Tensor, words: int) -> None:
        """Make impossible, in place, what would be one word too many.

        Args:
            gains: (..., vocabulary), scores of the next piece.
            pieces: int64 (..., t), those so far, without the start.
        """
        if not pieces.shape[-1]:
            return
        full = self.starts(pieces).sum(dim=-1, keepdim=True) >= words
        more = self.begins | self.ends[pieces[..., -1:]]
        more[..., self.end] = False
        gains.masked_fill_(full & more, -torch.inf)

    def caption(self, pieces: Sequence[int], gains: Sequence[float], maps: Float32Array | None = None) -> Caption:
        """The caption of these pieces.

        Args:
            gains: log-probability of each piece, and of the end after them.
            maps: float32 (pieces, rows, columns); a word's is the mean of its pieces'.
        """
        words: list[CaptionedWord] = []
        places: list[range] = []
        first = self.starts(torch.tensor(pieces, dtype=torch.long, device=self.begins.device)).nonzero().flatten()
        bounds = [*first.tolist(), len(pieces)]
        for start, stop in pairwise(bounds):
            text = self.decode(pieces[start:stop]).strip()
            if text:
                words.append(CaptionedWord(text, sum(gains[start:stop])))
                places.append(range(start, stop))
        attention = None
        if maps is not None:
            shape = (len(places), *maps.shape[1:])
            means = [maps[place.start : place.stop].mean(axis=0) for place in places]
            attention = np.array(means, dtype=np.float32).reshape(shape)
        return Caption(self.decode(pieces).strip(), tuple(words), sum(gains), attention)
