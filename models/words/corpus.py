"""Recipes as skip-gram reads them: an unordered set of ingredient names and title words each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.types import RecipeText
from models.words import lexicon
from models.words.errors import WordCorpusError
from models.words.names import IngredientNames, line_names, tokens

_LONGEST_NAME = 4  # words; what is longer is a sentence

_STOP_WORDS = lexicon.words("""
    a an and the of with in on for to from or my your our i ii iii iv v s n by la le de el al du des en at style recipe
    best easy quick simple favorite homemade old fashioned super ever world famous mom grandma aunt uncle it is not
    """)


@dataclass(frozen=True, slots=True)
class WordCorpus:
    """Recipes as arrays. Tokens below ``len(names)`` are ingredient names, the others title words.

    Attributes:
        names, counts: canonical names, and in how many recipes each stands; the most frequent first.
        title_words: what follows the names in the numbering.
        tokens: int32 (total,), the tokens of all recipes one after the other, each once a recipe.
        offsets: int64 (recipes + 1,), where each recipe starts.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    title_words: tuple[str, ...]
    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return len(self.names) + len(self.title_words)

    def recipes(self) -> Iterator[list[str]]:
        """The tokens as words; those of titles carry a mark, so that they are no names."""
        words = [*self.names, *(f"title:{word}" for word in self.title_words)]
        for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield [words[token] for token in self.tokens[start:end]]


def is_ingredient(name: str) -> bool:
    """Whether a canonical name can be one: not a tool, a heading, a bare quality or a sentence."""
    words = name.split(" ")
    if not name or len(name) < 3 or len(words) > _LONGEST_NAME or not name.replace(" ", "").isalpha():
        return False
    return lexicon.NOT_IN_INGREDIENTS.isdisjoint(words) and not (len(words) == 1 and name in lexicon.NOT_ALONE)


def build_corpus(recipes: Sequence[RecipeText], min_count: int = 10, min_title_count: int = 20) -> WordCorpus:
    """Count names and title words, and number what is frequent enough.

    Args:
        min_count: recipes a name must stand in; a rarer one counts as the longest known name in it, if any.
        min_title_count: recipes a title word must stand in.

    Raises:
        WordCorpusError: no name, or no recipe with two tokens, is left.
    """
    lines = LineNames()
    exact = Counter(name for recipe in recipes for name in lines.of_recipe(recipe.ingredients))
    known = {name for name, count in exact.items() if count >= min_count and is_ingredient(name)}
    names_of = RecipeNames(known, lines)
    found = [names_of(recipe) for recipe in recipes]
    titles = [title_words(recipe.title) for recipe in recipes]
    names, counts = _frequent(found, 1)
    words, _ = _frequent(titles, min_title_count)
    place = {name: number for number, name in enumerate(names)}
    title_place = {word: len(names) + number for number, word in enumerate(words)}
    rows = [
        [place[name] for name in own] + [title_place[word] for word in title if word in title_place]
        for own, title in zip(found, titles, strict=True)
    ]
    rows = [row for row in rows if len(row) > 1]
    if not names or not rows:
        raise WordCorpusError(f"no ingredient stands in {min_count} of the {len(recipes)} recipes; train on more")
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return WordCorpus(names, counts, words, np.fromiter((t for row in rows for t in row), np.int32), offsets)


def title_words(title: str) -> tuple[str, ...]:
    """The telling words of a title, each once."""
    return tuple(dict.fromkeys(word for word in tokens(title) if word not in _STOP_WORDS and len(word) > 1))


class LineNames:
    """:func:`models.words.names.line_names` with a memory: recipes repeat their lines."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, ...]] = {}

    def of_recipe(self, lines: Iterable[str]) -> tuple[str, ...]:
        """All names of a recipe, each once."""
        return tuple(dict.fromkeys(name for line in lines for name in self._of_line(line)))

    def _of_line(self, line: str) -> tuple[str, ...]:
        found = self._seen.get(line)
        if found is None:
            found = self._seen[line] = line_names(line)
        return found


class RecipeNames:
    """The known names of a recipe, each once; rarer ones count as what they back off to."""

    def __init__(self, known: set[str] | frozenset[str], lines: LineNames | None = None) -> None:
        self._names = IngredientNames(known)
        self._lines = lines or LineNames()

    def __call__(self, recipe: RecipeText) -> tuple[str, ...]:
        backed_off = (self._names.back_off(name) for name in self._lines.of_recipe(recipe.ingredients))
        return tuple(dict.fromkeys(name for name in backed_off if name))


def _frequent(rows: Iterable[Sequence[str]], least: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    counts = Counter(word for row in rows for word in row)
    kept = sorted(((word, count) for word, count in counts.items() if count >= least), key=lambda e: (-e[1], e[0]))
    return tuple(word for word, _ in kept), tuple(count for _, count in kept)
