"""Questions about photos: two streams that meet in a joint vector, and two further layers that answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from models.reasoning.fusion import FilmFusion, GatedFusion, ImageAlone, Memory, QuestionAlone
from models.reasoning.space import JointSpace, SpaceShape
from models.reasoning.vocabulary import PAD

Fusion: TypeAlias = Literal["gated", "film"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
Inputs: TypeAlias = Literal["both", "question", "image"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The shape of a network.

    Attributes:
        features: channels of the feature map. grid: its rows and columns.
        vocabulary: numbers of words, padding and the unknown word included. answers, types: how many there are.
        embedding: width of a word's vector. hidden: of the GRU, and of the question's vector.
        values: channels that the map is projected to. attention: hidden width of the attention network.
        joint: width of the joint vector and of the layer after it.
        fusion: how the streams meet (see :mod:`models.reasoning.fusion`).
        inputs: ``both``; or one stream alone, a baseline that never sees the other one. Whatever the inputs, the kind
            of a question is told from its words.
        space: of the joint space that the network knows (see :mod:`models.reasoning.space`), None: of none. Inputs
            ``question`` know none, since photos are points of it.
    """

    features: int
    grid: tuple[int, int]
    vocabulary: int
    answers: int
    types: int
    embedding: int = 256
    hidden: int = 512
    values: int = 512
    attention: int = 256
    joint: int = 512
    fusion: Fusion = "gated"
    inputs: Inputs = "both"
    space: SpaceShape | None = None


def narrowing(inputs: Inputs, question: str) -> str:
    """What of a question may narrow its answers down (see
    :meth:`models.reasoning.vocabulary.ReasoningVocabulary.candidates`): nothing, where only the image is seen."""
    return "" if inputs == "image" else question


@dataclass(frozen=True, slots=True)
class Scores:
    """``answers`` (n, answers) and ``types`` (n, types) before sigmoid or softmax; ``attention`` (n, locations), each
    row adding up to 1."""

    answers: Tensor
    types: Tensor
    attention: Tensor


class ReasoningNetwork(nn.Module):
    """Word embeddings and a GRU read the question, a fusion reads the photo by it, two layers score the answers.

    Raises:
        ValueError: the configuration names no fusion or no inputs, or a space without photos.
    """

    def __init__(self, config: NetworkConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        if config.fusion not in FUSIONS or config.inputs not in INPUTS:
            raise ValueError(
                f"there is no fusion {config.fusion!r} of inputs {config.inputs!r}; "
                f"fusion is one of {', '.join(FUSIONS)}, inputs one of {', '.join(INPUTS)}"
            )
        if config.space is not None and config.inputs == "question":
            raise ValueError("inputs question see no photo, so that there is none to find in the joint space")
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.embedding, padding_idx=PAD)
        self.gru = nn.GRU(config.embedding, config.hidden, batch_first=True)
        self.fusion = _fusion(config, dropout)
        self.answer = nn.Sequential(
            # A product of two streams within (-1, 1) is small at first, and what is small learns slowly.
            nn.LayerNorm(config.joint),
            nn.Dropout(dropout),
            nn.Linear(config.joint, config.joint),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(config.joint, config.answers),
        )
        self.kind = nn.Linear(config.hidden, config.types)
        self.dropout = nn.Dropout(dropout)
        self.space = _space(config)

    def memory(self, features: Tensor) -> Memory:
        """Maps (photos, locations, features) -> what questions read of them."""
        memory = self.fusion.memory(features)
        return memory if self.space is None else replace(memory, points=self.space.points(features))

    def read(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Questions, int64 (n, words) with their ``lengths`` int64 (n,) on the CPU, each at least 1 -> (n, hidden)."""
        vectors = self.dropout(self.words(words))
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        state: Tensor = last[0]
        return state

    def forward(self, memory: Memory, photos: Tensor, question: Tensor) -> Scores:
        """Answer questions that :meth:`read` has read.

        Args:
            photos: int64 (n,), which row of ``memory`` each question is about.
            question: (n, hidden).
        """
        joint, attention = self.fusion(memory, photos, question)
        if self.space is None or memory.points is None:
            return Scores(self.answer(joint), self.kind(question), attention)
        points = memory.points.index_select(0, photos)
        answers = self.answer(self.space.meet(joint, points, question)) + self.space.scores(points)
        return Scores(answers, self.kind(question), attention)


def _space(config: NetworkConfig) -> JointSpace | None:
    if config.space is None:
        return None
    question = config.hidden if config.inputs == "both" else 0
    return JointSpace(config.space, config.features, question, config.joint, config.answers)


def _fusion(config: NetworkConfig, dropout: float) -> GatedFusion | FilmFusion | QuestionAlone | ImageAlone:
    if config.inputs == "question":
        return QuestionAlone(config.hidden, config.joint)
    if config.inputs == "image":
        return ImageAlone(config.features, config.values, config.attention, config.joint, dropout=dropout)
    if config.fusion == "gated":
        return GatedFusion(
            config.features, config.values, config.hidden, config.attention, config.joint, dropout=dropout
        )
    # Convolutions run once a question, not once a photo: a quarter of the channels keeps them affordable.
    return FilmFusion(config.features, config.values // 4, config.hidden, config.joint, config.grid, dropout=dropout)
