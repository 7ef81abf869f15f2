"""Recipes as lines of text with their kinds: what the text tower encodes and the recipe tower reads."""

from __future__ import annotations

import re
from enum import IntEnum

from models.types import RecipeText

MAX_INGREDIENTS = 48
MAX_INSTRUCTIONS = 32
_MAX_CHARACTERS = 480  # about the 128 tokens of the text tower
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")


class LineKind(IntEnum):
    """What a line is. ``PADDING`` fills a batch up and carries nothing."""

    PADDING = 0
    TITLE = 1
    INGREDIENT = 2
    INSTRUCTION = 3


def recipe_lines(recipe: RecipeText) -> list[tuple[LineKind, str]]:
    """The lines of a recipe in order, at least one.

    Instructions longer than the text tower reads are cut at ends of sentences, so that a recipe written as one
    paragraph counts as a whole. At most 48 ingredients and 32 instruction lines are kept (no recipe of the training
    data has as many ingredients; a longer recipe is described well by its beginning).
    """
    lines = [(LineKind.TITLE, recipe.title)] if recipe.title else []
    lines += [(LineKind.INGREDIENT, line) for line in recipe.ingredients[:MAX_INGREDIENTS]]
    steps = [piece for line in recipe.instructions[:MAX_INSTRUCTIONS] for piece in _split_long(line)]
    return lines + [(LineKind.INSTRUCTION, piece) for piece in steps[:MAX_INSTRUCTIONS]]


def _split_long(line: str) -> list[str]:
    if len(line) <= _MAX_CHARACTERS:
        return [line]
    pieces = [""]
    for sentence in _SENTENCE_END.split(line):
        if pieces[-1] and len(pieces[-1]) + 1 + len(sentence) > _MAX_CHARACTERS:
            pieces.append(sentence)
        else:
            pieces[-1] = f"{pieces[-1]} {sentence}".strip()
    return pieces
