"""What the service knows of the names of ingredients."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.words.errors import UnknownWordError
from models.words.names import normalize_ingredient
from models.words.store import SHIPPED_FOLDER
from models.words.vectors import AnalogyMethod, Neighbour, WordVectors


@dataclass(frozen=True, slots=True)
class Similar:
    """The neighbours of a name. ``name`` is as the vocabulary has it; ``expansion`` starts with the one that was asked,
    which may be another ("aubergine" of "eggplant")."""

    name: str
    neighbours: tuple[Neighbour, ...]
    expansion: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analogy:
    """What an analogy points at; the terms are as the vocabulary has them."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]


class Words:
    """Word vectors, read when they are first asked for (some milliseconds; no torch). Safe to call from any thread.

    Args:
        folder: of weights; None: those that come with the package.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or SHIPPED_FOLDER
        self._vectors: WordVectors | None = None
        self._lock = threading.Lock()

    @property
    def vectors(self) -> WordVectors:
        """Raises WordsUnavailableError: the folder does not hold vectors, or they changed."""
        return self.load()

    def load(self) -> WordVectors:
        """Read the vectors now, if that has not happened yet. Raises WordsUnavailableError."""
        if self._vectors is None:
            with self._lock:
                if self._vectors is None:
                    self._vectors = WordVectors.load(self._folder)
        return self._vectors

    def similar(self, name: str, k: int, min_similarity: float = -1.0) -> Similar:
        """Raises UnknownWordError: neither the vocabulary nor the list of synonyms has the name."""
        found = self.vectors.similar(name, k, min_similarity)
        return Similar(self.vectors.canonical(name), tuple(found), self.vectors.expand(name))

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str], k: int, method: AnalogyMethod = "mul"
    ) -> Analogy:
        """Raises UnknownWordError, and AnalogyError where the names cancel out."""
        found = self.vectors.analogy(positive, negative, k, method)
        plus, minus = (tuple(map(self.vectors.canonical, names)) for names in (positive, negative))
        return Analogy(plus, minus, tuple(found))

    def expand(self, name: str) -> tuple[str, ...]:
        """The name, read as a line of a recipe is, and then those that mean the same; of one that nobody knows just it.

        For filters: a filter on an unknown ingredient is exact, and no error.
        """
        try:
            return self.vectors.expand(name)
        except UnknownWordError:
            return (normalize_ingredient(name) or name.strip().lower(),)
