"""What training minimises: photos, recipes and short texts of one dish together, others apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.joint.lite import JointHeads
from models.losses import (
    SemanticRegulariser,
    adaptive_triplet_loss,
    cosine_embedding_loss,
    info_nce,
    multi_label_cross_entropy,
    sigmoid_loss,
    soft_targets,
    structure_loss,
)
from models.training.dataset import Batch
from models.types import ModelError

_Lines: TypeAlias = tuple[Tensor, Tensor]  # features (n, lines, 384) and kinds (n, lines)
CorpusBatch: TypeAlias = tuple[_Lines, _Lines]  # two parts of the same recipes
_MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each part counts; 0 leaves it out.

    ``text``: InfoNCE of short texts with photos and with recipes. ``cosine``: im2recipe's pairwise loss.
    ``semantic``: the shared classifier over photos and recipes. ``tags``: class names, embedded as texts,
    against photos and recipes, which is what a search by tags does. ``corpus``: two parts of one photoless recipe.
    ``structure``: heads keep the neighbourhoods of what they see, the photo's features and the recipe's pooled lines.
    """

    text: float = 0.3
    cosine: float = 0.0
    semantic: float = 0.1
    tags: float = 0.1
    corpus: float = 0.3
    structure: float = 0.0


PairLoss = Literal["info_nce", "sigmoid", "triplet"]


@dataclass(frozen=True, slots=True)
class PairOptions:
    """What tells a photo's own recipe from others.

    ``loss``: InfoNCE, SigLIP's sigmoid or AdaMine's triplets. ``soft``: share of InfoNCE's targets that goes to dishes
    of similar text. ``mixup``: alpha of the beta distribution from which FuseMix (Vouitsis et al. 2024, section 4.2)
    draws one coefficient for both sides of each pair; 0: none. Soft targets and mixed pairs are ways of InfoNCE, one at
    a time.

    Raises:
        ModelError: they are asked for with another loss, or both at once.
    """

    loss: PairLoss = "info_nce"
    soft: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        asked = [name for name in ("soft", "mixup") if getattr(self, name)]
        if asked and self.loss != "info_nce":
            raise ModelError(
                f"the loss {self.loss!r} takes no {' and no '.join(asked)}; leave that at 0 or use info_nce"
            )
        if len(asked) > 1:
            raise ModelError("soft targets and mixup can't be used at once; leave one of them at 0")


class JointObjective(nn.Module):
    """The heads with what serves training alone: the shared classifier, the temperature of the tags, SigLIP's bias."""

    def __init__(
        self,
        heads: JointHeads,
        dim: int,
        class_features: Tensor,
        weights: LossWeights,
        pairs: PairOptions = PairOptions(),
    ) -> None:
        super().__init__()
        self.heads = heads
        self.weights = weights
        self.pairs = pairs
        self.regulariser = SemanticRegulariser(dim, len(class_features))
        self.tag_log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-10.0))  # of the sigmoid loss
        self.register_buffer("class_features", class_features, persistent=False)

    def forward(self, batch: Batch, corpus: CorpusBatch | None) -> dict[str, Tensor]:
        """The weighted parts of the loss by name; their sum is what to minimise."""
        heads, weights = self.heads, self.weights
        scale = heads.log_scale.exp().clamp(max=_MAX_SCALE)
        image = heads.embed_images(batch.images)
        pooled = heads.recipe.pooled(batch.lines, batch.kinds)
        recipe = functional.normalize(heads.recipe.head(pooled), dim=-1)
        text = heads.embed_texts(batch.texts)
        if self.pairs.mixup and self.training:
            parts = {"pairs": info_nce(*self._mixed(batch.images, pooled), scale)}
        else:
            parts = {"pairs": self._pairs(batch, image, recipe, scale)}
        if weights.text:
            parts["text"] = weights.text * (info_nce(image, text, scale) + info_nce(recipe, text, scale)) / 2
        if weights.cosine:
            parts["cosine"] = weights.cosine * cosine_embedding_loss(image, recipe)
        if weights.semantic:
            sides = [self.regulariser(side, batch.labels) for side in (image, recipe)]
            parts["semantic"] = weights.semantic * torch.stack(sides).mean()
        if weights.tags:
            parts["tags"] = weights.tags * (self._tags(image, batch.labels) + self._tags(recipe, batch.labels)) / 2
        if weights.structure:
            # Detached, so that heads follow what is known and not the other way round.
            sides = [structure_loss(batch.images.detach(), image), structure_loss(pooled.detach(), recipe)]
            parts["structure"] = weights.structure * torch.stack(sides).mean()
        if corpus is not None and weights.corpus:
            left, right = (heads.embed_recipes(lines, kinds) for lines, kinds in corpus)
            parts["corpus"] = weights.corpus * info_nce(left, right, scale)
        return parts

    def _pairs(self, batch: Batch, image: Tensor, recipe: Tensor, scale: Tensor) -> Tensor:
        if self.pairs.loss == "sigmoid":
            return sigmoid_loss(image, recipe, scale, self.bias)
        if self.pairs.loss == "triplet":
            return adaptive_triplet_loss(image, recipe)
        if self.pairs.soft:
            return info_nce(image, recipe, scale, soft_targets(batch.titles, self.pairs.soft))
        return info_nce(image, recipe, scale)

    def _mixed(self, images: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of pairs made of two: features of photos and of recipes mixed by the same coefficients."""
        order = torch.randperm(len(images), device=images.device)
        share = torch.distributions.Beta(self.pairs.mixup, self.pairs.mixup).sample((len(images), 1)).to(images.device)
        image, recipe = (share * rows + (1 - share) * rows[order] for rows in (images, pooled))
        return self.heads.embed_images(image), functional.normalize(self.heads.recipe.head(recipe), dim=-1)

    def _tags(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Both directions: an item finds its classes' names, and a class name finds its items in the batch."""
        names = self.heads.embed_texts(self.class_features)  # type: ignore[arg-type]
        logits = self.tag_log_scale.exp() * (embeddings @ names.T)
        by_item = multi_label_cross_entropy(logits, labels)
        by_class = multi_label_cross_entropy(logits.T, labels.T)
        return (by_item + by_class) / 2
