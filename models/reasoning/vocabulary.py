"""What a reasoner knows by number: words of questions, answers, kinds of questions and the answers that each takes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.captioning.vocabulary import tokenize
from models.reasoning.questions import Question
from models.words.names import singular

PAD, UNKNOWN = 0, 1
_FIRST_WORD = 2
_OR = "or"
#: "baked, fried or cooked another way?" offers more than it names.
_OPEN = frozenset({"else", "other", "another", "otherwise"})
#: With one of them, or a word in "n't", a question asks for the opposite of what the rest of it says.
_NEGATIONS = frozenset({"no", "not", "none", "never", "neither", "nor", "cannot", "without"})


@dataclass(frozen=True)
class ReasoningVocabulary:
    """Words, answers and types by number. Word 0 is padding, word 1 an unknown one; then ``words``.

    Attributes:
        words: none twice.
        counts: in how many of ``questions`` each word was.
        questions: that the vocabulary was made of.
        answers: none twice.
        types: kinds of questions.
        allowed: for each type, the numbers of the answers that its questions had, at least one, ascending. A question
            of a type is answered by one of these alone: "is there rice?" by yes or no, never by a colour.

    Raises:
        ValueError: that is not so.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    questions: int
    answers: tuple[str, ...]
    types: tuple[str, ...]
    allowed: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        for name in ("words", "answers", "types"):
            values: tuple[str, ...] = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{Counter(values).most_common(1)[0][0]!r} occurs twice in {name}")
        if len(self.counts) != len(self.words):
            raise ValueError(f"there are {len(self.words)} words, but counts of {len(self.counts)}")
        if not self.types or len(self.allowed) != len(self.types):
            raise ValueError(
                f"there are {len(self.types)} types of questions and answers for {len(self.allowed)}; "
                "both must be as many, and at least one"
            )
        for name, numbers in zip(self.types, self.allowed, strict=True):
            if not numbers or list(numbers) != sorted(set(numbers) & set(range(len(self.answers)))):
                raise ValueError(f"the answers of type {name!r} are not numbers of answers")

    @classmethod
    def build(cls, questions: Sequence[Question], *, min_words: int = 1, min_answers: int = 1) -> Self:
        """Of the questions to train on: words that so many of them hold, and answers that so many of them have, the
        most frequent first. A type none of whose answers is left is left out.

        Raises:
            ValueError: no answer is left.
        """
        words: Counter[str] = Counter()
        answers: Counter[str] = Counter()
        for question in questions:
            words.update(set(tokenize(question.question)))
            answers.update(question.answers.keys())
        known = _frequent(words, min_words)
        kept = _frequent(answers, min_answers)
        if not kept:
            raise ValueError(f"no answer belongs to {min_answers} questions or more")
        number = {answer: place for place, answer in enumerate(kept)}
        by_type: dict[str, set[int]] = {}
        for question in questions:
            numbers = {number[answer] for answer in question.answers if answer in number}
            by_type.setdefault(question.type, set()).update(numbers)
        types = sorted(name for name, numbers in by_type.items() if numbers)
        return cls(
            words=tuple(known),
            counts=tuple(words[word] for word in known),
            questions=len(questions),
            answers=tuple(kept),
            types=tuple(types),
            allowed=tuple(tuple(sorted(by_type[name])) for name in types),
        )

    @property
    def size(self) -> int:
        """How many numbers of words there are."""
        return _FIRST_WORD + len(self.words)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """bool (types, answers): which answers a question of a type takes."""
        mask = np.zeros((len(self.types), len(self.answers)), dtype=np.bool_)
        for row, numbers in enumerate(self.allowed):
            mask[row, list(numbers)] = True
        return mask

    def candidates(self, question: str, kind: int) -> NDArray[np.bool_]:
        """bool (answers,): which answers a question may have. Those of its type; where it offers several of these
        ("rice, peas or corn?"), the ones that it names, in the singular or the plural.

        Args:
            kind: the number of its type.
        """
        of_type: NDArray[np.bool_] = self.mask[kind]
        words = tokenize(question)
        if _OR not in words or not _OPEN.isdisjoint(words):
            return of_type
        offered = np.zeros_like(of_type)
        offered[self._named(words)] = True
        offered &= of_type
        return offered if offered.sum() > 1 else of_type

    def encode(self, question: str) -> list[int]:
        """Numbers of a question's words, at least one: what has no word at all is one unknown word."""
        return [self._number.get(word, UNKNOWN) for word in tokenize(question)] or [UNKNOWN]

    def unknown_words(self, question: str) -> tuple[str, ...]:
        """The words of a question that are not there, each once, in their order."""
        return tuple(dict.fromkeys(word for word in tokenize(question) if word not in self._number))

    def unknown_share(self, question: str) -> float:
        """How much of what a question says is in words that are not there, in [0, 1].

        A word says the more the fewer questions have it (inverse document frequency, Sparck Jones 1972): of "is there
        tofu in it?" most lies in the one word "tofu". A word that is not there counts as the mean word that is.
        A question without any word is wholly unknown, and so is one with a negation that is not there: "is it without
        rice?" would be answered as if it were "is it with rice?". ("Or not" and "yes or no" turn nothing around.)
        """
        words = tokenize(question)
        if not _negations(words) <= self._number.keys():
            return 1.0
        weights = [self._information.get(word, self._mean_information) for word in words]
        unknown = sum(weight for word, weight in zip(words, weights, strict=True) if word not in self._number)
        total = sum(weights)
        return unknown / total if total > 0 else float(not words)

    def targets(self, answers: Mapping[str, float]) -> dict[int, float]:
        """Numbers and scores of those answers that are there."""
        return {self._answer[answer]: score for answer, score in answers.items() if answer in self._answer}

    def to_text(self) -> str:
        """JSON that :meth:`from_text` reads."""
        record = {
            "words": dict(zip(self.words, self.counts, strict=True)),
            "questions": self.questions,
            "answers": self.answers,
            "types": dict(zip(self.types, self.allowed, strict=True)),
        }
        return json.dumps(record, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError where the text is no vocabulary."""
        try:
            record = json.loads(text)
            return cls(
                words=tuple(record["words"]),
                counts=tuple(int(count) for count in record["words"].values()),
                questions=int(record["questions"]),
                answers=tuple(record["answers"]),
                types=tuple(record["types"]),
                allowed=tuple(tuple(numbers) for numbers in record["types"].values()),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a vocabulary of a reasoner: {error!r}") from error

    def _named(self, words: Sequence[str]) -> list[int]:
        """Numbers of the answers that stand in these words, the longer one where two begin alike. Who offers a carrot
        or a potato means the answers "carrots" and "potatoes"."""
        named: list[int] = []
        singulars = [singular(word) for word in words]
        place = 0
        while place < len(words):
            length = 1
            for end in range(min(len(words), place + self._longest_answer), place, -1):
                number = self._answer_of_words.get(
                    tuple(words[place:end]), self._answer_of_singulars.get(tuple(singulars[place:end]))
                )
                if number is not None:
                    named.append(number)
                    length = end - place
                    break
            place += length
        return named

    @cached_property
    def _answer_of_words(self) -> dict[tuple[str, ...], int]:
        return {tuple(tokenize(answer)): place for place, answer in enumerate(self.answers)}

    @cached_property
    def _answer_of_singulars(self) -> dict[tuple[str, ...], int]:
        return {tuple(map(singular, words)): place for words, place in self._answer_of_words.items()}

    @cached_property
    def _longest_answer(self) -> int:
        return max(map(len, self._answer_of_words), default=0)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: _FIRST_WORD + place for place, word in enumerate(self.words)}

    @cached_property
    def _answer(self) -> dict[str, int]:
        return {answer: place for place, answer in enumerate(self.answers)}

    @cached_property
    def _information(self) -> dict[str, float]:
        total = self.questions + 1
        return {word: math.log(total / (count + 1)) for word, count in zip(self.words, self.counts, strict=True)}

    @cached_property
    def _mean_information(self) -> float:
        values = self._information.values()
        return sum(values) / len(values) if values else 1.0


def _negations(words: Sequence[str]) -> set[str]:
    """The words that turn a question around: those after "or" are one of two answers."""
    pairs = zip(("", *words), words, strict=False)
    return {word for before, word in pairs if before != _OR and (word in _NEGATIONS or word.endswith("n't"))}


def _frequent(counts: Mapping[str, int], least: int) -> list[str]:
    kept: Iterable[str] = (each for each, count in counts.items() if count >= least)
    return sorted(kept, key=lambda each: (-counts[each], each))
