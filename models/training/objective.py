"""What training minimises: photos, recipes and short texts of one dish together, others apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from models.joint.lite import JointHeads
from models.losses import SemanticRegulariser, cosine_embedding_loss, info_nce, multi_label_cross_entropy
from models.training.dataset import Batch

_Lines: TypeAlias = tuple[Tensor, Tensor]  # features (n, lines, 384) and kinds (n, lines)
CorpusBatch: TypeAlias = tuple[_Lines, _Lines]  # two parts of the same recipes
_MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part counts; 0 leaves it out.

    ``text``: InfoNCE of short texts with photos and with recipes. ``cosine``: im2recipe's pairwise loss.
    ``semantic``: the shared classifier over photos, recipes and texts. ``tags``: class names, embedded as texts,
    against photos and recipes, which is what a search by tags does. ``corpus``: two parts of one photoless recipe.
    """

    text: float = 0.3
    cosine: float = 0.0
    semantic: float = 0.1
    tags: float = 0.1
    corpus: float = 0.3


class JointObjective(nn.Module):
    """The heads with what serves training alone: the shared classifier and the temperature of the tags."""

    def __init__(self, heads: JointHeads, dim: int, class_features: Tensor, weights: LossWeights) -> None:
        super().__init__()
        self.heads = heads
        self.weights = weights
        self.regulariser = SemanticRegulariser(dim, len(class_features))
        self.tag_log_scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("class_features", class_features, persistent=False)

    def forward(
        self, batch: Batch, corpus: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None
    ) -> dict[str, Tensor]:
        """The weighted parts of the loss by name; their sum is what to minimise."""
        heads, weights = self.heads, self.weights
        scale = heads.log_scale.exp().clamp(max=_MAX_SCALE)
        image = heads.embed_images(batch.images)
        recipe = heads.embed_recipes(batch.lines, batch.kinds)
        text = heads.embed_texts(batch.texts)
        parts = {"pairs": info_nce(image, recipe, scale)}
        if weights.text:
            parts["text"] = weights.text * (info_nce(image, text, scale) + info_nce(recipe, text, scale)) / 2
        if weights.cosine:
            parts["cosine"] = weights.cosine * cosine_embedding_loss(image, recipe)
        if weights.semantic:
            sides = [self.regulariser(side, batch.labels) for side in (image, recipe)]
            parts["semantic"] = weights.semantic * torch.stack(sides).mean()
        if weights.tags:
            parts["tags"] = weights.tags * (self._tags(image, batch.labels) + self._tags(recipe, batch.labels)) / 2
        if corpus is not None and weights.corpus:
            left, right = (heads.embed_recipes(lines, kinds) for lines, kinds in corpus)
            parts["corpus"] = weights.corpus * info_nce(left, right, scale)
        return parts

    def _tags(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Both directions: an item finds its classes' names, and a class name finds its items in the batch."""
        names = self.heads.embed_texts(self.class_features)  # type: ignore[arg-type]
        logits = self.tag_log_scale.exp() * (embeddings @ names.T)
        by_item = multi_label_cross_entropy(logits, labels)
        by_class = multi_label_cross_entropy(logits.T, labels.T)
        return (by_item + by_class) / 2
