"""What can go wrong with words."""

from __future__ import annotations

from models.types import ModelError


class WordError(ModelError):
    """Base of this package's errors; the message is one clear sentence for the user."""


class UnknownWordError(WordError):
    """A name that the vocabulary lacks. ``suggestions`` are known names that are spelt nearly like it."""

    def __init__(self, name: str, suggestions: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {', '.join(map(repr, suggestions))}?" if suggestions else ""
        super().__init__(f"no ingredient is known as {name!r}{hint}")
        self.name, self.suggestions = name, suggestions


class AnalogyError(WordError):
    """An analogy that has no direction: nothing is added, or its ingredients cancel out."""


class WordsUnavailableError(WordError):
    """The word vectors can't be loaded: files are missing, changed or of another format."""


class WordCorpusError(WordError):
    """The recipes hold too little to learn words from."""
