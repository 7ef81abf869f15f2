from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.catalogue import Catalogue
from index.text import compared_words, normalize_captions, tag_key
from index.types import Delete, Filter, Generation, Kind, PictureCaption, PutImage, PutRecipe, Selection
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
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        (Kind.RECIPE, Filter(ingredients_all=((),)), "group of ingredient names is empty"),
        (Kind.IMAGE, Filter(ingredients_any=(("rice",), ("-",))), "no letter or digit"),
        (Kind.IMAGE, Filter(ingredients_none=(("x" * 101,),)), "at most 100"),
        (Kind.RECIPE, Filter(ingredients_none=(("a " * 13,),)), "at most 12"),
        (Kind.RECIPE, Filter(captions_all=("dog",)), "captions_all is a condition on photos"),
        (Kind.RECIPE, Filter(captions_any=("dog",)), "captions_any is a condition on photos"),
        (Kind.RECIPE, Filter(captions_none=("dog",)), "captions_none is a condition on photos"),
        (Kind.IMAGE, Filter(captions_all=("?",)), "caption '\\?' has no letter or digit"),
        (Kind.IMAGE, Filter(captions_none=("x" * 101,)), "caption has 101 characters"),
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


# --- ingredients ------------------------------------------------------------------------------------------

WORDS = [
    "green",
    "Onions",
    "onion",
    "RICE",
    "vinegar",
    "licorice",
    "cre\u0300me",
    "cr\u00e8me",
    "चावल",
    "1/2",
    "peaches",
]
NAMES = ["green onion", "Onion", "rice", "rice vinegar", "Cr\u00e8me", "चावल", "peach", "onion rice vinegar", "unknown"]
lines = st.lists(st.sampled_from(WORDS), max_size=4).flatmap(
    lambda words: st.sampled_from([" ", ", ", "-", "\n"]).map(lambda between: between.join(words))
)
contents = st.lists(st.lists(lines, max_size=3).map(tuple), min_size=1, max_size=4)
groups = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple), max_size=2).map(tuple)


def naive_has(lines: tuple[str, ...], group: tuple[str, ...]) -> bool:
    """Whether a line holds a name of the group: its words as a slice of the line's words."""
    for line in lines:
        words = compared_words(line)
        for name in group:
            wanted = compared_words(name)
            if any(words[at : at + len(wanted)] == wanted for at in range(len(words))):
                return True
    return False


def naive_ingredients(wanted: Filter, recipes: list[tuple[str, ...]]) -> bool:
    """Of a recipe's lines, or of those of all recipes that a photo is linked with."""

    def has(group: tuple[str, ...]) -> bool:
        return any(naive_has(lines, group) for lines in recipes)

    return (
        all(has(group) for group in wanted.ingredients_all)
        and (not wanted.ingredients_any or any(has(group) for group in wanted.ingredients_any))
        and not any(has(group) for group in wanted.ingredients_none)
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), found=contents, wanted_all=groups, wanted_any=groups, wanted_none=groups)
def test_ingredients_are_found_as_a_naive_search_finds_them(
    catalogue: Catalogue,
    generation: Generation,
    data: st.DataObject,
    found: list[tuple[str, ...]],
    wanted_all: tuple[tuple[str, ...], ...],
    wanted_any: tuple[tuple[str, ...], ...],
    wanted_none: tuple[tuple[str, ...], ...],
) -> None:
    stored = [(kind, item.id) for kind in Kind for item in catalogue.get_many(kind, catalogue.page(kind).pks)]
    catalogue.write([Delete(kind=kind, id=item_id) for kind, item_id in stored], generation=generation.number)
    own = {f"r{place}": lines for place, lines in enumerate(found)}
    linked = {f"i{place}": data.draw(st.sets(st.sampled_from(sorted(own)))) for place in range(3)}
    catalogue.write(
        [
            *(put_recipe(item_id, ingredients=lines) for item_id, lines in own.items()),
            *(put_image(item_id, recipes=tuple(sorted(ids))) for item_id, ids in linked.items()),
        ],
        generation=generation.number,
    )
    wanted = Filter(ingredients_all=wanted_all, ingredients_any=wanted_any, ingredients_none=wanted_none)
    expected = {
        Kind.RECIPE: [item_id for item_id, lines in own.items() if naive_ingredients(wanted, [lines])],
        Kind.IMAGE: [
            item_id for item_id, ids in linked.items() if naive_ingredients(wanted, [own[one] for one in sorted(ids)])
        ],
    }
    for kind, names in ((Kind.RECIPE, list(own)), (Kind.IMAGE, list(linked))):
        pks = catalogue.ids_to_pks(kind, names)
        kept = [pks[item_id] for item_id in expected[kind]]
        assert list(catalogue.page(kind, filter=wanted).pks) == kept
        assert catalogue.count(kind, wanted) == len(kept)
        selection = catalogue.select(kind, wanted)
        included = set(pks.values() if selection.include is None else selection.include.tolist())
        assert sorted(included - set([] if selection.exclude is None else selection.exclude.tolist())) == kept


