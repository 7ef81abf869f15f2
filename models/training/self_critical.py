"""Self-critical sequence training (Rennie et al. 2017): captions are rewarded by CIDEr-D, word for word sampled.

What a model is taught with, the words before being right, is not what it meets when it writes. Here it writes, and
each caption that it draws is made more likely by as much as it scores above the others drawn of the same photo, or
less likely by as much as it falls short (Luo 2020, "A better variant of self-critical sequence training").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, Memory
from models.captioning.vocabulary import END, PAD, CaptionVocabulary
from models.evaluation.caption_metrics import CiderD
from models.training.caption_data import CaptionedPhotos, Rows

# The end counts as a word of a caption, or captions that break off would score as well as whole ones.
_STOP = "<end>"


class CaptionReward:
    """CIDEr-D of captions of training photos, over the document frequencies of their own style.

    Args:
        styles: as given to :class:`models.training.caption_data.CaptionSet`, whose numbers of photos are used.
    """

    def __init__(self, styles: Sequence[CaptionedPhotos]) -> None:
        self._ends: list[int] = []
        self._scorers: list[CiderD] = []
        for part in styles:
            self._ends.append((self._ends[-1] if self._ends else 0) + len(part.photos))
            self._scorers.append(CiderD([[[*words, _STOP] for words in captions] for captions in part.words]))

    def __call__(self, captions: Sequence[Sequence[list[str]]], photos: Rows) -> NDArray[np.float32]:
        """float32 (n, k): the score of each of k captions of each of n photos."""
        rewards = np.zeros((len(photos), len(captions[0])), dtype=np.float32)
        style_of = np.searchsorted(self._ends, photos, side="right")
        for style, scorer in enumerate(self._scorers):
            rows = np.flatnonzero(style_of == style).tolist()
            if not rows:
                continue
            base = self._ends[style - 1] if style else 0
            hypotheses = [[*words, _STOP] for row in rows for words in captions[row]]
            numbers = [int(photos[row]) - base for row in rows for _ in captions[row]]
            rewards[rows] = scorer.score(hypotheses, photos=numbers)[1].reshape(len(rows), -1)
        return rewards


@torch.no_grad()
def draw(decoder: AttentionDecoder, memory: Memory, starts: Tensor, never: Sequence[int], max_words: int) -> Tensor:
    """Captions drawn word by word by torch's generator.

    Args:
        starts: int64 (n, k), start tokens.
        never: words that are not written.

    Returns:
        int64 (n, k, words): each caption with its end, padded; at most ``max_words`` words before the end.
    """
    last, state = starts, decoder.first_state(memory, starts.shape[1])
    ended = torch.zeros_like(starts, dtype=torch.bool)
    words: list[Tensor] = []
    for place in range(max_words + 1):
        scores, _, state = decoder.step(memory, state, last)
        likely = _masked(scores, never).softmax(dim=-1)
        if place == max_words:
            last = torch.full_like(last, END)
        else:
            last = torch.multinomial(likely.flatten(0, 1), 1).view(last.shape)
        words.append(torch.where(ended, PAD, last))
        ended = ended | (last == END)
        if bool(ended.all()):
            break
    return torch.stack(words, dim=2)


def self_critical_loss(
    decoder: AttentionDecoder,
    memory: Memory,
    starts: Tensor,
    vocabulary: CaptionVocabulary,
    reward: CaptionReward,
    photos: Rows,
    *,
    samples: int,
    max_words: int,
) -> tuple[Tensor, dict[str, float]]:
    """The policy gradient's loss (Rennie et al. 2017, equation 8), a mean over words.

    Args:
        memory: of the photos, with a gradient; the decoder must be in evaluation mode, so that what is made more
            likely is what was drawn from.
        starts: int64 (n, 1).
        photos: their numbers, for the reward.
        samples: captions drawn of each photo, at least two.

    Returns:
        The loss, and the mean ``reward``.
    """
    never = vocabulary.never_written
    several = starts.expand(-1, samples)
    drawn = draw(decoder, memory, several, never, max_words)
    rewards = reward(_words(drawn, vocabulary), photos)
    advantage = torch.from_numpy(above_others(rewards)).to(starts.device).unsqueeze(-1)
    inputs = torch.cat([several.unsqueeze(-1), drawn[:, :, :-1]], dim=2)
    logits = decoder.logits(decoder(memory, inputs).outputs)
    gains = _masked(logits, never).log_softmax(dim=-1).gather(-1, drawn.clamp_min(END).unsqueeze(-1)).squeeze(-1)
    # An end that the limit set was not drawn. Captions that are too long score badly: to blame the end for it would
    # make ends less likely, and captions longer still, until none ended.
    written = (drawn != PAD)[:, :, :max_words]
    loss = -(advantage * gains[:, :, :max_words])[written].mean()
    return loss, {"reward": float(rewards.mean())}


def above_others(rewards: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (n, k), k > 1: each reward less the mean of the others in its row."""
    others = (rewards.sum(axis=1, keepdims=True) - rewards) / (rewards.shape[1] - 1)
    above: NDArray[np.float32] = rewards - others
    return above


def _masked(scores: Tensor, never: Sequence[int]) -> Tensor:
    return scores.float().index_fill(-1, torch.tensor(never, device=scores.device), -torch.inf)


def _words(captions: Tensor, vocabulary: CaptionVocabulary) -> list[list[list[str]]]:
    return [[vocabulary.decode(caption) for caption in photo] for photo in captions.tolist()]
