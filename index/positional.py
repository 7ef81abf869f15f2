"""Positional indexes of words: of the lines of recipes' ingredients, and of photos' captions; index.filters reads them.

A word's place counts through an item's texts, with one place left empty after each text, so two words stand next to
each other in one text exactly if their places differ by one (a positional inverted index: Manning, Raghavan and
Schütze, Introduction to Information Retrieval, section 2.4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, exists, select

from index.schema import caption_words, ingredient_words, pictures, recipes
from index.text import compared_words

_ITEMS_A_CHUNK = 500


@dataclass(frozen=True, slots=True)
class PositionalIndex:
    """The rows ``words`` (pk, place, word) of the texts that ``column`` of a content table holds.

    ``texts`` reads them out of the column's stored value.
    """

    words: Table
    column: Column[Any]
    texts: Callable[[Any], list[str]]

    def rows(self, pk: int, texts: Iterable[str]) -> Iterator[dict[str, object]]:
        """The rows of an item with these texts."""
        place = 0
        for text in texts:
            for word in compared_words(text):
                yield {"pk": pk, "place": place, "word": word}
                place += 1
            place += 1

    def refill(self, connection: Connection) -> None:
        """Make all rows anew from the texts, in the caller's transaction and in bounded memory."""
        connection.execute(self.words.delete())
        for chunk in self._chunks(connection):
            rows = [row for pk, texts in chunk for row in self.rows(pk, texts)]
            if rows:
                connection.execute(self.words.insert(), rows)

    def differing(self, connection: Connection) -> Iterator[int]:
        """The pks whose rows are not those of the item's texts."""
        columns = self.words.c
        for chunk in self._chunks(connection):
            stored: dict[int, list[tuple[int, str]]] = {}
            within = columns.pk.between(chunk[0][0], chunk[-1][0])
            for row in connection.execute(select(self.words).where(within).order_by(columns.pk, columns.place)):
                stored.setdefault(row.pk, []).append((row.place, row.word))
            for pk, texts in chunk:
                if stored.get(pk, []) != [(row["place"], row["word"]) for row in self.rows(pk, texts)]:
                    yield pk
        own = self.column.table.c.pk
        yield from connection.scalars(select(columns.pk).distinct().where(~exists().where(own == columns.pk)))

    def _chunks(self, connection: Connection) -> Iterator[list[tuple[int, list[str]]]]:
        """(pk, texts) of all items by ascending pk, some at a time."""
        own, after = self.column.table.c.pk, 0
        while True:
            query = select(own, self.column).where(own > after).order_by(own).limit(_ITEMS_A_CHUNK)
            found = [(pk, self.texts(value)) for pk, value in connection.execute(query)]
            if not found:
                return
            yield found
            after = found[-1][0]


def _texts_of_captions(stored: Sequence[dict[str, str]]) -> list[str]:
    return [caption["text"] for caption in stored]


INGREDIENTS = PositionalIndex(ingredient_words, recipes.c.ingredients, list)
CAPTIONS = PositionalIndex(caption_words, pictures.c.captions, _texts_of_captions)
