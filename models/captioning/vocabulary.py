"""The words that a captioner knows.

Whole words rather than pieces of words: an attention map belongs to a word, and some tens of thousands of captions
hold few words that are frequent enough to learn from (Xu et al. 2015 take whole words as well).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from models.captioning.types import STYLES, CaptionStyle

PAD, UNKNOWN, END = 0, 1, 2
_FIRST_STYLE = 3
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_POSSESSIVE = "'s"


def tokenize(text: str) -> list[str]:
    """Lower-case words: letters and digits of any script, with hyphens and apostrophes inside them.

    Everything else parts words and is dropped, as the Penn Treebank tokenizer of the usual caption scores drops
    punctuation. As in that one, a possessive ``'s`` is a word of its own: "the dog's ball" has four words.
    """
    plain = unicodedata.normalize("NFC", text).replace("’", "'").lower()
    words: list[str] = []
    for word in _WORD.findall(plain):
        if word.endswith(_POSSESSIVE) and len(word) > len(_POSSESSIVE):
            words += [word.removesuffix(_POSSESSIVE), _POSSESSIVE]
        else:
            words.append(word)
    return words


def detokenize(words: Sequence[str]) -> str:
    """Words as one reads them: a space between them, but none before ``'s``."""
    return " ".join(words).replace(f" {_POSSESSIVE}", _POSSESSIVE)


class CaptionVocabulary:
    """Words by number. 0 is padding, 1 an unknown word, 2 the end; then a start token a style; then the words.

    Args:
        words: none twice.
        styles: those that the captioner knows.

    Raises:
        ValueError: a word is blank, holds white space, or occurs twice; or there is no style.
    """

    def __init__(self, words: Sequence[str], styles: Sequence[CaptionStyle] = STYLES) -> None:
        if not styles or len(set(styles)) != len(styles) or not set(styles) <= set(STYLES):
            raise ValueError(f"styles must be different ones of {', '.join(STYLES)}, not {list(styles)}")
        broken = next((word for word in words if word.split() != [word]), None)
        if broken is not None:
            raise ValueError(f"{broken!r} is not one word")
        if len(set(words)) != len(words):
            raise ValueError(f"the word {Counter(words).most_common(1)[0][0]!r} occurs twice in the vocabulary")
        self.styles = tuple(styles)
        self.words = tuple(words)
        self._first = _FIRST_STYLE + len(styles)
        self._number = {word: self._first + place for place, word in enumerate(words)}

    @classmethod
    def build(cls, captions: Mapping[CaptionStyle, Iterable[Sequence[str]]], min_count: int) -> Self:
        """Every word that some style uses ``min_count`` times or more, the most frequent first."""
        total: Counter[str] = Counter()
        kept: set[str] = set()
        for texts in captions.values():
            counts = Counter(word for words in texts for word in words)
            kept |= {word for word, count in counts.items() if count >= min_count}
            total += counts
        words = sorted(kept, key=lambda word: (-total[word], word))
        return cls(words, [style for style in STYLES if style in captions])

    def __len__(self) -> int:
        return self._first + len(self.words)

    def start(self, style: CaptionStyle) -> int:
        """The number of a style's start token. Raises ValueError on a style that is not there."""
        return _FIRST_STYLE + self.styles.index(style)

    @property
    def never_written(self) -> tuple[int, ...]:
        """What no caption holds: padding, the unknown word and the start tokens."""
        return (PAD, UNKNOWN, *range(_FIRST_STYLE, self._first))

    def encode(self, words: Sequence[str]) -> list[int]:
        """Numbers of words, without start or end; words that are not there become the unknown one."""
        return [self._number.get(word, UNKNOWN) for word in words]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Words of numbers, up to the end.

        Raises:
            ValueError: a number belongs to no word.
        """
        words: list[str] = []
        for number in numbers:
            if number == END:
                break
            if not self._first <= number < len(self):
                raise ValueError(f"{number} is not the number of a word")
            words.append(self.words[number - self._first])
        return words

    def to_text(self) -> str:
        """The words, one a line; :meth:`from_text` reads them."""
        return "".join(f"{word}\n" for word in self.words)

    @classmethod
    def from_text(cls, text: str, styles: Sequence[CaptionStyle]) -> Self:
        """Raises ValueError where the text is not such a list."""
        return cls(text.split("\n")[:-1], styles)
