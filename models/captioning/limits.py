"""What no caption repeats, as limits of the search (:data:`models.captioning.search.Limit`)."""

from __future__ import annotations

import torch
from torch import Tensor

from models.captioning.search import Limit
from models.captioning.types import CaptionStyle
from models.captioning.vocabulary import CaptionVocabulary

#: Words that a name of a dish may hold more than once. Another word is repeated in 1.5 % of the training titles.
LINKING_WORDS = frozenset({"a", "and", "'s", "for", "in", "of", "on", "or", "the", "to", "with"})


def style_limit(style: CaptionStyle, vocabulary: CaptionVocabulary, device: torch.device) -> Limit:
    """No word twice in a row; in a name of a dish, no word twice at all ("asparagus with asparagus") but for
    ``LINKING_WORDS``."""
    if style == "general":
        return no_echo
    numbers = vocabulary.encode(sorted(LINKING_WORDS & set(vocabulary.words)))
    return NoRepeat(torch.tensor(numbers, dtype=torch.long, device=device))


def no_echo(gains: Tensor, words: Tensor) -> None:
    """No word twice in a row."""
    if words.shape[2]:
        gains.scatter_(2, words[:, :, -1:], -torch.inf)


class NoRepeat:
    """No word twice, but for some.

    Args:
        free: int64, the numbers of words that may be repeated, though not in a row; on the device of the search.
    """

    def __init__(self, free: Tensor) -> None:
        self._free = free

    def __call__(self, gains: Tensor, words: Tensor) -> None:
        kept = gains[:, :, self._free].clone()
        gains.scatter_(2, words, -torch.inf)
        gains[:, :, self._free] = kept
        no_echo(gains, words)
