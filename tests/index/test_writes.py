from __future__ import annotations

import threading
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.types import (
    Change,
    Delete,
    Filter,
    FingerprintError,
    Generation,
    ItemExistsError,
    Kind,
    PictureCaption,
    PutImage,
    PutRecipe,
    RevisionError,
    UnknownItemError,
    Write,
    WriteStatus,
)
from tests.index.samples import DIM, put_image, put_recipe, unit

RECIPE: Final = Kind.RECIPE
IMAGE: Final = Kind.IMAGE


def ops(changes: list[Change]) -> list[tuple[str, Kind, str]]:
    return [(change.op, change.kind, change.id) for change in changes]


def test_a_new_item_is_stored_whole(catalogue: Catalogue, generation: Generation) -> None:
    put = put_recipe("Crème brûlée", title="Crème", tags=("Dessert", "egg"))
    (result,) = catalogue.write([put], generation=generation.number)
    assert (result.status, result.revision) == (WriteStatus.CREATED, 1)
    stored = catalogue.get(RECIPE, "Crème brûlée")
    assert stored.recipe == put.recipe
    assert (stored.pk, stored.revision, stored.image_ids) == (result.pk, 1, ())
    assert stored.created_at == stored.updated_at
    assert stored.created_at.utcoffset() is not None
    assert catalogue.changes(0) == [Change(1, "put", RECIPE, result.pk, "Crème brûlée")]


def test_a_picture_is_stored_whole(catalogue: Catalogue, generation: Generation) -> None:
    put = put_image("a", title="Soup", tags=("Red", "green"), generated=True)
    catalogue.write([put], generation=generation.number)
    assert catalogue.get(IMAGE, "a").picture == put.picture


def test_an_unchanged_put_does_nothing(catalogue: Catalogue, generation: Generation) -> None:
    writes: list[PutImage | PutRecipe] = [put_image("i"), put_recipe("r", images=("i",))]
    catalogue.write(writes, generation=generation.number)
    before, head = catalogue.get(RECIPE, "r"), catalogue.head()
    # another vector of the same content doesn't count: what made it is the same
    results = catalogue.write([replace(write, vector=unit(9)) for write in writes], generation=generation.number)
    assert [result.status for result in results] == [WriteStatus.UNCHANGED] * 2
    assert catalogue.head() == head
    assert catalogue.get(RECIPE, "r") == before


def test_changed_content_replaces_all_of_it(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("r", tags=("a", "b", "c"))], generation=generation.number)
    (result,) = catalogue.write([put_recipe("r", title="Stew", tags=("d",), seed=1)], generation=generation.number)
    stored = catalogue.get(RECIPE, "r")
    assert (result.status, stored.revision, stored.recipe.title, stored.recipe.tags) == (
        WriteStatus.UPDATED,
        2,
        "Stew",
        ("d",),
    )
    assert stored.updated_at > stored.created_at
    ((_, rows),) = catalogue.vectors(RECIPE, generation.number)
    assert np.allclose(rows[0], unit(1), atol=1e-3)


def test_ids_are_unique_within_a_kind_only(catalogue: Catalogue, generation: Generation) -> None:
    recipe, image = catalogue.write([put_recipe("x"), put_image("x")], generation=generation.number)
    assert recipe.pk != image.pk
    catalogue.write([Delete(kind=RECIPE, id="x")], generation=generation.number)
    assert catalogue.get(IMAGE, "x").pk == image.pk


def test_a_pk_is_never_used_again(catalogue: Catalogue, generation: Generation) -> None:
    (first,) = catalogue.write([put_recipe("r")], generation=generation.number)
    (gone,) = catalogue.write([Delete(kind=RECIPE, id="r")], generation=generation.number)
    (second,) = catalogue.write([put_recipe("r")], generation=generation.number)
    assert (gone.status, gone.pk) == (WriteStatus.DELETED, first.pk)
    assert second.pk > first.pk


