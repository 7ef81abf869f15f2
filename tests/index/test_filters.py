from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.catalogue import Catalogue
from index.text import tag_key
from index.types import Filter, Generation, Kind, PutImage, PutRecipe, Selection
from tests.index.samples import put_image, put_recipe

TAGS = ["Pasta", "rice", "Red Wine", "Café"]
IMAGES = [
    put_image("i0"),
    put_image("i1", tags=("Pasta",), generated=True),
    put_image("i2", tags=("pasta", "Rice")),
    put_image("i3", tags=("Red Wine", "Café", "rice")),
]
RECIPES = [
    put_recipe("r0", tags=("PASTA", "Café")),
    put_recipe("r1", tags=("rice",), images=("i1", "i2")),
    put_recipe("r2", images=("i2",)),
    put_recipe("r3", tags=("Pasta", "RICE", "red wine")),
]

spellings = st.sampled_from([*TAGS, "PASTA", "RICE", "red  wine", "cafe\u0301", "unknown"])
ids = st.sampled_from(["i0", "i1", "i2", "i3", "r0", "r1", "r2", "r3", "none", "i1\0", "i1\ud800"])


def tuples(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=3).map(tuple)


def filters(kind: Kind) -> st.SearchStrategy[Filter]:
    flag = st.none() | st.booleans()
    own = {"has_image": flag} if kind is Kind.RECIPE else {"has_recipe": flag, "generated": flag}
    return st.builds(
        Filter,
        tags_all=tuples(spellings),
        tags_any=tuples(spellings),
        tags_none=tuples(spellings),
        ids=st.none() | tuples(ids),
        exclude_ids=tuples(ids),
        **own,
    )


def naive(wanted: Filter, write: PutImage | PutRecipe) -> bool:
    content = write.recipe if isinstance(write, PutRecipe) else write.picture
    keys = {tag_key(tag) for tag in content.tags}

    def held(tags: tuple[str, ...], test: Callable[[list[bool]], bool]) -> bool:
        return test([tag_key(" ".join(tag.split())) in keys for tag in tags])

    linked = bool(write.images) if isinstance(write, PutRecipe) else write.id in {"i1", "i2"}
    return (
        held(wanted.tags_all, all)
        and (not wanted.tags_any or held(wanted.tags_any, any))
        and not held(wanted.tags_none, any)
        and (wanted.ids is None or write.id in wanted.ids)
        and write.id not in wanted.exclude_ids
        and wanted.has_image in (None, linked)
        and wanted.has_recipe in (None, linked)
        and (wanted.generated is None or (isinstance(write, PutImage) and write.picture.generated == wanted.generated))
    )


@pytest.mark.parametrize(("kind", "writes"), [(Kind.IMAGE, IMAGES), (Kind.RECIPE, RECIPES)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_filter_keeps_what_a_naive_one_keeps(
    catalogue: Catalogue,
    generation: Generation,
    kind: Kind,
    writes: list[PutImage] | list[PutRecipe],
    data: st.DataObject,
) -> None:
    catalogue.write([*IMAGES, *RECIPES], generation=generation.number)
    pks = catalogue.ids_to_pks(kind, [write.id for write in writes])
    wanted = data.draw(filters(kind))
    expected = [pks[write.id] for write in writes if naive(wanted, write)]
    assert list(catalogue.page(kind, filter=wanted).pks) == expected
    assert catalogue.count(kind, wanted) == len(expected)
    selection = catalogue.select(kind, wanted)
    kept = set(pks.values() if selection.include is None else selection.include.tolist())
    assert sorted(kept - set([] if selection.exclude is None else selection.exclude.tolist())) == expected


def test_a_filter_that_only_excludes_lists_what_it_excludes(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([*IMAGES, *RECIPES], generation=generation.number)
    pks = catalogue.ids_to_pks(Kind.IMAGE, ["i2", "i3"])
    selection = catalogue.select(Kind.IMAGE, Filter(tags_none=("RICE",), exclude_ids=("none", "i2")))
    assert selection.include is None
    assert selection.exclude is not None
    assert selection.exclude.tolist() == sorted(pks.values())
    assert catalogue.select(Kind.IMAGE, Filter()) == Selection()


@pytest.mark.parametrize(
    ("kind", "wanted", "reason"),
    [
        (Kind.IMAGE, Filter(has_image=True), "has_image"),
        (Kind.RECIPE, Filter(has_recipe=False), "has_recipe"),
        (Kind.RECIPE, Filter(generated=True), "generated"),
        (Kind.RECIPE, Filter(tags_all=("",)), "tag is empty"),
        (Kind.RECIPE, Filter(tags_none=("x" * 101,)), "at most 100"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(catalogue: Catalogue, kind: Kind, wanted: Filter, reason: str) -> None:
    for ask in (catalogue.select, catalogue.count):
        with pytest.raises(ValueError, match=reason):
            ask(kind, wanted)
    with pytest.raises(ValueError, match=reason):
        catalogue.page(kind, filter=wanted)


def test_filters_have_no_limit_on_ids(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write(IMAGES, generation=generation.number)
    many = tuple(f"x{n}" for n in range(50_000))
    assert catalogue.count(Kind.IMAGE, Filter(ids=(*many, "i1"))) == 1
    assert catalogue.count(Kind.IMAGE, Filter(exclude_ids=(*many, "i1"))) == 3
