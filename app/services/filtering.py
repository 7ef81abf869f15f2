"""Filters by ingredient, widened to all names of what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from app.services.resources import Resources
from index.text import compared_words
from index.types import Filter


class Expander(Protocol):
    def expand(self, name: str) -> tuple[str, ...]:
        """Names that mean the same as ``name``; of a name that is not known just this one."""
        ...


@dataclass(frozen=True, slots=True)
class Widened:
    """``names``: what each ingredient of the filter stands for, itself first; None where nothing was to be widened."""

    filter: Filter
    names: Mapping[str, tuple[str, ...]] | None = None


def widen(wanted: Filter, words: Expander) -> Widened:
    """Let each name of the ingredient conditions also stand for those that ``words`` expands it to.

    A name stays what it was asked as, so widening never loses a recipe from ``ingredients_all`` and ``ingredients_any``
    and never lets one through ``ingredients_none``. A name that nothing else means the same as stands for itself alone,
    not for its canonical form, which may say less ("unsalted butter": "butter").
    """
    names: dict[str, tuple[str, ...]] = {}

    def alternatives(name: str) -> tuple[str, ...]:
        if name not in names:
            found = words.expand(name)
            by_words: dict[tuple[str, ...], str] = {}
            for one in (name, *(found if len(found) > 1 else ())):
                by_words.setdefault(compared_words(one), one)
            by_words.pop((), None)
            names[name] = tuple(by_words.values())
        return names[name]

    def widened(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(dict.fromkeys(one for name in group for one in alternatives(name))) for group in groups)

    wider = replace(
        wanted,
        ingredients_all=widened(wanted.ingredients_all),
        ingredients_any=widened(wanted.ingredients_any),
        ingredients_none=widened(wanted.ingredients_none),
    )
    return Widened(wider, names)


async def resolve(wanted: Filter, resources: Resources, *, expand: bool) -> Widened:
    """The filter to search by, widened where that was asked."""
    if not expand:
        return Widened(wanted)
    if not (wanted.ingredients_all or wanted.ingredients_any or wanted.ingredients_none):
        return Widened(wanted, {})
    return await resources.executors.database(widen, wanted, resources.words)
