"""From a line of a recipe to the name of its ingredient: "2 cups chopped green onions, divided" -> "green onion".

By rules, for English: a line is cut into phrases (at commas, brackets and alternatives), quantities, measures and
preparations are dropped, and what is left is made singular. The result is lower case and NFC.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set

from models.words.lexicon import (
    BRANDS,
    DROPPED_PHRASES,
    INCOMPLETE,
    IRREGULAR,
    JOINED,
    KEPT_AFTER,
    KEPT_BEFORE,
    MEASURES,
    PREPARATIONS,
    SHARED_HEADS,
    SINGULAR_S,
    TAIL_WORDS,
)

_LONGEST_LINE = 5_000  # characters; the rest of a longer line is not read
# Each word is taken whole or not at all (possessive, and from where a word starts): with backtracking into words, a
# line such as "A.A.A." took time of its length to the fifth.
_BRAND = re.compile(r"(?:(?<![\w'’&.-])['’]?[A-Z][\w'’&.-]*+\s*+){0,3}(?<![\w'’&.-])[\w'’&.-]++\s*+[®™©]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_STRAY_BRACKET = re.compile(r"[(\[{].*|[)\]}]")
_POSSESSIVE = re.compile(r"['’`´]s?\b|['’`´]")
_DASH = re.compile(r"\s+[-–—]+\s+|[–—]|--+")
_DROPPED = re.compile(r"\b(?:" + "|".join(DROPPED_PHRASES) + r")(?!\w)")
_PHRASE_END = re.compile(r"[,;:*|•]|\.(?=\s|$)")
_PART_OF = re.compile(r"\b(juice|zest|rind|peel)s?(?: and (?:juice|zest|rind|peel)s?)? (?:of|from) (.+)")
_WHOLE_WORD = re.compile(r"(?<!\w)\d+[\w./⁄-]*")
_LATIN_MARKS = re.compile(r"(?<=[a-z])[\u0300-\u036f]+")
_SLASH = re.compile(r"(?<=[^\W\d])\s*/\s*(?=[^\W\d])")


def singular(word: str) -> str:
    """The singular of a lower-case English word; a word that is not a plural comes back as it is."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if len(word) < 4 or word in SINGULAR_S or not word.endswith("s") or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 5 or word in ("pies", "dies") else word[:-1]
    if word.endswith(("oes", "sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def tokens(text: str) -> tuple[str, ...]:
    """All words of a text: lower case, NFC, singular; numbers and punctuation are left out."""
    lowered = _POSSESSIVE.sub("", _fold(text))
    return tuple(_stable_singular(word) for word in _letters(lowered))


def normalize_ingredient(line: str) -> str:
    """The name of the (first) ingredient of a line; empty where the line names none.

    The result is a fixed point: normalising it again changes nothing.
    """
    return next(iter(line_names(line)), "")


def line_names(line: str) -> tuple[str, ...]:
    """All names of a line in their order, without repeats: "salt and freshly ground pepper" -> ("salt", "pepper").

    Of alternatives ("butter or margarine") only the first counts.
    """
    found = dict.fromkeys(_fixed_point(name) for name in _names(line))
    return tuple(name for name in found if name)


class IngredientNames:
    """Names known to a vocabulary: what a line is called there.

    A name outside the vocabulary backs off to the longest part of it that is inside, the later part first, since
    the last words of an English name say what it is ("thai sweet basil" -> "sweet basil" -> "basil").

    Args:
        known: canonical names, as :func:`normalize_ingredient` makes them.
    """

    def __init__(self, known: Set[str]) -> None:
        self._known = known
        self._most_words = max((name.count(" ") + 1 for name in known), default=0)

    def of_line(self, line: str) -> tuple[str, ...]:
        """The known names of a line, without repeats; empty where it has none."""
        return _known_only(self.back_off(name) for name in line_names(line))

    def of_recipe(self, lines: Iterable[str]) -> tuple[str, ...]:
        """The known names of all lines, each once, in their order."""
        return _known_only(name for line in lines for name in self.of_line(line))

    def back_off(self, name: str) -> str | None:
        """The known name that a canonical name stands for, None where there is none."""
        if name in self._known:
            return name
        words = name.split(" ")
        for size in range(min(len(words) - 1, self._most_words), 0, -1):
            for start in range(len(words) - size, -1, -1):
                part = " ".join(words[start : start + size])
                if part in self._known:
                    return part
        return None


def _known_only(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _fold(text: str) -> str:
    """Lower case and NFC. Compatibility forms (ligatures, full-width letters, ½) are resolved, and a, ä and á are one:
    recipes write "jalapeño" and "creme fraiche" either way."""
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST_LINE]).lower()
    return unicodedata.normalize("NFC", _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", decomposed)))


def _letters(text: str) -> list[str]:
    """The runs of letters of a text. (A pattern of ``\\w`` without ``\\d`` would let numbers such as 𐋡 and Ⅷ pass.)"""
    return "".join(char if char.isalpha() else " " for char in text).split()


def _stable_singular(word: str) -> str:
    once = singular(word)
    while (again := singular(once)) != once:
        once = again
    return once


def _fixed_point(name: str) -> str:
    while name:
        again = next(iter(_names(name)), "")
        if again == name:
            return name
        # Every rule only drops or shortens, so this ends; a rule that would not must not hang a request.
        name = again if len(again) < len(name) else ""
    return name


def _names(line: str) -> Iterator[str]:
    """The names of each phrase up to the first phrase that has any."""
    text = _without_brackets(_BRAND.sub(" ", html.unescape(line[:_LONGEST_LINE])))
    text = _DASH.sub(", ", _POSSESSIVE.sub("", _fold(text)))
    text = _DROPPED.sub(" ", _WHOLE_WORD.sub(" ", text).replace("-", " "))
    for phrase in _PHRASE_END.split(text):
        names = [name for part in _conjuncts(_SLASH.sub(" or ", phrase)) if (name := _name(part))]
        if names:
            yield from names
            return


def _without_brackets(text: str) -> str:
    while (inner := _BRACKETS.sub(" ", text)) != text:
        text = inner
    return _STRAY_BRACKET.sub(" ", text)


def _conjuncts(phrase: str) -> Iterator[list[str]]:
    """The words of each ingredient of a phrase."""
    part_of = _PART_OF.search(phrase)
    if part_of:
        phrase = f"{part_of[2]} {part_of[1]}"
    words = [_stable_singular(word) for word in _letters(phrase.replace("&", " and "))]
    current: list[str] = []
    for place, word in enumerate(words):
        joined = "_".join(words[max(0, place - 1) : place + 2]) in JOINED
        if word in ("and", "plus") and not joined:
            yield current
            current = []
        elif word == "and" or word != "n":
            current.append(word)
    yield current


def _name(words: list[str]) -> str:
    """The name in the words of one ingredient, of alternatives the first."""
    alternatives = [[]] if not words else _split(words, "or")
    kept = [_kept(_head(alternative)) for alternative in alternatives]
    first = next((place for place, alternative in enumerate(kept) if alternative), None)
    if first is None:
        return ""
    chosen, following = kept[first], kept[first + 1] if first + 1 < len(kept) else []
    if len(chosen) == 1 and len(following) > 1 and _shares_head(chosen[0], following[-1]):
        chosen = [*chosen, *following[1:]]
    return " ".join(chosen)


def _shares_head(first: str, head: str) -> bool:
    return first != head and head in SHARED_HEADS and (first in INCOMPLETE or first in SHARED_HEADS[head])


def _split(words: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _head(words: list[str]) -> list[str]:
    """The words before a tail ("oil for frying"); a tail with nothing before it is skipped over."""
    for place, word in enumerate(words):
        if word in TAIL_WORDS and _kept(words[:place]):
            return words[:place]
    return [word for word in words if word not in TAIL_WORDS]


def _kept(words: list[str]) -> list[str]:
    """The words that belong to the name."""
    kept: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if word == "of" and not (kept and after and kept[-1] == before):
            continue
        protected = after in KEPT_BEFORE.get(word, ()) or before in KEPT_AFTER.get(word, ())
        if protected or not _is_dropped(word):
            kept.append(word)
    kept = [word for place, word in enumerate(kept) if place == 0 or word != kept[place - 1]]
    while kept and kept[-1] in ("of", "and", "with", "in"):
        kept.pop()
    while kept and kept[0] in ("of", "and", "with", "in"):
        kept.pop(0)
    return _without_counts(kept)


def _is_dropped(word: str) -> bool:
    adverb = len(word) > 4 and word.endswith("ly") and word not in ("jelly", "curly", "holly", "chilly", "belly")
    return adverb or len(word) == 1 or word in MEASURES or word in PREPARATIONS or word in BRANDS


def _without_counts(kept: list[str]) -> list[str]:
    """Without the words that count one ingredient and name another: garlic cloves, but cloves; basil leaves, but
    bay leaves."""
    if len(kept) < 2:
        return kept
    if "garlic" in kept:
        kept = [word for word in kept if word != "clove"]
    if "celery" in kept:
        kept = [word for word in kept if word not in ("rib", "heart")]
    if kept[-1] in ("top", "green", "bottom") and kept[-2] in ("onion", "scallion"):
        kept = kept[:-1]
    if kept == ["dill", "weed"] or kept == ["ginger", "root"]:
        kept = kept[:1]
    if len(kept) > 1 and kept[0] in ("fillet", "filet") and kept[1] != "mignon":
        kept = kept[1:]
    if len(kept) > 1 and kept[-1] == "leaf" and kept[-2] != "bay":
        kept = kept[:-1]
    if len(kept) > 1 and kept[0] == "leaf" and kept[1] != "lettuce":
        kept = kept[1:]
    return kept
