"""What a reasoner learns from: soft scores of the true answers."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional

AnswerLoss: TypeAlias = Literal["bce", "softmax"]
ANSWER_LOSSES: tuple[AnswerLoss, ...] = get_args(AnswerLoss)
_NEVER = -1e4


def answer_loss(scores: Tensor, targets: Tensor, candidates: Tensor, loss: AnswerLoss) -> Tensor:
    """Of answers (n, answers), the mean over questions; at least one of each question's targets is above 0.

    ``bce`` holds the sigmoid of each score to its target, summed over the answers (Anderson et al. 2018, section 3.3);
    ``softmax`` takes the targets, made to add up to 1, for a distribution. Neither learns about the answers that a
    question can't have: they are left out when it is answered, too.

    Args:
        candidates: bool (n, answers), the answers that each question may have; all with a target are among them.
    """
    if loss == "bce":
        each = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        return torch.where(candidates, each, 0.0).sum() / len(scores)
    shares = targets / targets.sum(dim=1, keepdim=True)
    # Far below any score, and finite: a share of 0 times infinity would be no number.
    return functional.cross_entropy(scores.masked_fill(~candidates, _NEVER), shares)


def type_loss(scores: Tensor, types: Tensor) -> Tensor:
    """Cross-entropy of types of questions, scores (n, types) against int64 (n,)."""
    return functional.cross_entropy(scores, types)
