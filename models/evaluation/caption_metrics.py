"""Measures of captions in pure Python and numpy: BLEU, CIDEr-D, ROUGE-L, word F1, diversity, and their tokenizer.

Light enough for a training that rewards captions (self-critical sequence training). BLEU, CIDEr-D and ROUGE-L
are the numbers of pycocoevalcap 1.2, the field's reference, and the tests hold them to it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Tokens: TypeAlias = list[str]
Float64Array: TypeAlias = NDArray[np.float64]
_NGram: TypeAlias = tuple[str, ...]

ORDERS = 4
_BETA = 1.2
# The constants that pycocoevalcap's BLEU adds to numerators and denominators, so that nothing divides by zero.
_TINY, _SMALL = 1e-15, 1e-9

_QUOTES = str.maketrans({"’": "'", "‘": "`", "“": '"', "”": '"', "\u0092": "'", "\u00a0": " "})
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_DROPPED = frozenset("'`\".?!,:;-–—…")
_SPLIT = re.compile(r"\b(can)(not)\b|\b(gon|wan)(na)\b|\b(got)(ta)\b|(?<=\w)()(n't|'(?:s|m|d|ll|re|ve))(?![\w'])")
_TOKEN = re.compile(
    r"n't(?!\w)|'(?:s|m|d|ll|re|ve)(?!\w)|'n'|'\d\ds?(?!\w)"
    r"|(?:[^\W\d_]\.){2,}|(?:mr|mrs|ms|dr|st|jr|sr|vs|inc|co|corp|ltd|prof|etc)\.|no\.(?=\s*\d)"
    r"|\d+(?:[.,:]\d+)+"
    r"|@?[^\W_]+(?:(?:--?|['./&])[^\W_]+)*"
    r"|[^\w\s\x00-\x1f\x7f-\x9f]|_"
)


def tokenize_reference(text: str) -> Tokens:
    """Lower-case words as pycocoevalcap's PTB tokenizer gives them, without punctuation.

    Contractions are split (``dog 's``, ``ca n't``), hyphenated words are not. Round brackets stay as ``-lrb-`` and
    ``-rrb-``: pycocoevalcap means to drop them but looks for them in upper case, after lowering it. Its Java
    tokenizer and this one agree on all but about one Flickr8k caption in 10,000 and one dish name in 1,000.
    """
    lowered = unicodedata.normalize("NFC", text).translate(_QUOTES).lower()
    split = _SPLIT.sub(lambda match: " ".join(part for part in match.groups() if part is not None), lowered)
    return [_BRACKETS.get(token, token) for token in _TOKEN.findall(split) if token not in _DROPPED]


def bleu(
    references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens], *, brevity: bool = True
) -> tuple[float, float, float, float]:
    """Corpus BLEU-1 to BLEU-4 in [0, 1] (Papineni et al. 2002), as pycocoevalcap has it.

    Args:
        references: for each hypothesis one reference or more; the closest in length counts for brevity (of two
            equally close ones the shorter).
        hypotheses: tokenized captions.
        brevity: whether captions shorter than their references are penalised. *Show, attend and tell* reports
            BLEU without the penalty.

    Raises:
        ValueError: nothing to score, numbers that differ, or a hypothesis without a reference.
    """
    _check(references, hypotheses)
    right, given = [0] * ORDERS, [0] * ORDERS
    length = reference_length = 0
    for candidates, tokens in zip(references, hypotheses, strict=True):
        length += len(tokens)
        reference_length += min((abs(len(each) - len(tokens)), len(each)) for each in candidates)[1]
        most: Counter[_NGram] = Counter()
        for candidate in candidates:
            most |= _ngrams(candidate)
        for ngram, count in _ngrams(tokens).items():
            right[len(ngram) - 1] += min(count, most[ngram])
        for order in range(ORDERS):
            given[order] += max(0, len(tokens) - order)
    ratio = (length + _TINY) / (reference_length + _SMALL)
    penalty = math.exp(1 - 1 / ratio) if brevity and ratio < 1 else 1.0
    product = 1.0
    scores = []
    for order in range(ORDERS):
        product *= (right[order] + _TINY) / (given[order] + _SMALL)
        scores.append(float(product ** (1 / (order + 1)) * penalty))
    return scores[0], scores[1], scores[2], scores[3]


def rouge_l(references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens]) -> float:
    """Mean ROUGE-L in [0, 1] (Lin 2004) with beta 1.2, as pycocoevalcap has it: best precision, best recall.

    Raises:
        ValueError: as :func:`bleu`.
    """
    _check(references, hypotheses)
    total = 0.0
    for candidates, tokens in zip(references, hypotheses, strict=True):
        if not tokens:
            continue
        common = [_common_subsequence(candidate, tokens) for candidate in candidates]
        precision = max(common) / len(tokens)
        recall = max(each / max(1, len(candidate)) for each, candidate in zip(common, candidates, strict=True))
        if precision > 0:
            total += (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)
    return total / len(hypotheses)


@dataclass(frozen=True, slots=True)
class _Reference:
    """TF-IDF weights by n-gram number, the norm of each order, and the length as CIDEr-D takes it."""

    weights: dict[int, float]
    norms: tuple[float, ...]
    length: int


class CiderD:
    """CIDEr-D (Vedantam et al. 2015, section 4.2) with n-grams of 1 to 4 words and sigma 6, as pycocoevalcap has it.

    The references' vectors are made once, so that many captions can be scored against them quickly.

    Args:
        references: tokenized references of each photo, at least one.
        corpus: references of the photos that document frequencies are counted over; by default ``references``.
            Scores of few photos mean little over their own frequencies: all n-grams of a single photo weigh 0.
        sigma: standard deviation of the length penalty, in words.

    Raises:
        ValueError: a photo without a reference, or no photo at all.
    """

    def __init__(
        self,
        references: Sequence[Sequence[Tokens]],
        *,
        corpus: Sequence[Sequence[Tokens]] | None = None,
        sigma: float = 6.0,
    ) -> None:
        documents = references if corpus is None else corpus
        if not documents or not references:
            raise ValueError("CIDEr-D needs at least one photo with references")
        if not all(references):
            raise ValueError("every photo needs at least one reference")
        frequency: Counter[_NGram] = Counter()
        for captions in documents:
            frequency.update({ngram for caption in captions for ngram in _ngrams(caption)})
        self._unseen = math.log(len(documents))
        self._numbers = {ngram: number for number, ngram in enumerate(frequency)}
        self._idf = [self._unseen - math.log(count) for count in frequency.values()]
        self._sigma = sigma
        self._references = [[self._reference(caption) for caption in captions] for captions in references]

    def score(self, hypotheses: Sequence[Tokens], *, photos: Sequence[int] | None = None) -> tuple[float, Float64Array]:
        """The mean and the score of each caption, float64 (n,), in [0, 10].

        Args:
            hypotheses: tokenized captions.
            photos: the number of the photo that each caption is of; by default 0, 1, 2 ...

        Raises:
            ValueError: no captions, or another number of photos than of captions.
        """
        numbers = range(len(self._references)) if photos is None else photos
        if len(hypotheses) != len(numbers) or not hypotheses:
            raise ValueError(f"there are {len(hypotheses)} captions, but {len(numbers)} photos to hold them to")
        scores = np.array([self._one(each, photo) for each, photo in zip(hypotheses, numbers, strict=True)])
        return float(scores.mean()), scores

    def _one(self, tokens: Tokens, photo: int) -> float:
        counts = _ngrams(tokens)
        weighted = []
        squares = [0.0] * ORDERS
        for ngram, count in counts.items():
            number = self._numbers.get(ngram)
            weight = count * (self._unseen if number is None else self._idf[number])
            squares[len(ngram) - 1] += weight * weight
            if number is not None and weight > 0:
                weighted.append((len(ngram) - 1, number, weight))
        norms = [math.sqrt(square) for square in squares]
        length = _bigrams(tokens)
        total = 0.0
        references = self._references[photo]
        for reference in references:
            products = [0.0] * ORDERS
            for order, number, weight in weighted:
                other = reference.weights.get(number)
                if other is not None:
                    products[order] += min(weight, other) * other
            cosines = sum(
                product / (norm * other)
                for product, norm, other in zip(products, norms, reference.norms, strict=True)
                if product > 0
            )
            total += cosines * math.exp(-((length - reference.length) ** 2) / (2 * self._sigma**2))
        return 10.0 * total / (ORDERS * len(references))

    def _reference(self, tokens: Tokens) -> _Reference:
        weights = {}
        squares = [0.0] * ORDERS
        for ngram, count in _ngrams(tokens).items():
            number = self._numbers.setdefault(ngram, len(self._idf))
            if number == len(self._idf):
                self._idf.append(self._unseen)
            weight = count * self._idf[number]
            squares[len(ngram) - 1] += weight * weight
            weights[number] = weight
        return _Reference(weights, tuple(math.sqrt(square) for square in squares), _bigrams(tokens))


def word_f1(references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens]) -> float:
    """Mean F1 in [0, 1] of the words shared with the best reference, repeated words counted (Rajpurkar et al. 2016).

    Raises:
        ValueError: as :func:`bleu`.
    """
    _check(references, hypotheses)
    total = 0.0
    for candidates, tokens in zip(references, hypotheses, strict=True):
        words = Counter(tokens)
        total += max(
            2.0 * (words & Counter(candidate)).total() / max(1, len(tokens) + len(candidate))
            for candidate in candidates
        )
    return total / len(hypotheses)


def vocabulary_size(hypotheses: Sequence[Tokens]) -> int:
    """How many different words the captions have."""
    return len({token for tokens in hypotheses for token in tokens})


def mean_length(hypotheses: Sequence[Tokens]) -> float:
    """Mean number of words of a caption; 0 where there is none."""
    return sum(map(len, hypotheses)) / max(1, len(hypotheses))


def distinct(hypotheses: Sequence[Tokens], order: int) -> float:
    """Different n-grams of ``order`` words as a share of all of them (Li et al. 2016); 0 where there is none."""
    ngrams = [tuple(tokens[at : at + order]) for tokens in hypotheses for at in range(len(tokens) - order + 1)]
    return len(set(ngrams)) / max(1, len(ngrams))


def share_unseen(hypotheses: Sequence[Tokens], training: Collection[Tokens]) -> float:
    """The share of captions that no training photo has, word for word; 0 where there is none."""
    known = set(map(tuple, training))
    return sum(tuple(tokens) not in known for tokens in hypotheses) / max(1, len(hypotheses))


def _check(references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens]) -> None:
    if len(references) != len(hypotheses):
        raise ValueError(f"there are {len(hypotheses)} captions, but references for {len(references)}")
    if not hypotheses:
        raise ValueError("there are no captions to score")
    if not all(references):
        raise ValueError("every caption needs at least one reference")


def _ngrams(tokens: Tokens) -> Counter[_NGram]:
    return Counter(
        tuple(tokens[at : at + order]) for order in range(1, ORDERS + 1) for at in range(len(tokens) - order + 1)
    )


def _bigrams(tokens: Tokens) -> int:
    """The length that the penalty of CIDEr-D compares: the field's implementation counts pairs of words."""
    return max(0, len(tokens) - 1)


def _common_subsequence(first: Tokens, second: Tokens) -> int:
    row = [0] * (len(second) + 1)
    for token in first:
        diagonal = 0
        for at, other in enumerate(second, start=1):
            above = row[at]
            row[at] = diagonal + 1 if token == other else max(above, row[at - 1])
            diagonal = above
    return row[-1]
