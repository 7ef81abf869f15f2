"""Beam search over a decoder whose every continuation can be enumerated."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.captioning.decoder import AttentionDecoder, DecoderConfig, Memory, State
from models.captioning.search import Hypothesis, SearchSettings, beam_search, best_of, block_repeated
from models.captioning.vocabulary import END, PAD, UNKNOWN

START = 3
NEVER = (PAD, UNKNOWN, START)
WORDS = (4, 5, 6)
WIDE = SearchSettings(beams=200, max_words=3, length_alpha=0.7, block_ngram=0, min_words=0)


def _decoder(seed: int = 0, scale: float = 3.0) -> AttentionDecoder:
    """Random, but sure of itself: otherwise everything is about as likely."""
    torch.manual_seed(seed)
    config = DecoderConfig(features=5, vocabulary=7, values=6, hidden=8, embedding=6, attention=4, tied=False)
    decoder = AttentionDecoder(config).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(scale)
    return decoder


def _memory(decoder: AttentionDecoder, photos: int = 3) -> Memory:
    with torch.no_grad():
        return decoder.memory(torch.randn(photos, 4, 5, generator=torch.Generator().manual_seed(1)))


def _scored(decoder: AttentionDecoder, memory: Memory, photo: int, words: tuple[int, ...]) -> list[float]:
    """The log-probability of each word and of the end, by one run over the whole caption."""
    part = Memory(memory.values[photo : photo + 1], memory.keys[photo : photo + 1])
    with torch.no_grad():
        logits = decoder.logits(decoder(part, torch.tensor([[[START, *words]]])).outputs)[0, 0].double()
    logits[:, list(NEVER)] = -torch.inf
    gains = logits.log_softmax(-1)
    return [float(gains[place, word]) for place, word in enumerate((*words, END))]


def _all_captions(
    decoder: AttentionDecoder, memory: Memory, photo: int, search: SearchSettings
) -> dict[tuple[int, ...], float]:
    """The score of every caption that the settings allow."""
    found = {}
    for length in range(search.min_words, search.max_words + 1):
        for words in itertools.product(WORDS, repeat=length):
            n = search.block_ngram
            grams = [words[i : i + n] for i in range(length - n + 1)] if n else []
            if len(set(grams)) == len(grams):
                found[words] = sum(_scored(decoder, memory, photo, words)) / (length + 1) ** search.length_alpha
    return found


def _best(found: list[Hypothesis]) -> dict[tuple[int, ...], float]:
    return {each.words: each.score for each in found}


@pytest.mark.parametrize(
    "search",
    [
        WIDE,
        replace(WIDE, length_alpha=0.0),
        replace(WIDE, min_words=2),
        replace(WIDE, block_ngram=1),
        replace(WIDE, block_ngram=2, length_alpha=1.0),
        replace(WIDE, max_words=1),
    ],
)
def test_a_beam_that_holds_everything_finds_what_enumeration_finds(search: SearchSettings) -> None:
    decoder = _decoder()
    memory = _memory(decoder)
    for photo, found in enumerate(beam_search(decoder, memory, START, search, NEVER)):
        expected = _all_captions(decoder, memory, photo, search)
        assert _best(found) == pytest.approx(expected, abs=1e-5)
        scores = [each.score for each in found]
        assert scores == sorted(scores, reverse=True)


@given(seed=st.integers(0, 1000), beams=st.integers(1, 6), n=st.integers(0, 3))
@settings(max_examples=25)
def test_a_narrow_beam_is_held_to_a_naive_one(seed: int, beams: int, n: int) -> None:
    decoder = _decoder(seed)
    memory = _memory(decoder, photos=2)
    search = SearchSettings(beams=beams, max_words=4, block_ngram=n)
    for photo, found in enumerate(beam_search(decoder, memory, START, search, NEVER)):
        assert _best(found) == pytest.approx(_naive_beam(decoder, memory, photo, search), abs=1e-5)


def _naive_beam(
    decoder: AttentionDecoder, memory: Memory, photo: int, search: SearchSettings
) -> dict[tuple[int, ...], float]:
    live: list[tuple[int, ...]] = [()]
    ended: dict[tuple[int, ...], float] = {}
    while live and len(ended) < search.beams:
        candidates: list[tuple[float, tuple[int, ...], bool]] = []
        for words in live:
            total = sum(_scored(decoder, memory, photo, words))
            before = total - _scored(decoder, memory, photo, words)[-1]
            if len(words) >= search.min_words:
                candidates.append((total, words, True))
            for word in WORDS if len(words) < search.max_words else ():
                longer = (*words, word)
                grams = [longer[i : i + search.block_ngram] for i in range(len(longer) - search.block_ngram + 1)]
                if search.block_ngram and len(set(grams)) < len(grams):
                    continue
                gain = _scored(decoder, memory, photo, longer)[len(words)]
                candidates.append((before + gain, longer, False))
        candidates.sort(key=lambda each: -each[0])
        live = []
        for total, words, ends in candidates[: search.beams - len(ended)]:
            if ends:
                ended[words] = total / (len(words) + 1) ** search.length_alpha
            else:
                live.append(words)
    return ended


def test_one_beam_is_greedy_search() -> None:
    decoder = _decoder(5)
    memory = _memory(decoder)
    search = SearchSettings(beams=1, max_words=8, min_words=0, block_ngram=0)
    for photo, found in enumerate(beam_search(decoder, memory, START, search, NEVER)):
        state = decoder.first_state(Memory(memory.values[photo : photo + 1], memory.keys[photo : photo + 1]), 1)
        words: list[int] = []
        last = START
        with torch.no_grad():
            while len(words) < 8:
                part = Memory(memory.values[photo : photo + 1], memory.keys[photo : photo + 1])
                scores, _, state = decoder.step(part, state, torch.tensor([[last]]))
                scores[..., list(NEVER)] = -torch.inf
                last = int(scores.argmax())
                if last == END:
                    break
                words.append(last)
        assert [each.words for each in found] == [tuple(words)]


def test_a_caption_does_not_depend_on_its_neighbours() -> None:
    decoder = _decoder(2)
    memory = _memory(decoder, photos=6)
    search = SearchSettings(beams=3, max_words=6)
    together = beam_search(decoder, memory, START, search, NEVER)
    order = [4, 1, 5]
    apart = beam_search(decoder, Memory(memory.values[order], memory.keys[order]), START, search, NEVER)
    for photo, found in zip(order, apart, strict=True):
        assert [each.words for each in found] == [each.words for each in together[photo]]
        for one, other in zip(found, together[photo], strict=True):
            assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-5)
            torch.testing.assert_close(one.attention, other.attention)


def test_probabilities_and_maps_are_those_of_the_caption() -> None:
    decoder = _decoder(3)
    memory = _memory(decoder)
    search = SearchSettings(beams=4, max_words=6)
    for photo, found in enumerate(beam_search(decoder, memory, START, search, NEVER)):
        assert len(found) == 4
        for each in found:
            assert set(each.words) <= set(WORDS)
            assert each.log_probabilities == pytest.approx(_scored(decoder, memory, photo, each.words), abs=1e-5)
            part = Memory(memory.values[photo : photo + 1], memory.keys[photo : photo + 1])
            with torch.no_grad():
                maps = decoder(part, torch.tensor([[[START, *each.words]]])).maps[0, 0, :-1]
            torch.testing.assert_close(each.attention, maps)


class _Indifferent:
    """Every word is as likely as any other."""

    def first_state(self, memory: Memory, captions: int) -> State:
        zeros = torch.zeros(len(memory.values), captions, 1)
        return State(zeros, zeros)

    def step(self, memory: Memory, state: State, words: Tensor) -> tuple[Tensor, Tensor, State]:
        return torch.zeros(*words.shape, 7), torch.full((*words.shape, 4), 0.25), state


def test_ties_have_a_fixed_order() -> None:
    memory = Memory(torch.zeros(2, 4, 1), torch.zeros(2, 4, 1))
    search = SearchSettings(beams=3, max_words=2, min_words=2, block_ngram=0, length_alpha=0.0)
    for found in beam_search(_Indifferent(), memory, START, search, NEVER):
        assert [each.words for each in found] == [(4, 4), (4, 5), (4, 6)]


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=4), st.integers(1, 7))
def test_the_best_are_a_stable_sort(rows: list[list[int]], count: int) -> None:
    values, places = best_of(torch.tensor(rows, dtype=torch.float64), count)
    for row, found, where in zip(rows, values.tolist(), places.tolist(), strict=True):
        order = sorted(range(5), key=lambda place: -row[place])[:count]
        assert where[: len(order)] == order
        assert found == [row[place] for place in order] + [-torch.inf] * (count - len(order))


def test_the_best_of_impossible_ones() -> None:
    values, places = best_of(torch.tensor([[-torch.inf, 1.0, -torch.inf]]), 2)
    assert values.tolist() == [[1.0, -torch.inf]]
    assert places[0, 0] == 1


def test_repeated_ngrams_are_blocked() -> None:
    gains = torch.zeros(1, 2, 7)
    block_repeated(gains, torch.tensor([[[4, 5, 4], [4, 5, 6]]]), 2)
    assert gains.isneginf().nonzero().tolist() == [[0, 0, 5]]


@pytest.mark.parametrize(
    "values",
    [{"beams": 0}, {"min_words": 3, "max_words": 2}, {"max_words": 0, "min_words": 0}, {"length_alpha": -0.1},
     {"block_ngram": -1}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        SearchSettings(**values)


def test_a_limit_forbids_and_another_word_may_be_the_end() -> None:
    """What is forbidden makes nothing likelier; with the end and a word changing places, the same is found."""
    decoder, search = _decoder(), replace(WIDE, max_words=2)
    memory = _memory(decoder)
    plain = beam_search(decoder, memory, START, search, NEVER)

    def no_four_after_five(gains: Tensor, words: Tensor) -> None:
        if words.shape[2]:
            gains[:, :, 4].masked_fill_(words[:, :, -1] == 5, -torch.inf)

    limited = beam_search(decoder, memory, START, search, NEVER, limit=no_four_after_five)
    for found, everything in zip(limited, plain, strict=True):
        expected = {words: score for words, score in _best(everything).items() if words != (5, 4)}
        assert _best(found) == pytest.approx(expected, abs=1e-5)
    swap = torch.tensor([0, 1, 6, 3, 4, 5, 2])
    with torch.no_grad():
        for weights in (decoder.words.weight, decoder.out.weight, decoder.out.bias):
            weights.copy_(weights[swap])
    swapped = beam_search(decoder, memory, START, search, NEVER, end=6)
    for found, everything in zip(swapped, plain, strict=True):
        named = {tuple(int(swap[word]) for word in words): score for words, score in _best(found).items()}
        assert named == pytest.approx(_best(everything), abs=1e-5)