def ids_of(catalogue: Catalogue, wanted: Filter, kind: Kind = Kind.RECIPE) -> list[str]:
    return [item.id for item in catalogue.get_many(kind, catalogue.page(kind, filter=wanted).pks)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("rice", ["plain", "vinegar"]),
        ("rice vinegar", ["vinegar"]),
        ("vinegar salt", []),
        ("green onion", ["onions"]),
        ("GREEN  ONIONS", ["onions"]),
        ("green-onion", ["onions"]),
        ("onion green", []),
        ("licorice", ["sweet"]),
    ],
)
def test_a_name_is_found_as_whole_words_of_one_line(
    catalogue: Catalogue, generation: Generation, name: str, found: list[str]
) -> None:
    catalogue.write(
        [
            put_recipe("plain", ingredients=("1 cup Rice",)),
            put_recipe("vinegar", ingredients=("2 cups rice vinegar", "salt")),
            put_recipe("sweet", ingredients=("licorice at any price",)),
            put_recipe("onions", ingredients=("2 bunches Green Onions, sliced",)),
            put_recipe("split", ingredients=("something green", "onions"), images=()),
        ],
        generation=generation.number,
    )
    assert ids_of(catalogue, Filter(ingredients_all=((name,),))) == found


def test_ingredients_follow_what_is_stored(catalogue: Catalogue, generation: Generation) -> None:
    wanted = Filter(ingredients_any=(("scallion", "green onion"),))
    catalogue.write([put_image("i"), put_image("bare")], generation=generation.number)
    catalogue.write([put_recipe("r", ingredients=("Scallions",), images=("i",))], generation=generation.number)
    assert (ids_of(catalogue, wanted), ids_of(catalogue, wanted, Kind.IMAGE)) == (["r"], ["i"])
    without = Filter(ingredients_none=wanted.ingredients_any)
    assert ids_of(catalogue, without, Kind.IMAGE) == ["bare"]
    catalogue.write([put_recipe("r", ingredients=("leeks",))], generation=generation.number)
    assert (ids_of(catalogue, wanted), ids_of(catalogue, wanted, Kind.IMAGE)) == ([], [])
    catalogue.write([put_recipe("r", ingredients=("green onion",))], generation=generation.number)
    assert ids_of(catalogue, wanted, Kind.IMAGE) == ["i"]
    catalogue.unlink("r", "i")
    assert (ids_of(catalogue, wanted), ids_of(catalogue, wanted, Kind.IMAGE)) == (["r"], [])
    catalogue.write([Delete(kind=Kind.RECIPE, id="r")], generation=generation.number)
    assert ids_of(catalogue, wanted) == []


def test_filters_have_no_limit_on_ingredients(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("r", ingredients=("green onion",)), put_recipe("s")], generation=generation.number)
    many = tuple(f"made up {number}" for number in range(700))
    assert ids_of(catalogue, Filter(ingredients_any=((*many, "green onion"),))) == ["r"]
    assert ids_of(catalogue, Filter(ingredients_none=((*many, "green onion"),))) == ["s"]


# --- captions ---------------------------------------------------------------------------------------------

captions = st.lists(st.lists(lines, max_size=3).map(tuple), min_size=1, max_size=4)
phrases = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(captions=captions, wanted_all=phrases, wanted_any=phrases, wanted_none=phrases)
def test_a_caption_filter_keeps_what_a_naive_one_keeps(
    catalogue: Catalogue,
    generation: Generation,
    captions: list[tuple[str, ...]],
    wanted_all: tuple[str, ...],
    wanted_any: tuple[str, ...],
    wanted_none: tuple[str, ...],
) -> None:
    stored = [tuple(text for text in each if text.strip()) for each in captions]
    stored += [()] * (4 - len(stored))
    ids = [f"i{place}" for place in range(4)]
    catalogue.write(
        [
            put_image(item_id, captions=normalize_captions(PictureCaption(text) for text in texts))
            for item_id, texts in zip(ids, stored, strict=True)
        ],
        generation=generation.number,
    )

    def keeps(texts: tuple[str, ...]) -> bool:
        return (
            all(naive_has(texts, (phrase,)) for phrase in wanted_all)
            and (not wanted_any or naive_has(texts, wanted_any))
            and not naive_has(texts, wanted_none)
        )

    wanted = Filter(captions_all=wanted_all, captions_any=wanted_any, captions_none=wanted_none)
    kept = [item_id for item_id, texts in zip(ids, stored, strict=True) if keeps(texts)]
    assert ids_of(catalogue, wanted, Kind.IMAGE) == kept
    assert catalogue.count(Kind.IMAGE, wanted) == len(kept)
    pks = catalogue.ids_to_pks(Kind.IMAGE, ids)
    selection = catalogue.select(Kind.IMAGE, wanted)
    included = set(pks.values() if selection.include is None else selection.include.tolist())
    dropped = set([] if selection.exclude is None else selection.exclude.tolist())
    assert sorted(included - dropped) == [pks[item_id] for item_id in kept]


def test_captions_follow_what_is_stored(catalogue: Catalogue, generation: Generation) -> None:
    wanted = Filter(captions_any=("two dogs",))
    seen = (PictureCaption("Two dogs' race", "general", "captioner"), PictureCaption("a dog"))
    catalogue.write([put_image("i", captions=seen), put_image("j")], generation=generation.number)
    assert catalogue.get(Kind.IMAGE, "i").picture.captions == seen
    assert ids_of(catalogue, wanted, Kind.IMAGE) == ["i"]
    only_without = catalogue.select(Kind.IMAGE, Filter(captions_none=wanted.captions_any))
    assert only_without.include is None
    catalogue.write([put_image("i", captions=seen[1:])], generation=generation.number)
    assert ids_of(catalogue, wanted, Kind.IMAGE) == []
    catalogue.write([put_image("j", captions=seen[:1])], generation=generation.number)
    assert ids_of(catalogue, wanted, Kind.IMAGE) == ["j"]
    catalogue.write([Delete(kind=Kind.IMAGE, id="j")], generation=generation.number)
    assert ids_of(catalogue, wanted, Kind.IMAGE) == []
