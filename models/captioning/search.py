"""From a decoder to captions: beam search over a batch of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

import torch
from torch import Tensor

from models.captioning.decoder import Memory
from models.captioning.vocabulary import END


class SearchState(Protocol):
    """What a decoder knows of the captions so far, of k captions of each of n photos."""

    def gather(self, rows: Tensor) -> Self:
        """The states of other captions of the same photos, by their numbers, int64 (n, k)."""
        ...


StateT = TypeVar("StateT", bound=SearchState)
#: Makes words impossible, in place: scores float64 (n, k, vocabulary) of what follows the words so far, (n, k, t).
Limit: TypeAlias = Callable[[Tensor, Tensor], None]


class StepwiseDecoder(Protocol[StateT]):
    """What a search needs of a decoder; see :class:`models.captioning.decoder.AttentionDecoder`."""

    def first_state(self, memory: Memory, captions: int) -> StateT: ...

    def step(self, memory: Memory, state: StateT, words: Tensor) -> tuple[Tensor, Tensor, StateT]: ...


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How captions are searched for.

    Attributes:
        beams: hypotheses kept at each word.
        min_words, max_words: bounds of a caption's words, its end not counted.
        length_alpha: captions are ranked by log-probability / length^alpha, the end counted as a word: 0 favours short
            captions, 1 is the mean over words (Wu et al. 2016, section 7, without their constant).
        block_ngram: no n-gram of so many words occurs twice in a caption; 0: all may.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    beams: int = 5
    min_words: int = 1
    max_words: int = 24
    length_alpha: float = 0.7
    block_ngram: int = 3

    def __post_init__(self) -> None:
        if self.beams < 1:
            raise ValueError(f"beams must be 1 or more, not {self.beams}")
        if not 0 <= self.min_words <= self.max_words or self.max_words < 1:
            raise ValueError(f"min_words must be within 0 and max_words, not {self.min_words} of {self.max_words}")
        if self.length_alpha < 0 or self.block_ngram < 0:
            raise ValueError("length_alpha and block_ngram must not be negative")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished caption.

    Attributes:
        words: numbers of words, without start and end.
        log_probabilities: of each word, and of the end after them: one more than words.
        score: what captions are ranked by.
        attention: float32 (words, locations), on the CPU.
    """

    words: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    score: float
    attention: Tensor


@torch.inference_mode()
def beam_search(
    decoder: StepwiseDecoder[StateT],
    memory: Memory,
    start: int,
    settings: SearchSettings,
    never: Sequence[int] = (),
    *,
    end: int = END,
    limit: Limit | None = None,
) -> list[list[Hypothesis]]:
    """For each photo, up to ``beams`` captions, the best first.

    At each word the best of all continuations are kept, as many as there are beams less captions that have ended
    (Xu et al. 2015 search so as well); what ends leaves the beam, so one beam is greedy search. Which continuations go
    on is decided by log-probability, the order of what ended by its length-normalised score. Of equal continuations
    the one with the better parent, then the lower word, comes first.

    Args:
        memory: of n photos.
        start: the start token of the style.
        never: words that are not written; probabilities are those among the others.
        end: the number of the end.
        limit: forbids more; called at each word, and no words are more likely for it.
    """
    return _Search(decoder, memory, start, settings, never, end, limit).run()


