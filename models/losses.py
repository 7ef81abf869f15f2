"""Losses of the joint space. All take float rows; embeddings are unit-norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def info_nce(left: Tensor, right: Tensor, scale: Tensor | float, soft: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE over paired rows (van den Oord et al. 2018; CLIP, Radford et al. 2021, figure 3).

    Args:
        left, right: (n, dim), row i of one belonging to row i of the other; all other rows are negatives.
        scale: the inverse temperature.
        soft: (n, n), rows adding up to 1: how much pair j counts as a partner for pair i, in both directions. None: the
            identity. Near-duplicate dishes are then no longer pushed apart (Andonian et al. 2022, section 3.2).

    Returns:
        The mean of both directions' cross-entropies, a scalar.
    """
    logits = scale * (left @ right.T)
    if soft is None:
        target = torch.arange(len(left), device=left.device)
        return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
    return (functional.cross_entropy(logits, soft) + functional.cross_entropy(logits.T, soft)) / 2


def soft_targets(texts: Tensor, share: float, scale: float = 30.0) -> Tensor:
    """Targets for :func:`info_nce`: ``1 - share`` for the pair itself, the rest by how alike the pairs' texts are.

    Args:
        texts: (n, width), unit-norm sentence embeddings of what each pair is about.
        share: how much goes to neighbours, in [0, 1).
        scale: the inverse temperature of the softmax over text similarities.

    Returns:
        (n, n), rows adding up to 1. Columns need not: a dish like many others gets a part of each.
    """
    near = functional.softmax(scale * (texts @ texts.T), dim=1)
    return (1.0 - share) * torch.eye(len(texts), device=texts.device, dtype=texts.dtype) + share * near


def sigmoid_loss(left: Tensor, right: Tensor, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    """SigLIP's loss (Zhai et al. 2023, equation 1): every pair is a binary question of its own.

    Args:
        left, right: (n, dim), row i of one belonging to row i of the other.
        scale, bias: of the logits; the paper starts at 10 and -10.

    Returns:
        The sum over all pairs divided by n, a scalar.
    """
    logits = scale * (left @ right.T) + bias
    signs = 2 * torch.eye(len(left), device=left.device, dtype=logits.dtype) - 1
    return -functional.logsigmoid(signs * logits).sum() / len(left)


def adaptive_triplet_loss(left: Tensor, right: Tensor, margin: float = 0.3) -> Tensor:
    """AdaMine's instance loss (Carvalho et al. 2018, section 3): triplets averaged over the violating ones.

    For both sides as queries, ``max(0, cos(q, negative) - cos(q, own) + margin)`` over all negatives of the batch; each
    side's sum is divided by the number of its triplets above 0, so that few hard triplets weigh as much as many easy
    ones did.
    """
    cosine = left @ right.T
    return (_violations(cosine, margin) + _violations(cosine.T, margin)) / 2


def _violations(cosine: Tensor, margin: float) -> Tensor:
    own = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    hinge = (cosine - cosine.diagonal()[:, None] + margin).clamp(min=0.0).masked_fill(own, 0.0)
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)


def structure_loss(before: Tensor, after: Tensor, levels: int = 1, temperature: float = 0.05) -> Tensor:
    """A neighbourhood-preserving regulariser after STRUCTURE (Groeger et al. 2025, section 3.2).

    Pretrained features know which photos (or texts) are alike; a head trained on few pairs should not forget it. The
    similarities within a batch, centred and as distributions over the other rows, before and after the head are held
    together by the Jensen-Shannon divergence, over paths of 1 to ``levels`` steps, level l weighing 1/l.

    Args:
        before: (n, width), features of one modality.
        after: (n, dim), their embeddings.

    Returns:
        The mean over rows and levels, a scalar in [0, log 2].
    """
    source, target = (_neighbourhood(rows, temperature) for rows in (before, after))
    total, weight = source.new_zeros(()), 0.0
    left, right = source, target
    for level in range(1, levels + 1):
        total = total + _jensen_shannon(left, right) / level
        weight += 1.0 / level
        left, right = left @ source, right @ target
    return total / weight


def _neighbourhood(rows: Tensor, temperature: float) -> Tensor:
    unit = functional.normalize(rows - rows.mean(dim=0), dim=-1)
    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return functional.softmax((unit @ unit.T / temperature).masked_fill(own, -1e4), dim=1)


def _jensen_shannon(left: Tensor, right: Tensor) -> Tensor:
    middle = ((left + right) / 2).clamp(min=1e-12).log()
    parts = [(p * (p.clamp(min=1e-12).log() - middle)).sum(dim=1) for p in (left, right)]
    return (parts[0] + parts[1]).mean() / 2


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
