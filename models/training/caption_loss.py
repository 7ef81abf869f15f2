"""What a decoder is taught by: the words of captions, given those before them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, Memory, coverage_penalty
from models.captioning.vocabulary import PAD, UNKNOWN


@dataclass(frozen=True, slots=True)
class CaptionLossWeights:
    """Attributes:
    label_smoothing: share of the target that goes to all words alike (Szegedy et al. 2016, section 7).
    coverage: weight of looking at the whole photo, see :func:`models.captioning.decoder.coverage_penalty`.
    """

    label_smoothing: float = 0.1
    coverage: float = 1.0


def teacher_forced(
    decoder: AttentionDecoder,
    memory: Memory,
    inputs: Tensor,
    targets: Tensor,
    lengths: Tensor,
    weights: CaptionLossWeights,
    *,
    sampling: float = 0.0,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, a mean over words, and what it is made of.

    Unknown words are read but not learned: none is ever written.

    Args:
        inputs, targets: int64 (n, k, words), see :class:`models.training.caption_data.CaptionBatch`.
        lengths: int64 (n, k).
        sampling: the chance of scheduled sampling.

    Returns:
        The loss, and ``nats`` (a word's mean negative log-probability) and ``coverage``.
    """
    decoded = decoder(memory, inputs, sampling=sampling)
    learned = (targets != PAD) & (targets != UNKNOWN)
    # Only what counts goes through the vocabulary, the widest layer.
    gains = decoder.logits(decoded.outputs[learned]).float().log_softmax(dim=-1)
    nats = -gains.gather(1, targets[learned].unsqueeze(1)).mean()
    coverage = coverage_penalty(decoded.maps, lengths)
    share = weights.label_smoothing
    loss = (1 - share) * nats - share * gains.mean() + weights.coverage * coverage
    return loss, {"nats": nats.item(), "coverage": coverage.item()}


@torch.inference_mode()
def mean_nats(decoder: AttentionDecoder, memory: Memory, inputs: Tensor, targets: Tensor) -> tuple[float, int]:
    """The sum of negative log-probabilities of all words that count, and their number."""
    learned = (targets != PAD) & (targets != UNKNOWN)
    gains = decoder.logits(decoder(memory, inputs).outputs[learned]).float().log_softmax(dim=-1)
    return -float(gains.gather(1, targets[learned].unsqueeze(1)).sum()), int(learned.sum())
