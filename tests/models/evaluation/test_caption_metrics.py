"""Measures of captions against pycocoevalcap's own scorers, and by what must hold of any of them."""

from __future__ import annotations

import math
import random
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from models.evaluation.caption_metrics import (
    CiderD,
    Tokens,
    bleu,
    distinct,
    mean_length,
    rouge_l,
    share_unseen,
    tokenize_reference,
    vocabulary_size,
    word_f1,
)
from tests.models.evaluation.caption_corpus import made_up, words

SENTENCES = (
    "A man in an orange hat starring at something .",
    "Two dogs, one black; one white - play: fetch!",
    "The dog's ball isn't here, we'll look for it. They're gone & I've lost it",
    "We cannot see what he's gonna do in a mid-air one-way T-shirt",
    "A boy says \"hi\" and ``waves'' at the letter (or so) [it] {seems}",
    "Mr. Potato Head at 10:30 a.m. in Washington D.C. pays $5 or 20% for 3,000 #7 shirts vs. Dr. Jr.",
    "Peaches 'n' Cream s'mores at 5 o'clock",
    "Frisée, crème brûlée and jalapeño aïoli",
    "Linguine With Clams (_Linguine Con le Vongole_)",
    "Pop’s “Double-Stuffed” Omelet – with rice… and/or *beans* + a = b",
    "a dog -- runs... what? no!",
    "",
    "1/2 cup of za'atar from the 1990s",
)
WORDS = st.sampled_from(words("a dog runs on the grass red"))
CAPTIONS = st.lists(WORDS, min_size=1, max_size=9)
CORPORA = st.lists(st.tuples(st.lists(CAPTIONS, min_size=1, max_size=3), CAPTIONS), min_size=1, max_size=6)
Corpus = list[tuple[list[Tokens], Tokens]]


def as_coco(references: list[list[Tokens]], hypotheses: list[Tokens]) -> tuple[dict[int, list[str]], ...]:
    truth = {number: [" ".join(tokens) for tokens in captions] for number, captions in enumerate(references)}
    return truth, {number: [" ".join(tokens)] for number, tokens in enumerate(hypotheses)}


@pytest.mark.parametrize("seed", range(4))
def test_bleu_cider_and_rouge_are_those_of_the_field(seed: int) -> None:
    references, hypotheses = made_up(seed=seed)
    truth, given_captions = as_coco(references, hypotheses)
    expected, _ = Bleu(4).compute_score(truth, given_captions, verbose=0)
    assert bleu(references, hypotheses) == pytest.approx(tuple(expected), abs=1e-9)
    mean, each = Cider().compute_score(truth, given_captions)
    our_mean, ours = CiderD(references).score(hypotheses)
    assert our_mean == pytest.approx(mean, abs=1e-9)
    np.testing.assert_allclose(ours, each, atol=1e-9)
    assert rouge_l(references, hypotheses) == pytest.approx(Rouge().compute_score(truth, given_captions)[0], abs=1e-9)


@given(CORPORA)
def test_small_corpora_score_as_the_field_has_it(corpus: Corpus) -> None:
    references, hypotheses = [pair[0] for pair in corpus], [pair[1] for pair in corpus]
    truth, given_captions = as_coco(references, hypotheses)
    expected, _ = Bleu(4).compute_score(truth, given_captions, verbose=0)
    assert bleu(references, hypotheses) == pytest.approx(tuple(expected), abs=1e-9)
    expected, _ = Cider().compute_score(truth, given_captions)
    assert CiderD(references).score(hypotheses)[0] == pytest.approx(expected, abs=1e-9)
    expected, _ = Rouge().compute_score(truth, given_captions)
    assert rouge_l(references, hypotheses) == pytest.approx(expected, abs=1e-9)


@given(CORPORA, st.randoms())
def test_the_order_of_photos_and_references_does_not_count(corpus: Corpus, draw: random.Random) -> None:
    shuffled = [(draw.sample(captions, len(captions)), tokens) for captions, tokens in corpus]
    draw.shuffle(shuffled)

    def scores(pairs: Corpus) -> list[float]:
        references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        cider, _ = CiderD(references).score(hypotheses)
        return [*bleu(references, hypotheses), cider, rouge_l(references, hypotheses), word_f1(references, hypotheses)]

    assert scores(corpus) == pytest.approx(scores(shuffled))


@given(CORPORA)
def test_scores_stay_in_their_range_and_brevity_only_takes_away(corpus: Corpus) -> None:
    references, hypotheses = [pair[0] for pair in corpus], [pair[1] for pair in corpus]
    with_penalty, without = bleu(references, hypotheses), bleu(references, hypotheses, brevity=False)
    assert all(0 <= low <= high <= 1 for low, high in zip(with_penalty, without, strict=True))
    assert 0 <= rouge_l(references, hypotheses) <= 1
    assert 0 <= word_f1(references, hypotheses) <= 1
    _, each = CiderD(references).score(hypotheses)
    assert ((each >= 0) & (each <= 10 + 1e-9)).all()


def test_a_copy_of_its_one_reference_is_perfect() -> None:
    captions = [words("a black dog runs over grass"), words("two children play in the snow")]
    references = [[caption] for caption in captions]
    assert bleu(references, captions) == pytest.approx((1, 1, 1, 1))
    assert rouge_l(references, captions) == pytest.approx(1)
    assert word_f1(references, captions) == pytest.approx(1)
    assert CiderD(references).score(captions)[0] == pytest.approx(10)


