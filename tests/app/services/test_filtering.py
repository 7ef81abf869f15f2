from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.filtering import Widened, resolve, widen
from app.settings import Settings
from index.text import compared_words
from index.types import Filter
from tests.app.conftest import serving

ALIASES = {"scallion": ("scallion", "green onion", "spring onion"), "aubergine": ("eggplant", "aubergine")}


@dataclass(frozen=True)
class Known:
    names: Mapping[str, tuple[str, ...]]

    def expand(self, name: str) -> tuple[str, ...]:
        return self.names.get(name.lower(), (name.lower(),))


def test_every_ingredient_is_widened_and_nothing_else() -> None:
    wanted = Filter(
        tags_all=("scallion",),
        ingredients_all=(("scallion",), ("rice",)),
        ingredients_any=(("aubergine",), ("scallion", "chive")),
        ingredients_none=(("Scallion",),),
        has_image=True,
    )
    widened = widen(wanted, Known(ALIASES))
    scallion = ("scallion", "green onion", "spring onion")
    assert widened.filter == Filter(
        tags_all=("scallion",),
        ingredients_all=(scallion, ("rice",)),
        ingredients_any=(("aubergine", "eggplant"), (*scallion, "chive")),
        ingredients_none=(("Scallion", "green onion", "spring onion"),),
        has_image=True,
    )
    assert widened.names == {
        "scallion": scallion,
        "rice": ("rice",),
        "aubergine": ("aubergine", "eggplant"),
        "chive": ("chive",),
        "Scallion": ("Scallion", "green onion", "spring onion"),
    }


def test_a_name_that_nothing_else_means_the_same_as_stands_for_itself() -> None:
    widened = widen(Filter(ingredients_all=(("4 smoked eels",),)), Known({"4 smoked eels": ("eel",)}))
    assert widened.filter.ingredients_all == (("4 smoked eels",),)
    assert widened.names == {"4 smoked eels": ("4 smoked eels",)}


@given(
    st.lists(st.sampled_from(["scallion", "Scallions", "aubergine", "cr\u00e8me", "rice"]), max_size=4),
    st.dictionaries(st.sampled_from(["scallion", "rice"]), st.lists(st.text(max_size=6), max_size=4).map(tuple)),
)
def test_a_name_stays_among_its_names_each_of_them_once(names: list[str], aliases: dict[str, tuple[str, ...]]) -> None:
    wanted = Filter(ingredients_all=tuple((name,) for name in names))
    widened = widen(wanted, Known(aliases))
    for name, group in zip(names, widened.filter.ingredients_all, strict=True):
        assert group[0] == name
        compared = [compared_words(one) for one in group]
        assert () not in compared
        assert len(set(compared)) == len(compared)


@pytest.mark.anyio
async def test_a_filter_is_widened_on_request_only(settings: Settings) -> None:
    async with serving(settings) as service:
        resources = service.runtime.resources
        wanted = Filter(ingredients_all=(("scallion",),))
        assert await resolve(wanted, resources, expand=False) == Widened(wanted)
        widened = await resolve(wanted, resources, expand=True)
        assert widened.filter.ingredients_all[0][:2] == ("scallion", "green onion")
        assert await resolve(Filter(tags_all=("x",)), resources, expand=True) == Widened(Filter(tags_all=("x",)), {})