def test_links_name_items_earlier_in_the_same_list(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write(
        [put_image("i1"), put_image("i2"), put_recipe("r", images=("i2", "i1", "i2"))], generation=generation.number
    )
    assert [result.revision for result in results] == [1, 1, 1]
    assert catalogue.get(RECIPE, "r").image_ids == ("i2", "i1")
    assert catalogue.get(IMAGE, "i1").recipe_ids == ("r",)
    assert catalogue.get(IMAGE, "i1").revision == 1


def test_a_link_to_an_item_later_in_the_list_is_refused(catalogue: Catalogue, generation: Generation) -> None:
    with pytest.raises(UnknownItemError, match="no image has the id 'i'"):
        catalogue.write([put_recipe("r", images=("i",)), put_image("i")], generation=generation.number)
    assert catalogue.count(RECIPE) == catalogue.count(IMAGE) == catalogue.head() == 0


def test_a_photo_can_name_its_recipes(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write(
        [put_recipe("r1"), put_recipe("r2"), put_image("i", recipes=("r2", "r1"))], generation=generation.number
    )
    assert catalogue.get(IMAGE, "i").recipe_ids == ("r2", "r1")
    catalogue.write([put_image("j", recipes=("r2",))], generation=generation.number)
    assert catalogue.get(RECIPE, "r2").image_ids == ("i", "j")


def test_changed_links_bump_and_announce_both_ends(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write(
        [put_image("i1"), put_image("i2"), put_image("i3"), put_recipe("r", images=("i1", "i2"))],
        generation=generation.number,
    )
    head = catalogue.head()
    (result,) = catalogue.write([put_recipe("r", images=("i2", "i3"))], generation=generation.number)
    assert (result.status, result.revision) == (WriteStatus.UPDATED, 2)
    assert catalogue.get(RECIPE, "r").image_ids == ("i2", "i3")
    assert [catalogue.get(IMAGE, item).revision for item in ("i1", "i2", "i3")] == [2, 1, 2]
    assert sorted(ops(catalogue.changes(head))) == [("put", IMAGE, "i1"), ("put", IMAGE, "i3"), ("put", RECIPE, "r")]
    assert catalogue.count(IMAGE, Filter(has_recipe=True)) == 2


def test_another_order_of_links_changes_only_the_item_itself(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_image("i1"), put_image("i2"), put_recipe("r", images=("i1", "i2"))], generation=1)
    (result,) = catalogue.write([put_recipe("r", images=("i2", "i1"))], generation=generation.number)
    assert result.status is WriteStatus.UPDATED
    assert catalogue.get(RECIPE, "r").image_ids == ("i2", "i1")
    assert catalogue.get(IMAGE, "i1").revision == 1


def test_links_are_kept_unless_given(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_image("i"), put_recipe("r", images=("i",))], generation=generation.number)
    catalogue.write([put_recipe("r", title="Stew")], generation=generation.number)
    assert catalogue.get(RECIPE, "r").image_ids == ("i",)
    catalogue.write([put_recipe("r", title="Stew", images=())], generation=generation.number)
    assert catalogue.get(RECIPE, "r").image_ids == ()


def test_link_and_unlink(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_image("i1"), put_image("i2"), put_recipe("r")], generation=generation.number)
    assert [catalogue.link("r", "i2"), catalogue.link("r", "i1"), catalogue.link("r", "i2")] == [True, True, False]
    assert (catalogue.get(RECIPE, "r").image_ids, catalogue.get(RECIPE, "r").revision) == (("i2", "i1"), 3)
    head = catalogue.head()
    assert [catalogue.unlink("r", "i2"), catalogue.unlink("r", "i2")] == [True, False]
    assert sorted(ops(catalogue.changes(head))) == [("put", IMAGE, "i2"), ("put", RECIPE, "r")]
    assert catalogue.get(RECIPE, "r").image_ids == ("i1",)
    with pytest.raises(UnknownItemError, match="no recipe"):
        catalogue.link("nobody", "i1")
    with pytest.raises(UnknownItemError, match="no image"):
        catalogue.unlink("r", "nobody")


def test_a_delete_takes_links_along_but_not_the_other_end(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_image("i"), put_recipe("r", images=("i",), tags=("x",))], generation=generation.number)
    head = catalogue.head()
    (result,) = catalogue.write([Delete(kind=RECIPE, id="r")], generation=generation.number)
    assert result.status is WriteStatus.DELETED
    assert (catalogue.get(IMAGE, "i").recipe_ids, catalogue.get(IMAGE, "i").revision) == ((), 2)
    assert sorted(ops(catalogue.changes(head))) == [("delete", RECIPE, "r"), ("put", IMAGE, "i")]
    assert catalogue.tag_counts(RECIPE) == []
    assert list(catalogue.vectors(RECIPE, generation.number)) == []
    with pytest.raises(UnknownItemError):
        catalogue.get(RECIPE, "r")


def test_one_bad_write_undoes_the_whole_list(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("old")], generation=generation.number)
    head = catalogue.head()
    with pytest.raises(UnknownItemError):
        catalogue.write(
            [put_recipe("new"), Delete(kind=RECIPE, id="old"), Delete(kind=IMAGE, id="none")],
            generation=generation.number,
        )
    assert (catalogue.head(), catalogue.count(RECIPE), catalogue.get(RECIPE, "old").revision) == (head, 1, 1)


