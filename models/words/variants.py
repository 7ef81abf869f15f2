"""When two names mean the same: written synonyms, and variants that can be seen from the words themselves.

Word vectors alone can't tell. What replaces an ingredient stands in the same company and hardly ever beside it, as
a synonym does: margarine is as near to butter as powdered sugar to confectioners' sugar. So the words must give the
reason, and the vectors confirm it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from models.words.lexicon import INCOMPLETE, NOT_ALONE, words
from models.words.names import normalize_ingredient
from models.words.synonyms import SYNONYMS

#: Last words that add nothing to any name that stands alone ("gruyere cheese", "penne pasta", "pistachio nut").
_PLAIN_HEADS = words("cheese pasta nut")

_CHILES = words("""
    jalapeno serrano habanero poblano anaheim chipotle ancho pasilla guajillo arbol fresno cayenne pepperoncini
    peperoncini pimento pimiento bonnet cubanelle piquillo
    """)

#: And those that add nothing to these names alone: "challah bread", but not "corn bread".
_HEADS_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "chile": _CHILES,
        "pepper": _CHILES,
        "bread": words("challah pita naan ciabatta sourdough focaccia brioche baguette"),
        "liqueur": words(
            "amaretto maraschino kahlua limoncello chambord frangelico cointreau sec cacao menthe cassis pernod"
        ),
        "wine": words("marsala merlot prosecco chardonnay riesling madeira port champagne burgundy sake"),
        "mushroom": words("porcini morel shiitake portobello portabella cremini crimini chanterelle enoki"),
        "sausage": words("pepperoni kielbasa bratwurst chorizo andouille linguica salami"),
        "noodle": words("udon soba ramen lasagna lasagne fettuccine fettuccini vermicelli ziti"),
        "bean": words("edamame cannellini garbanzo"),
        "lettuce": words("romaine"),
        "root": words("ginger horseradish"),
    }
)
_LEAST_EDITED = 6  # letters of a word for one of them to be a matter of spelling
_NOT_SPELLINGS = frozenset({frozenset({"amaretto", "amaretti"})})


@lru_cache(maxsize=1)
def _groups() -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for line in SYNONYMS.strip().splitlines():
        group = tuple(dict.fromkeys(normalize_ingredient(name) for name in line.split(",")))
        for name in group:
            groups[name] = tuple(dict.fromkeys((*groups.get(name, ()), *group)))
    return groups


def synonyms_of(name: str) -> tuple[str, ...]:
    """The other names that the written list gives to a canonical name; empty where it has none."""
    return tuple(other for other in _groups().get(name, ()) if other != name)


class Variants:
    """The variants of each name within a vocabulary, by its words.

    Args:
        names: canonical names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._by_form: dict[str, list[str]] = defaultdict(list)
        self._by_gap: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._by_ending: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._by_form[plain_form(name)].append(name)
            parts = name.split(" ")
            for place in range(len(parts)):
                self._by_gap[_gap(parts, place)].append(name)
                if place:
                    self._by_ending[" ".join(parts[place:])].append(name)

    def spellings(self, name: str) -> list[str]:
        """Names that differ by spelling or by a last word that adds nothing: "jalapeno chili", "jalapeno pepper"."""
        found = dict.fromkeys(self._by_form.get(plain_form(name), ()))
        parts = name.split(" ")
        for place, word in enumerate(parts):
            for other in self._by_gap.get(_gap(parts, place), ()):
                if _misspelt(word, other.split(" ")[place]):
                    found[other] = None
        return [other for other in found if other != name]

    def kinds(self, name: str) -> list[str]:
        """Names that end with this one and say more: "creamy peanut butter" of "peanut butter"."""
        return list(self._by_ending.get(name, ()))


def plain_form(name: str) -> str:
    """What all spellings of a name share: chili is chile, empty last words and spaces are gone."""
    parts = ["chile" if part == "chili" else part for part in name.split(" ")]
    if parts[-2:] == ["chile", "pepper"]:
        parts = parts[:-1]
    if len(parts) > 1 and parts[-2] not in INCOMPLETE and not (len(parts) == 2 and parts[0] in NOT_ALONE):
        head, before = parts[-1], parts[-2]
        if head in _PLAIN_HEADS or before in _HEADS_OF.get(head, ()):
            parts = parts[:-1]
    return "".join(parts)


def _gap(parts: Sequence[str], place: int) -> tuple[int, str]:
    return place, " ".join((*parts[:place], "*", *parts[place + 1 :]))


def _misspelt(first: str, second: str) -> bool:
    """Whether two long words differ by one letter put in, left out or replaced."""
    if first == second or min(len(first), len(second)) < _LEAST_EDITED or first[0] != second[0]:
        return False
    if frozenset({first, second}) in _NOT_SPELLINGS or abs(len(first) - len(second)) > 1:
        return False
    short, long = sorted((first, second), key=len)
    start = next((place for place, letter in enumerate(short) if letter != long[place]), len(short))
    rest = start + 1 if len(short) == len(long) else start
    return short[rest:] == long[start + 1 :]
