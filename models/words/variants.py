"""When two names mean the same: written synonyms, and spellings of one name."""

from __future__ import annotations

from functools import lru_cache

from models.words.names import normalize_ingredient
from models.words.synonyms import SYNONYMS


@lru_cache(maxsize=1)
def _groups() -> dict[str, tuple[str, ...]]:
    groups = [
        tuple(dict.fromkeys(normalize_ingredient(name) for name in line.split(",")))
        for line in SYNONYMS.strip().splitlines()
    ]
    return {name: group for group in groups for name in group}


def synonyms_of(name: str) -> tuple[str, ...]:
    """The other names that the written list gives to a canonical name; empty where it has none."""
    return tuple(other for other in _groups().get(name, ()) if other != name)


def are_spellings(first: str, second: str) -> bool:
    """Whether two canonical names are one name spelt in two ways ("bread crumb", "breadcrumb")."""
    return first.replace(" ", "") == second.replace(" ", "")