def test_one_item_may_be_written_several_times(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write(
        [
            put_recipe("r"),
            put_recipe("r"),
            put_recipe("r", title="Stew"),
            Delete(kind=RECIPE, id="r"),
            put_recipe("r", title="New"),
        ],
        generation=generation.number,
    )
    assert [(result.status.value, result.revision) for result in results] == [
        ("created", 1),
        ("unchanged", 1),
        ("updated", 2),
        ("deleted", 2),
        ("created", 1),
    ]
    assert catalogue.get(RECIPE, "r").recipe.title == "New"
    assert catalogue.get(RECIPE, "r").pk == results[-1].pk > results[0].pk


def test_a_revision_guards_against_lost_updates(catalogue: Catalogue, generation: Generation) -> None:
    number = generation.number
    catalogue.write([put_recipe("r", revision=0)], generation=number)
    with pytest.raises(ItemExistsError, match="exists already"):
        catalogue.write([put_recipe("r", revision=0)], generation=number)
    catalogue.write([put_recipe("r", title="Stew", revision=1)], generation=number)
    with pytest.raises(RevisionError, match="is at revision 2, not at revision 1"):
        catalogue.write([put_recipe("r", title="Other", revision=1)], generation=number)
    with pytest.raises(RevisionError, match="does not exist"):
        catalogue.write([put_recipe("new", revision=1)], generation=number)
    with pytest.raises(RevisionError, match="not at revision 9"):
        catalogue.write([Delete(kind=RECIPE, id="r", revision=9)], generation=number)
    catalogue.write([Delete(kind=RECIPE, id="r", revision=2)], generation=number)


def test_a_write_for_another_generation_is_refused(catalogue: Catalogue, generation: Generation) -> None:
    with pytest.raises(FingerprintError, match="not of generation 7"):
        catalogue.write([put_recipe("r")], generation=7)


def test_what_cannot_be_stored_is_refused_with_its_name(catalogue: Catalogue, generation: Generation) -> None:
    bad: list[tuple[Write, str]] = [
        (replace(put_recipe("r"), vector=unit(dim=DIM + 1)), "vector of 'r'"),
        (replace(put_recipe("r"), vector=unit() * 2), "unit norm"),
        (put_recipe("a/b"), "'/'"),
        (put_recipe("e\u0301"), "NFC"),
        (put_recipe("r", tags=("two  spaces",)), "not normalised"),
        (put_image("i", captions=(PictureCaption("two  spaces"),)), "captions of 'i' are not normalised"),
        (put_image("i", captions=(PictureCaption(""),)), "caption is blank"),
        (put_recipe("r", tags=("",)), "empty"),
        (put_recipe("r", title="a\0b"), "U\\+0000"),
        (put_recipe("r", title="\ud800"), "surrogate"),
    ]
    for write, reason in bad:
        with pytest.raises(ValueError, match=reason):
            catalogue.write([write], generation=generation.number)
    assert catalogue.write([], generation=generation.number) == []
    assert catalogue.head() == 0


def test_unusual_text_comes_back_as_it_was(catalogue: Catalogue, generation: Generation) -> None:
    put = put_recipe("🍕 'x'; --", title='"%_\\ \u2028 日本', tags=("100%", "a_b", "👨‍🍳"))
    put = replace(put, recipe=replace(put.recipe, ingredients=("", "nul \0 kept"), extra={"a": [1, None, {"b": 2.5}]}))
    catalogue.write([put], generation=generation.number)
    assert catalogue.get(RECIPE, put.id).recipe == put.recipe


def test_writes_of_many_threads_keep_the_feed_in_order(catalogue: Catalogue, generation: Generation) -> None:
    seen: list[int] = []
    stop = threading.Event()

    def follow() -> None:
        while True:
            last = stop.is_set()
            seen.extend(change.seq for change in catalogue.changes(seen[-1] if seen else 0))
            if last:
                return

    def write(name: str) -> None:
        for number in range(10):
            catalogue.write([put_recipe(f"{name}-{number}"), put_recipe("shared", title=name)], generation=1)

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    follower = threading.Thread(target=follow)
    for thread in (follower, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    follower.join()
    # A follower that reads on from the last number it saw misses nothing: no number turns up behind its back.
    assert seen == [change.seq for change in catalogue.changes(0, 10_000)]
    assert catalogue.count(RECIPE) == 41
