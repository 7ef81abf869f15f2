"""The classes of the semantic regulariser: what can be seen on a photo, by tags and by words of titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import RecipeExample
from models.tagging.vocabulary import visible_tags

# fmt: off
_STOP_WORDS = frozenset(
    (
        "a", "an", "and", "the", "with", "in", "on", "of", "or", "to", "for", "from", "de", "la", "le", "el", "du",
        "des", "au", "aux", "al", "style", "easy", "quick", "best", "simple", "classic", "homemade", "perfect",
        "favorite", "basic", "my", "our", "your", "spiced", "spicy", "sweet", "hot", "cold", "warm", "fresh", "new",
        "old", "double", "mini", "little", "big", "baby", "whole", "half", "two", "three", "five", "no", "not", "all",
        "s", "n", "day", "night", "summer", "winter", "spring", "fall", "holiday", "christmas", "thanksgiving",
        "easter", "ultimate", "traditional", "american", "black", "white", "red", "green", "yellow", "golden", "brown",
        "dark", "light",
    )
)
# fmt: on
_SINGULAR = frozenset(("molasses", "hors", "couscous", "asparagus"))
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Labels:
    """``names`` of the classes, which are also short texts to embed; ``hot`` bool (n, classes)."""

    names: tuple[str, ...]
    hot: NDArray[np.bool_]


def title_words(title: str) -> list[str]:
    """Words of a title in lower case and singular, without filler, each once."""
    words = (_singular(word) for word in _WORD.findall(title.casefold()))
    return list(dict.fromkeys(word for word in words if len(word) > 2 and word not in _STOP_WORDS))


def build_labels(examples: Sequence[RecipeExample], *, min_tag: int = 12, min_word: int = 20) -> Labels:
    """Classes = visible tags on at least ``min_tag`` examples + title words on at least ``min_word``.

    A tag and a word that read the same (case and plural aside) are one class. An example belongs to the classes of
    its tags and of its title's words; examples without tags still have those of their title.
    """
    keys = [_keys(example) for example in examples]
    tag_count = Counter(key for tags, _ in keys for key in tags)
    word_count = Counter(key for _, words in keys for key in words)
    frequent = {key for key, n in tag_count.items() if n >= min_tag} | {
        key for key, n in word_count.items() if n >= min_word
    }
    names = tuple(sorted(frequent))
    column = {name: i for i, name in enumerate(names)}
    hot = np.zeros((len(examples), len(names)), dtype=np.bool_)
    for row, (tags, words) in enumerate(keys):
        for key in tags | words:
            if key in column:
                hot[row, column[key]] = True
    return Labels(names, hot)


def _keys(example: RecipeExample) -> tuple[set[str], set[str]]:
    tags = {_class_name(part) for tag in visible_tags(example.tags) for part in tag.split("/")}
    return tags - {""}, set(title_words(example.text.title))


def _class_name(tag: str) -> str:
    words = tag.casefold().split()
    return " ".join([*words[:-1], _singular(words[-1])]) if words else ""


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + ("ie" if word in ("brownies", "cookies", "smoothies", "pies") else "y")
    if len(word) > 4 and word not in _SINGULAR and word.endswith(("oes", "ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) and word not in _SINGULAR:
        return word[:-1]
    return word
