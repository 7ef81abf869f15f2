"""Where question and photo meet: two ways to read a feature map by a question, and each of the two alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Memory:
    """Photos as questions read them: ``values`` (photos, locations, width), ``keys`` (photos, locations, ...), and
    where the network knows the joint space, their ``points`` (photos, dim) of it."""

    values: Tensor
    keys: Tensor
    points: Tensor | None = None

    def mean(self) -> Memory:
        """One photo, the mean of all. Its point is the origin, which is that of the mean training photo: what a few
        photos have in common is little, but a norm over it would make it as loud as a photo's own."""
        points = None if self.points is None else torch.zeros_like(self.points[:1])
        return Memory(self.values.mean(0, keepdim=True), self.keys.mean(0, keepdim=True), points)


class GatedTanh(nn.Module):
    """tanh(W x + b) * sigmoid(W' x + b') (Anderson et al. 2018, equations 1 and 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return gate(self.linear(inputs))


def gate(both: Tensor) -> Tensor:
    """(..., 2 n) -> (..., n): the hyperbolic tangent of one half, times the sigmoid of the other."""
    signal, opening = both.chunk(2, dim=-1)
    return torch.tanh(signal) * torch.sigmoid(opening)


class GatedFusion(nn.Module):
    """Question-guided attention, and the gated product of the two streams (UpDn; Anderson et al. 2018, section 3.3).

    A location i scores w f_a([v_i, q]) with a gated tanh f_a; a softmax of the scores weighs the locations; and the
    joint vector is f_q(q) * f_v(sum_i alpha_i v_i). The part of f_a that reads v_i, and the projection of the map, are
    computed once a photo, however many questions are asked about it.

    Args:
        features: channels of the map. values: of its projection. question: width of the question's vector.
        attention: hidden width of f_a. joint: width of the result.
    """

    def __init__(
        self, features: int, values: int, question: int, attention: int, joint: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(features, values), nn.LayerNorm(values))
        self.keys = nn.Linear(values, 2 * attention)
        self.from_question = nn.Linear(question, 2 * attention, bias=False)
        self.score = nn.Linear(attention, 1)
        self.image = GatedTanh(values, joint)
        self.question = GatedTanh(question, joint)
        self.dropout = nn.Dropout(dropout)

    def memory(self, features: Tensor) -> Memory:
        """Maps (photos, locations, features) -> what is read of them."""
        values = self.dropout(self.project(features))
        return Memory(values, self.keys(values))

    def forward(self, memory: Memory, photos: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """Read the photo of each question.

        Args:
            photos: int64 (n,), rows of ``memory``.
            question: (n, question).

        Returns:
            The joint vector (n, joint) and the attention (n, locations).
        """
        hidden = gate(memory.keys.index_select(0, photos) + self.from_question(question).unsqueeze(1))
        attention = self.score(hidden).squeeze(-1).softmax(dim=-1)
        seen = _weigh(memory.values.index_select(0, photos), attention)
        return self.question(question) * self.image(seen), attention


class FilmFusion(nn.Module):
    """Feature-wise linear modulation: the question scales and shifts the channels of convolutions over the map
    (Perez et al. 2018, section 3).

    Each block is a convolution of 1 x 1, one of 3 x 3 over it, normalisation, modulation and ReLU, added to what went
    in. As published, two maps of coordinates go in with each, and gamma is 1 + what the question says. In place of
    their maximum the locations are averaged by a learned attention, so that there is a map of where the model looks,
    and groups of channels are normalised rather than batches, so that a question does not depend on its neighbours.

    Args:
        features: channels of the map. channels: of the blocks. question: width of the question's vector.
        joint: width of the result. grid: rows and columns of the map.
    """

    def __init__(
        self,
        features: int,
        channels: int,
        question: int,
        joint: int,
        grid: tuple[int, int],
        *,
        blocks: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.grid, self.channels = grid, channels
        self.project = nn.Sequential(nn.Linear(features, channels), nn.ReLU())
        self.blocks = nn.ModuleList(_FilmBlock(channels) for _ in range(blocks))
        self.modulation = nn.Linear(question, 2 * channels * blocks)
        self.score = nn.Linear(channels, 1)
        self.joint = nn.Sequential(nn.Linear(channels, joint), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("coordinates", _coordinates(grid), persistent=False)

    def memory(self, features: Tensor) -> Memory:
        """Maps (photos, locations, features) -> what is read of them; there are no keys beside the values."""
        values = self.dropout(self.project(features))
        return Memory(values, values)

    def forward(self, memory: Memory, photos: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusion.forward`."""
        coordinates = self.get_buffer("coordinates").expand(len(photos), -1, -1, -1)
        maps = memory.values.index_select(0, photos).transpose(1, 2).reshape(len(photos), -1, *self.grid)
        modulation = self.modulation(question).view(len(photos), len(self.blocks), 2, self.channels, 1, 1)
        for number, block in enumerate(self.blocks):
            gamma, beta = modulation[:, number].unbind(1)
            maps = block(maps, coordinates, 1 + gamma, beta)
        values = maps.flatten(2).transpose(1, 2)
        attention = self.score(values).squeeze(-1).softmax(dim=-1)
        return self.joint(_weigh(values, attention)), attention


class QuestionAlone(nn.Module):
    """The question stream without a photo: what wordings and habits give away. It looks nowhere in particular."""

    def __init__(self, question: int, joint: int) -> None:
        super().__init__()
        self.question = GatedTanh(question, joint)

    def memory(self, features: Tensor) -> Memory:
        """The maps themselves, of which only the number of locations counts."""
        return Memory(features, features)

    def forward(self, memory: Memory, photos: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusion.forward`."""
        locations = memory.values.shape[1]
        return self.question(question), question.new_full((len(photos), locations), 1 / locations)


class ImageAlone(nn.Module):
    """The image stream without a question: attention that nothing guides."""

    def __init__(self, features: int, values: int, attention: int, joint: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(features, values), nn.LayerNorm(values))
        self.score = nn.Sequential(GatedTanh(values, attention), nn.Linear(attention, 1))
        self.image = GatedTanh(values, joint)
        self.dropout = nn.Dropout(dropout)

    def memory(self, features: Tensor) -> Memory:
        """Maps (photos, locations, features) -> their projection, and the score of each location as its key."""
        values = self.dropout(self.project(features))
        return Memory(values, self.score(values))

    def forward(self, memory: Memory, photos: Tensor, _question: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`GatedFusion.forward`; the question is not read."""
        attention = memory.keys.squeeze(-1).softmax(dim=-1)
        joint = self.image(_weigh(memory.values, attention))
        return joint.index_select(0, photos), attention.index_select(0, photos)


def _weigh(values: Tensor, attention: Tensor) -> Tensor:
    """(n, locations, width) and (n, locations) -> (n, width)."""
    return torch.bmm(attention.unsqueeze(1), values).squeeze(1)


class _FilmBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels + 2, channels, 1)
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(max(1, channels // 16), channels, affine=False)

    def forward(self, maps: Tensor, coordinates: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        before = functional.relu(self.narrow(torch.cat([maps, coordinates], dim=1)))
        return before + functional.relu(gamma * self.norm(self.wide(before)) + beta)


def _coordinates(grid: tuple[int, int]) -> Tensor:
    """(1, 2, rows, columns), each from -1 to 1."""
    rows, columns = (torch.linspace(-1, 1, side) for side in grid)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).unsqueeze(0)
