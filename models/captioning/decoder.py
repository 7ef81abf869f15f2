"""*Show, attend and tell* with deterministic soft attention (Xu et al. 2015, sections 3 and 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The shape of a decoder.

    Attributes:
        features: channels of the feature map.
        vocabulary: words, with padding, unknown word, end and start tokens.
        values: channels that the map is projected to; what attention averages.
        hidden: of the LSTM.
        embedding: width of a word's vector, in and out.
        attention: hidden width of the attention network.
        tied: words go in and out by the same vectors (Press and Wolf 2017).
    """

    features: int
    vocabulary: int
    values: int = 512
    hidden: int = 512
    embedding: int = 512
    attention: int = 512
    tied: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """A photo's map as the decoder reads it: ``values`` (n, locations, values), ``keys`` (n, locations, attention)."""

    values: Tensor
    keys: Tensor


@dataclass(frozen=True, slots=True)
class State:
    """Hidden state and cell of the LSTM, each (n, k, hidden): k captions of each of n photos."""

    hidden: Tensor
    cell: Tensor

    def gather(self, rows: Tensor) -> State:
        """The states of other captions of the same photos, by their numbers, int64 (n, k)."""
        index = rows.unsqueeze(-1).expand(-1, -1, self.hidden.shape[-1])
        return State(self.hidden.gather(1, index), self.cell.gather(1, index))


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a run over whole captions gives: ``outputs`` (n, k, words, embedding), before the vocabulary; ``maps``
    (n, k, words, locations), the attention at each word."""

    outputs: Tensor
    maps: Tensor


class AttentionDecoder(nn.Module):
    """An LSTM that looks at a part of the photo before each word.

    At word t, with h of the word before: the attention network scores each location i by v tanh(W_a a_i + W_h h), a
    softmax makes weights of the scores, and the context is z = beta * sum_i alpha_i a_i with the gate
    beta = sigmoid(f_beta(h)), a scalar (section 4.2.1). The LSTM takes the word's vector and z (equation 1); its first
    state comes from the mean feature; and the next word's distribution is a softmax of L_o(E y + L_h h + L_z z)
    (equation 7). Here the a_i are a learned projection of the map.

    Everything that does not depend on h is computed once, outside of the recurrence.
    """

    def __init__(self, config: DecoderConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.embedding)
        self.project = nn.Sequential(nn.Linear(config.features, config.values), nn.LayerNorm(config.values))
        self.keys = nn.Linear(config.values, config.attention)
        self.score = nn.Linear(config.attention, 1, bias=False)
        self.start_hidden = nn.Linear(config.values, config.hidden)
        self.start_cell = nn.Linear(config.values, config.hidden)
        # W_h of the attention, f_beta and the LSTM's recurrent matrix all read h: one product for the three.
        self.from_hidden = nn.Linear(config.hidden, config.attention + 1 + 4 * config.hidden)
        self.from_word = nn.Linear(config.embedding, 4 * config.hidden, bias=False)
        self.from_context = nn.Linear(config.values, 4 * config.hidden, bias=False)
        self.out_hidden = nn.Linear(config.hidden, config.embedding)
        self.out_context = nn.Linear(config.values, config.embedding, bias=False)
        self.out = nn.Linear(config.embedding, config.vocabulary)
        self.dropout = nn.Dropout(dropout)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.words.weight, std=self.config.embedding**-0.5)
        if self.config.tied:
            self.out.weight = self.words.weight
        nn.init.zeros_(self.out.bias)
        nn.init.zeros_(self.from_hidden.bias)
        # A forget gate that is open at first lets gradients through (Jozefowicz et al. 2015).
        with torch.no_grad():
            forget = self.config.attention + 1 + self.config.hidden
            self.from_hidden.bias[forget : forget + self.config.hidden].fill_(1.0)

    def memory(self, features: Tensor) -> Memory:
        """The map (n, locations, features) -> what the recurrence reads of it."""
        values = self.dropout(self.project(features))
        return Memory(values, self.keys(values))

    def first_state(self, memory: Memory, captions: int) -> State:
        """The state before the first word, the same for all ``captions`` of a photo."""
        mean = memory.values.mean(dim=1, keepdim=True)
        hidden, cell = torch.tanh(self.start_hidden(mean)), torch.tanh(self.start_cell(mean))
        return State(hidden.expand(-1, captions, -1), cell.expand(-1, captions, -1))

    def step(self, memory: Memory, state: State, words: Tensor) -> tuple[Tensor, Tensor, State]:
        """One word on.

        Args:
            words: int64 (n, k), the words before; start tokens at first.

        Returns:
            Scores of the next word (n, k, vocabulary), attention (n, k, locations) and the new state.
        """
        vectors = self.dropout(self.words(words))
        context, attention, state = self._advance(memory, state, self.from_word(vectors))
        return self.logits(self._outputs(vectors, state.hidden, context)), attention, state

    def forward(self, memory: Memory, words: Tensor, *, sampling: float = 0.0) -> Decoded:
        """Whole captions, each word given those before it.

        Args:
            words: int64 (n, k, words): what goes in, the start token first.
            sampling: the chance that a word that goes in (but for the first) is drawn from what the model says in its
                place: scheduled sampling (Bengio et al. 2015), by torch's generator.
        """
        captions, length = words.shape[1:]
        state = self.first_state(memory, captions)
        vectors = self.dropout(self.words(words))
        inputs = self.from_word(vectors)
        outputs: list[Tensor] = []
        maps: list[Tensor] = []
        for place in range(length):
            word, entry = vectors[:, :, place], inputs[:, :, place]
            if sampling and outputs:
                word, entry = self._sampled(outputs[-1], word, entry, sampling)
            context, attention, state = self._advance(memory, state, entry)
            outputs.append(self._outputs(word, state.hidden, context))
            maps.append(attention)
        return Decoded(torch.stack(outputs, dim=2), torch.stack(maps, dim=2))

    def logits(self, outputs: Tensor) -> Tensor:
        """(..., embedding) -> scores of words (..., vocabulary)."""
        scores: Tensor = self.out(outputs)
        return scores

    def _advance(self, memory: Memory, state: State, entry: Tensor) -> tuple[Tensor, Tensor, State]:
        size = self.config.hidden
        query, gate, recurrent = self.from_hidden(state.hidden).split([self.config.attention, 1, 4 * size], dim=-1)
        hidden = torch.tanh(memory.keys.unsqueeze(1) + query.unsqueeze(2))
        attention = self.score(hidden).squeeze(-1).float().softmax(dim=-1)
        context = torch.sigmoid(gate) * torch.bmm(attention.to(memory.values.dtype), memory.values)
        gates = entry + recurrent + self.from_context(context)
        opened, forgotten, written, shown = gates.split(size, dim=-1)
        cell = torch.sigmoid(forgotten) * state.cell + torch.sigmoid(opened) * torch.tanh(written)
        return context, attention, State(torch.sigmoid(shown) * torch.tanh(cell), cell)

    def _outputs(self, vectors: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        outputs: Tensor = self.dropout(vectors + self.out_hidden(self.dropout(hidden)) + self.out_context(context))
        return outputs

    def _sampled(self, outputs: Tensor, word: Tensor, entry: Tensor, chance: float) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            likely = self.logits(outputs).float().softmax(dim=-1)
            drawn = torch.multinomial(likely.flatten(0, 1), 1).view(likely.shape[:2])
            swap = torch.rand(drawn.shape, device=drawn.device) < chance
        vector = self.dropout(self.words(drawn))
        mixed = torch.where(swap.unsqueeze(-1), vector, word)
        return mixed, torch.where(swap.unsqueeze(-1), self.from_word(vector), entry)


def coverage_penalty(maps: Tensor, lengths: Tensor) -> Tensor:
    """The doubly stochastic regulariser (Xu et al. 2015, equation 14): look at every place in the course of a caption.

    The mean over locations and captions of (tau - sum_t alpha_ti)^2. A caption of C words spends C units of attention
    on L locations, so tau = C / L can be reached; any other tau differs by a constant.

    Args:
        maps: (n, k, words, locations).
        lengths: int64 (n, k), words of each caption.
    """
    steps = torch.arange(maps.shape[2], device=maps.device)
    looked = (maps * (steps < lengths.unsqueeze(-1)).unsqueeze(-1)).sum(dim=2)
    fair = lengths.unsqueeze(-1) / maps.shape[-1]
    return functional.mse_loss(looked, fair.expand_as(looked))