def test_brevity_is_punished_as_the_paper_has_it() -> None:
    references = [[words("a black dog runs over grass")]]
    assert bleu(references, [["a", "black", "dog"]], brevity=False)[0] == pytest.approx(1)
    assert bleu(references, [["a", "black", "dog"]])[0] == pytest.approx(math.exp(1 - 6 / 3))


def test_words_repeated_to_please_are_clipped() -> None:
    references = [[words("a dog runs")]]
    assert bleu(references, [["dog"] * 4])[0] == pytest.approx(1 / 4)
    assert word_f1(references, [["dog"] * 3]) == pytest.approx(1 / 3)


def test_an_empty_caption_scores_nothing() -> None:
    references, hypotheses = made_up(4)
    hypotheses[1] = []
    assert CiderD(references).score(hypotheses)[1][1] == 0
    assert rouge_l(references[1:2], [[]]) == 0
    assert word_f1(references[1:2], [[]]) == 0
    assert bleu(references[1:2], [[]]) == pytest.approx((0, 0, 0, 0), abs=1e-3)


def test_document_frequencies_of_another_corpus() -> None:
    """A photo by itself has no frequencies worth the name; those of the whole corpus serve any part of it."""
    references, hypotheses = made_up()
    whole = CiderD(references).score(hypotheses)[1]
    part = CiderD(references[:7], corpus=references).score(hypotheses[:7])[1]
    np.testing.assert_allclose(part, whole[:7])
    assert CiderD(references[:1]).score(hypotheses[:1])[0] == 0


def test_n_grams_that_the_corpus_of_frequencies_does_not_have_count_as_rarest() -> None:
    corpus = [[words("a dog")], [words("a cat")], [words("a bird")]]
    scorer = CiderD([[words("green unicorn flies high")]], corpus=corpus)
    assert scorer.score([words("green unicorn flies high")])[0] == pytest.approx(10)
    assert 0 < scorer.score([words("green unicorn")])[0] < 10


def test_captions_are_scored_against_the_photos_that_are_named() -> None:
    references, hypotheses = made_up()
    scorer = CiderD(references)
    whole = scorer.score(hypotheses)[1]
    mean, some = scorer.score([hypotheses[5], hypotheses[2], hypotheses[5]], photos=[5, 2, 5])
    np.testing.assert_array_equal(some, whole[[5, 2, 5]])
    assert mean == pytest.approx(some.mean())


def test_what_can_not_be_scored_is_said() -> None:
    references, hypotheses = made_up(3)
    for measure in (bleu, rouge_l, word_f1):
        with pytest.raises(ValueError, match="3 captions, but references for 2"):
            measure(references[:2], hypotheses)
        with pytest.raises(ValueError, match="no captions"):
            measure([], [])
        with pytest.raises(ValueError, match="at least one reference"):
            measure([[]], [["dog"]])
    with pytest.raises(ValueError, match="at least one photo"):
        CiderD([])
    with pytest.raises(ValueError, match="at least one reference"):
        CiderD([[]])
    with pytest.raises(ValueError, match="2 captions, but 3 photos"):
        CiderD(references).score(hypotheses[:2])


def test_f1_takes_the_best_reference() -> None:
    references = [[["roast", "chicken"], ["chicken", "with", "lemon", "rice"]]]
    assert word_f1(references, [["lemon", "chicken"]]) == pytest.approx(2 * 2 / (2 + 4))


def test_diversity_by_hand() -> None:
    captions = [["a", "dog", "runs"], ["a", "dog", "sits"], []]
    assert vocabulary_size(captions) == 4
    assert mean_length(captions) == pytest.approx(2)
    assert distinct(captions, 1) == pytest.approx(4 / 6)
    assert distinct(captions, 2) == pytest.approx(3 / 4)
    assert share_unseen(captions[:2], [["a", "dog", "sits"], ["a", "cat"]]) == pytest.approx(0.5)
    assert (vocabulary_size([]), mean_length([]), distinct([], 2), share_unseen([], [])) == (0, 0, 0, 0)


@pytest.mark.skipif(shutil.which("java") is None, reason="the Penn Treebank tokenizer of pycocoevalcap needs Java")
def test_words_are_those_of_the_penn_treebank_tokenizer() -> None:
    captions = {number: [{"caption": sentence}] for number, sentence in enumerate(SENTENCES)}
    expected = PTBTokenizer().tokenize(captions)
    assert [tokenize_reference(sentence) for sentence in SENTENCES] == [expected[n][0].split() for n in captions]


def test_words_without_java() -> None:
    assert tokenize_reference("The Dog's ball, can't: (be) T-shirt.") == (
        words("the dog 's ball ca n't -lrb- be -rrb- t-shirt")
    )
    assert tokenize_reference(" .,;!? '' \n") == []
    assert tokenize_reference("jalapen\u0303o") == ["jalapeño"]


@given(st.text(max_size=60))
def test_any_text_gives_words_without_space_or_upper_case(text: str) -> None:
    for token in tokenize_reference(text):
        assert token
        assert token.split() == [token]
        assert token == token.lower()
