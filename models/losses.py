"""Losses of the joint space. All take float rows; embeddings are unit-norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def info_nce(left: Tensor, right: Tensor, scale: Tensor | float) -> Tensor:
    """Symmetric InfoNCE over paired rows (van den Oord et al. 2018; CLIP, Radford et al. 2021, figure 3).

    Args:
        left, right: (n, dim), row i of one belonging to row i of the other; all other rows are negatives.
        scale: the inverse temperature.

    Returns:
        The mean of both directions' cross-entropies, a scalar.
    """
    logits = scale * (left @ right.T)
    target = torch.arange(len(left), device=left.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def cosine_embedding_loss(left: Tensor, right: Tensor, margin: float = 0.1) -> Tensor:
    """im2recipe's loss over all pairs of a batch (Salvador et al. 2017, equation 1).

    ``1 - cos`` for the n true pairs and ``max(0, cos - margin)`` for the n (n - 1) others, each averaged on its own
    (the paper samples 20 % positives; averaging apart makes the balance independent of n), then summed.
    """
    cosine = left @ right.T
    positive = 1.0 - cosine.diagonal()
    own = torch.eye(len(left), dtype=torch.bool, device=left.device)
    negative = (cosine - margin).clamp(min=0.0).masked_fill(own, 0.0)
    return positive.mean() + negative.sum() / max(1, len(left) * (len(left) - 1))


def multi_label_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy against k-hot ``labels``, each weighing 1/k (Mahajan et al. 2018, section 2.2).

    Args:
        logits: (n, classes).
        labels: bool or 0/1 (n, classes); rows without any label don't count.

    Returns:
        The mean over labelled rows, a scalar; 0 when there are none.
    """
    weights = labels.to(logits.dtype)
    count = weights.sum(dim=1)
    losses = -(functional.log_softmax(logits, dim=1) * weights).sum(dim=1) / count.clamp(min=1.0)
    return losses.sum() / (count > 0).sum().clamp(min=1)


class SemanticRegulariser(nn.Module):
    """One classifier for both sides of the space (im2recipe, Salvador et al. 2017, section 4.2).

    Photos and recipes of a class must be told from others by the same linear map, which pulls both sides' classes
    to the same places. Its weights serve training only and don't ship.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)
        # Unit-norm inputs leave a plain softmax nearly flat; the scale is learned with the map.
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Multi-label cross-entropy of ``embeddings`` (n, dim) against k-hot ``labels`` (n, classes), a scalar."""
        return multi_label_cross_entropy(self.log_scale.exp() * self.classifier(embeddings), labels)
