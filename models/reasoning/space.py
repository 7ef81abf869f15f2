"""The joint space as prior knowledge: photos and answers are points of it, and a question looks at the photo's point.

What an encoder has learned of photos and texts together goes in beside the feature map. Its image head is frozen and
kept with the network, as whole numbers of eight bits: a new encoder leaves the answers as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.joint.heads import ProjectionHead

_MOST = 127


@dataclass(frozen=True, slots=True)
class SpaceShape:
    """``dim`` of the joint space, and ``hidden``, the width of the residual path of its image head."""

    dim: int
    hidden: int


class Int8Linear(nn.Module):
    """A frozen linear layer: int8 (outputs, inputs) times a scale for each output.

    All of it lies in buffers, which training leaves alone, and is what float16 files give back exactly.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs, 1))
        self.register_buffer("bias", torch.zeros(outputs))

    @torch.no_grad()
    def fill(self, weight: Tensor, bias: Tensor) -> None:
        """Take over float (outputs, inputs) and (outputs,), each weight to half a 127th of the largest of its row."""
        largest = weight.abs().amax(dim=1, keepdim=True) / _MOST
        # The smallest step of a float16 stands in for a row of zeros.
        scale = largest.half().float().clamp(min=2.0**-24)
        self.scale.copy_(scale)
        self.weight.copy_((weight / scale).round().clamp(-_MOST, _MOST))
        self.bias.copy_(_rounded(bias))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return functional.linear(inputs, self.weight * self.scale, self.bias)


class PhotoHead(nn.Module):
    """The image head of a joint encoder (:class:`models.joint.heads.ProjectionHead`), frozen, over a feature map.

    The encoder pools the tower's last convolution by the mean of its places; so does this. The gains of the head's
    norms are folded into the layers that follow them.
    """

    def __init__(self, features: int, shape: SpaceShape) -> None:
        super().__init__()
        self.project = Int8Linear(features, shape.dim)
        self.rise = Int8Linear(shape.dim, shape.hidden)
        self.fall = Int8Linear(shape.hidden, shape.dim)

    def fill(self, head: ProjectionHead) -> None:
        """Take over a trained head of the same shape."""
        tensors = head.state_dict()
        for mine, norm, linear in ((self.project, "norm", "project"), (self.rise, "residual.0", "residual.1")):
            weight, bias = tensors[f"{linear}.weight"], tensors[f"{linear}.bias"]
            mine.fill(weight * tensors[f"{norm}.weight"], bias + weight @ tensors[f"{norm}.bias"])
        self.fall.fill(tensors["residual.4.weight"], tensors["residual.4.bias"])

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (photos, locations, features) -> unit-norm float32 (photos, dim), what the encoder says of them."""
        with torch.autocast(maps.device.type, enabled=False):
            projected = self.project(_normed(maps.float().mean(dim=1)))
            raised = functional.gelu(self.rise(_normed(projected)))
            return functional.normalize(projected + self.fall(raised), dim=-1)


class JointSpace(nn.Module):
    """What a network knows by the joint space.

    A photo's point z is its vector in the space, less the mean of the training photos, at length sqrt(dim), so that
    its numbers deviate by about 1. The question state chooses among them, W q * z, and the product adds to the
    normalised joint vector. An answer scores ``scale * cosine(z, the answer's own text vector)``, with a scale of its
    own that begins at 0. Product and cosine are 0 at the origin, which stands for a photo that says nothing.

    Args:
        features: channels of the map. question: width of the question's vector; 0: no question is read.
        joint: width of the joint vector. answers: how many there are.
    """

    centre: Tensor
    texts: Tensor

    def __init__(self, shape: SpaceShape, features: int, question: int, joint: int, answers: int) -> None:
        super().__init__()
        self.length = math.sqrt(shape.dim)
        self.head = PhotoHead(features, shape)
        self.question = nn.Linear(question, shape.dim) if question else None
        self.norm = nn.LayerNorm(shape.dim) if question else None
        self.joint = nn.Linear(shape.dim, joint)
        self.scale = nn.Parameter(torch.zeros(answers))
        self.register_buffer("centre", torch.zeros(shape.dim))
        self.register_buffer("texts", torch.zeros(answers, shape.dim))

    def fill(self, head: ProjectionHead, texts: Tensor) -> None:
        """Take over an encoder's image head, and the answers' unit-norm text vectors (answers, dim)."""
        self.head.fill(head)
        self.texts.copy_(_rounded(texts))

    def move(self, centre: Tensor) -> None:
        """Set the mean of the training photos' vectors, (dim,)."""
        self.centre.copy_(_rounded(centre))

    def points(self, maps: Tensor) -> Tensor:
        """Maps (photos, locations, features) -> float32 (photos, dim)."""
        points: Tensor = functional.normalize(self.head(maps) - self.centre, dim=-1) * self.length
        return points

    def meet(self, joint: Tensor, points: Tensor, question: Tensor) -> Tensor:
        """The joint vector of a fusion (n, joint), points (n, dim) and (n, question) -> the joint vector (n, joint).

        The fusion's is normalised first: a product of gates has a deviation of about 0.01 at the start, against 0.6 of
        what is added, and would hardly be heard.
        """
        if self.question is not None and self.norm is not None:
            points = self.norm(self.question(question) * points)
        met: Tensor = _normed(joint) + self.joint(points)
        return met

    def scores(self, points: Tensor) -> Tensor:
        """(n, dim) -> what is added to the scores of the answers, (n, answers)."""
        cosines: Tensor = points @ self.texts.T / self.length
        return self.scale * cosines


def _normed(rows: Tensor) -> Tensor:
    return functional.layer_norm(rows, rows.shape[-1:])


def _rounded(tensor: Tensor) -> Tensor:
    """As it is read again from float16, so that what is trained with is what ships."""
    return tensor.detach().half().float()
