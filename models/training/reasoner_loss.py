"""What a reasoner learns from: soft scores of the true answers."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from torch import Tensor
from torch.nn import functional

AnswerLoss: TypeAlias = Literal["bce", "softmax"]
ANSWER_LOSSES: tuple[AnswerLoss, ...] = get_args(AnswerLoss)


def answer_loss(scores: Tensor, targets: Tensor, loss: AnswerLoss) -> Tensor:
    """Of answers (n, answers), the mean over questions; at least one of each question's targets is above 0.

    ``bce`` holds the sigmoid of each score to its target, summed over the answers (Anderson et al. 2018, section 3.3);
    ``softmax`` takes the targets, made to add up to 1, for a distribution.
    """
    if loss == "bce":
        return functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum") / len(scores)
    shares = targets / targets.sum(dim=1, keepdim=True)
    return functional.cross_entropy(scores, shares)


def type_loss(scores: Tensor, types: Tensor) -> Tensor:
    """Cross-entropy of types of questions, scores (n, types) against int64 (n,)."""
    return functional.cross_entropy(scores, types)