class _Search(Generic[StateT]):
    def __init__(
        self,
        decoder: StepwiseDecoder[StateT],
        memory: Memory,
        start: int,
        settings: SearchSettings,
        never: Sequence[int],
        end: int,
        limit: Limit | None,
    ) -> None:
        self.decoder, self.memory, self.settings = decoder, memory, settings
        self.end, self.limit = end, limit
        self.photos = len(memory.values)
        self.device = memory.values.device
        self.never = torch.tensor(sorted(never), dtype=torch.long, device=self.device)
        beams = settings.beams
        self.state = decoder.first_state(memory, beams)
        self.last = torch.full((self.photos, beams), start, device=self.device)
        self.words = torch.empty((self.photos, beams, 0), dtype=torch.long, device=self.device)
        self.gains = torch.empty((self.photos, beams, 0), dtype=torch.float64, device=self.device)
        self.maps: list[Tensor] = []
        # All beams start alike: only the first counts, or the same caption would be found in each of them.
        self.totals = torch.full((self.photos, beams), -torch.inf, dtype=torch.float64, device=self.device)
        self.totals[:, 0] = 0.0
        self.ended: list[list[Hypothesis]] = [[] for _ in range(self.photos)]

    def run(self) -> list[list[Hypothesis]]:
        for place in range(self.settings.max_words + 1):
            self._extend(place)
            if bool(self.totals.isneginf().all()):
                break
        # Sorting is stable: equal scores stay in the order in which they ended.
        return [sorted(found, key=lambda each: -each.score) for found in self.ended]

    def _extend(self, place: int) -> None:
        """Add a word to every caption of the beam; those that end leave it."""
        scores, attention, state = self.decoder.step(self.memory, self.state, self.last)
        gains = self._log_probabilities(scores, place)
        size = gains.shape[-1]
        totals, chosen = best_of((self.totals.unsqueeze(-1) + gains).flatten(1), self.settings.beams)
        parents, words = chosen // size, chosen % size
        self.state = state.gather(parents)
        self.last = words
        gain = gains.flatten(1).gather(1, chosen).unsqueeze(-1)
        self.words = torch.cat([_gather(self.words, parents), words.unsqueeze(-1)], dim=2)
        self.gains = torch.cat([_gather(self.gains, parents), gain], dim=2)
        self.maps = [_gather(maps, parents) for maps in (*self.maps, attention.float())]
        self.totals = self._collect(totals, words == self.end)

    def _log_probabilities(self, scores: Tensor, place: int) -> Tensor:
        """float64 (n, beams, vocabulary): what can't be written has none."""
        gains = scores.float().index_fill(2, self.never, -torch.inf).log_softmax(dim=-1).double()
        if place < self.settings.min_words:
            gains[:, :, self.end] = -torch.inf
        if place == self.settings.max_words:
            end = gains[:, :, self.end].clone()
            gains.fill_(-torch.inf)
            gains[:, :, self.end] = end
        elif self.settings.block_ngram:
            block_repeated(gains, self.words, self.settings.block_ngram)
        if self.limit is not None:
            self.limit(gains, self.words)
        return gains

    def _collect(self, totals: Tensor, ended: Tensor) -> Tensor:
        """Take what ended out of the beam; what is beyond a photo's remaining beams is dropped."""
        room = torch.tensor([self.settings.beams - len(found) for found in self.ended], device=self.device)
        ranks = torch.arange(self.settings.beams, device=self.device)
        kept = (ranks < room.unsqueeze(1)) & ~totals.isneginf()
        for photo, beam in (ended & kept).nonzero().tolist():
            self.ended[photo].append(self._hypothesis(photo, beam))
        return totals.masked_fill(ended | ~kept, -torch.inf)

    def _hypothesis(self, photo: int, beam: int) -> Hypothesis:
        gains = self.gains[photo, beam].tolist()
        return Hypothesis(
            words=tuple(self.words[photo, beam, :-1].tolist()),
            log_probabilities=tuple(gains),
            score=sum(gains) / len(gains) ** self.settings.length_alpha,
            attention=torch.stack([maps[photo, beam] for maps in self.maps])[:-1].cpu(),
        )


def best_of(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest ``count`` of each row of (n, m) and their places, (n, count) each; equal ones in order of place.

    ``topk`` promises nothing about ties. Missing ones, where m < count, have score -inf and place 0.
    """
    short = count - scores.shape[1]
    if short > 0:
        values, places = best_of(scores, scores.shape[1])
        pad = torch.nn.functional.pad
        return pad(values, (0, short), value=-torch.inf), pad(places, (0, short))
    least = scores.topk(count, dim=1).values[:, -1:]
    # All that is above the last score belongs to the best; of what equals it, the first ones do.
    place = torch.arange(scores.shape[1], device=scores.device, dtype=torch.float64)
    order = torch.where(scores > least, 1.0, torch.where(scores == least, -1.0 - place, -torch.inf))
    chosen = order.topk(count, dim=1).indices.sort(dim=1).values
    values, ranks = scores.gather(1, chosen).sort(dim=1, descending=True, stable=True)
    return values, chosen.gather(1, ranks)


def block_repeated(gains: Tensor, words: Tensor, n: int) -> None:
    """Make impossible, in place, each word that would end an n-gram that a caption has already.

    Args:
        gains: (photos, beams, vocabulary).
        words: int64 (photos, beams, t), the words so far.
    """
    length = words.shape[2]
    if length < n:
        return
    grams = words.unfold(2, n, 1)
    last = words[:, :, length - n + 1 :]
    repeated = (grams[..., :-1] == last.unsqueeze(2)).all(dim=-1)
    photo, beam, gram = repeated.nonzero(as_tuple=True)
    gains[photo, beam, grams[photo, beam, gram, -1]] = -torch.inf


def _gather(values: Tensor, parents: Tensor) -> Tensor:
    index = parents.view(*parents.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)
