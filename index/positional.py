"""The positional index of ingredient words: its rows, filling it anew, and comparing it; index.filters reads it.

A word's place counts through a recipe's lines, with one place left empty after each line, so two words stand next to
each other in one line exactly if their places differ by one (a positional inverted index: Manning, Raghavan and
Schütze, Introduction to Information Retrieval, section 2.4.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, exists, select

from index.schema import ingredient_words as words
from index.schema import recipes
from index.text import ingredient_words

_RECIPES_A_CHUNK = 500


def word_rows(pk: int, lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """The rows of a recipe with these ingredient lines."""
    place = 0
    for line in lines:
        for word in ingredient_words(line):
            yield {"pk": pk, "place": place, "word": word}
            place += 1
        place += 1


def refill(connection: Connection) -> None:
    """Make all rows anew from the recipes, in the caller's transaction and in bounded memory."""
    connection.execute(words.delete())
    for pk_lines in _chunks(connection):
        rows = [row for pk, lines in pk_lines for row in word_rows(pk, lines)]
        if rows:
            connection.execute(words.insert(), rows)


def differing(connection: Connection) -> Iterator[int]:
    """The pks whose rows are not those of a recipe's lines."""
    for pk_lines in _chunks(connection):
        first, last = pk_lines[0][0], pk_lines[-1][0]
        stored: dict[int, list[tuple[int, str]]] = {}
        query = select(words).where(words.c.pk.between(first, last)).order_by(words.c.pk, words.c.place)
        for row in connection.execute(query):
            stored.setdefault(row.pk, []).append((row.place, row.word))
        for pk, lines in pk_lines:
            if stored.get(pk, []) != [(row["place"], row["word"]) for row in word_rows(pk, lines)]:
                yield pk
    stray = select(words.c.pk).distinct().where(~exists().where(recipes.c.pk == words.c.pk))
    yield from connection.scalars(stray)


def _chunks(connection: Connection) -> Iterator[list[tuple[int, list[str]]]]:
    """(pk, ingredient lines) of all recipes by ascending pk, some at a time."""
    after = 0
    while True:
        query = select(recipes.c.pk, recipes.c.ingredients).where(recipes.c.pk > after).order_by(recipes.c.pk)
        found = [(row.pk, row.ingredients) for row in connection.execute(query.limit(_RECIPES_A_CHUNK))]
        if not found:
            return
        yield found
        after = found[-1][0]
