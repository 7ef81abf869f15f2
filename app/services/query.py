"""What can be asked of a search, as plain types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from index.algebra import DEFAULT_STRATEGY, Strategy
from index.types import Filter, Kind, Recipe

MAX_PHOTOS = 8  # uploaded with one query


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture that is not stored, as the file's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A stored item; without a kind the photo of this id, or else the recipe. Of the kind that is searched, it is left
    out of the answer."""

    kind: Kind | None
    id: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class WholeRecipe:
    """A recipe that is not stored, whole or in part."""

    recipe: Recipe


@dataclass(frozen=True, slots=True)
class TagSum:
    """Tags with weights, positive to add and negative to subtract."""

    tags: tuple[tuple[str, float], ...]


Operand: TypeAlias = "Photo | Item | Text | WholeRecipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerm:
    """One of several operands. ``weight`` is finite and not 0, negative to subtract; ``label`` is what hits call it.

    ``field`` and ``column`` (from 1, of an expression) say where it stands in the request, for errors; a query that is
    one operand has no terms to tell apart and leaves ``field`` empty.
    """

    operand: Operand
    weight: float = 1.0
    label: str = ""
    field: str = ""
    column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """Terms made one query by a strategy of :mod:`index.algebra`; ``balance`` is the share of the text part, strictly
    between 0 and 1. An uploaded photo that is stored, byte by byte the same, is left out of the answer like an item."""

    terms: tuple[QueryTerm, ...]
    strategy: Strategy = DEFAULT_STRATEGY
    balance: float | None = None


Source: TypeAlias = "Operand | TagSum | Combination"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to find: the ``k`` best items of ``kind`` for ``source`` that pass ``filter``, after ``offset`` others.

    With ``expand_ingredients`` each ingredient of the filter also stands for the other names of what is meant.
    """

    kind: Kind
    source: Source
    k: int = 10
    offset: int = 0
    filter: Filter = field(default_factory=Filter)
    expand_ingredients: bool = False


def combination_of(source: Source) -> Combination:
    """Any source as terms: a single operand is one term, whose direction is the query."""
    match source:
        case Combination():
            return source
        case TagSum(tags):
            terms = tuple(QueryTerm(operand=Text(tag), weight=weight, label=tag, field="tags") for tag, weight in tags)
            return Combination(terms=terms, strategy=Strategy.WEIGHTED_SUM)
        case Photo() | Item() | Text() | WholeRecipe():
            return Combination(terms=(QueryTerm(operand=source),), strategy=Strategy.WEIGHTED_SUM)
