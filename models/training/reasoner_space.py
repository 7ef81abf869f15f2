"""What a reasoner takes over from a joint encoder before it is trained (see :mod:`models.reasoning.space`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.captioning.vision import MapTower
from models.joint.towers import LineEncoder
from models.reasoning.network import ReasoningNetwork
from models.reasoning.space import JointSpace, SpaceShape
from models.reasoning.vocabulary import ReasoningVocabulary
from models.training.caption_validation import finished
from models.training.feature_maps import MapTable
from models.training.start import Start
from models.types import EncoderUnavailableError

_PHOTOS_PER_BATCH = 64


class PriorSpace:
    """The space of the encoder that a training starts from.

    Args:
        start: the encoder.
        tower: that the maps come from.

    Raises:
        EncoderUnavailableError: there is no trained encoder, it sees photos of another size, or its parts are missing
            or don't fit.
    """

    def __init__(self, start: Start, tower: MapTower) -> None:
        if not start.heads:
            raise EncoderUnavailableError("the joint space needs a trained encoder to start from; name one with --init")
        if tower.config.image_size != start.shape.image_size:
            raise EncoderUnavailableError(
                f"the encoder to start from sees photos of {start.shape.image_size} pixels, not of "
                f"{tower.config.image_size}; leave --image-size out or train without --space"
            )
        self.shape = SpaceShape(start.shape.dim, start.shape.hidden)
        self._tower = tower
        self._heads = start.build_heads(0.0).eval().requires_grad_(False)
        self._lines = LineEncoder(start.build_clip())

    def fill(self, network: ReasoningNetwork, vocabulary: ReasoningVocabulary, photos: MapTable) -> None:
        """Words begin at their texts' vectors; and where the network sees photos, the encoder's image head, the
        answers' vectors and the mean over ``photos`` go into it."""
        start_words(network.words.weight, self.texts(vocabulary.words))
        if network.space is not None:
            network.space.fill(self._heads.image, self.texts(vocabulary.answers))
            network.space.move(self._mean(network.space, photos))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit-norm float32 (n, dim), as the encoder gives them."""
        return self._heads.embed_texts(torch.from_numpy(self._lines(texts)))

    @torch.no_grad()
    def _mean(self, space: JointSpace, photos: MapTable) -> Tensor:
        total = torch.zeros_like(space.centre)
        for first in range(0, len(photos), _PHOTOS_PER_BATCH):
            rows = np.arange(first, min(first + _PHOTOS_PER_BATCH, len(photos)))
            total += space.head(finished(self._tower, torch.from_numpy(photos.gather(rows)))).sum(dim=0)
        return total / len(photos)


@torch.no_grad()
def start_words(weight: Tensor, vectors: Tensor) -> None:
    """Let an embedding's rows begin at text vectors.

    The vectors, centred, are turned to their principal components and scaled by one number, so that the angles between
    words stay; their standard deviation becomes 1, that of :class:`torch.nn.Embedding`. Rows before the words, and
    columns that the vectors don't reach, are left as they are.

    Args:
        weight: (words + those before them, width), changed in place.
        vectors: float32 (words, dim).
    """
    # In float32 the centring's rounding would count as one more component.
    centred = vectors.double() - vectors.double().mean(dim=0)
    left, strengths, _ = torch.linalg.svd(centred, full_matrices=False)
    reached = min(weight.shape[1], int(torch.linalg.matrix_rank(centred)))
    if not reached:
        return
    components = left[:, :reached] * strengths[:reached]
    scaled = components / components.square().mean().sqrt()
    weight[len(weight) - len(vectors) :, :reached] = scaled.to(weight.dtype).to(weight.device)
