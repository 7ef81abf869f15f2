from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.types import Filter, Generation, Kind, TagCount, UnknownItemError
from tests.index.samples import DIM, put_image, put_recipe, sha, unit

RECIPE: Final = Kind.RECIPE
IMAGE: Final = Kind.IMAGE


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense", ""])
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH"):
        Catalogue.open(url)


def test_postgresql_is_spoken_to_through_psycopg(postgres_url: str) -> None:
    with Catalogue.open(postgres_url) as catalogue, catalogue.database.read() as connection:
        assert (connection.dialect.name, connection.dialect.driver) == ("postgresql", "psycopg")
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"


def test_everything_is_there_after_opening_again(catalogue_url: str) -> None:
    with Catalogue.open(catalogue_url) as catalogue:
        generation = catalogue.ensure_generation("f", "e", DIM)
        catalogue.write([put_recipe("r", tags=("a",))], generation=generation.number)
        stored = catalogue.get(RECIPE, "r")
    with Catalogue.open(catalogue_url) as catalogue:
        assert catalogue.get(RECIPE, "r") == stored
        assert catalogue.ensure_generation("f", "e", DIM) == generation


def test_sqlite_is_set_up_to_survive_a_power_cut(tmp_path: Path) -> None:
    with Catalogue.open(f"sqlite:///{tmp_path}/new/folder/c.db") as catalogue, catalogue.database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}


def test_get_many_keeps_the_order_and_skips_the_vanished(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write(
        [put_recipe(name, tags=(name, "all")) for name in "abc"] + [put_image("i")], generation=generation.number
    )
    a, b, c, image = (result.pk for result in results)
    stored = catalogue.get_many(RECIPE, [c, 999, a, image, b, a])
    assert [item.id for item in stored] == ["c", "a", "b", "a"]
    assert [item.recipe.tags for item in stored] == [("c", "all"), ("a", "all"), ("b", "all"), ("a", "all")]
    assert catalogue.get_many(IMAGE, [a]) == []
    assert catalogue.get_many(RECIPE, []) == []
    assert catalogue.get_many(RECIPE, np.array([b]))[0].id == "b"


def test_lookups_by_many_ids_have_no_limit(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write([put_recipe(f"r{n}") for n in range(300)], generation=generation.number)
    ids = [f"r{n}" for n in range(100_000)]
    found = catalogue.ids_to_pks(RECIPE, ids)
    assert found == {f"r{n}": result.pk for n, result in enumerate(results)}
    assert catalogue.digests(RECIPE, ids).keys() == found.keys()
    assert catalogue.ids_to_pks(RECIPE, ["r1\0", "\0", "\ud800", "r1"]) == {"r1": found["r1"]}
    assert catalogue.ids_to_pks(IMAGE, ids) == {}


def test_digests_can_ask_for_the_vector_too(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("r")], generation=generation.number)
    digest = catalogue.get(RECIPE, "r").digest
    assert catalogue.digests(RECIPE, ["r"], generation=generation.number) == {"r": digest}
    assert catalogue.digests(RECIPE, ["r"], generation=generation.number + 1) == {}


def test_an_id_that_is_no_text_is_unknown(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("r")], generation=generation.number)
    for item_id in ("r\0", "\0", "", "r\0x", "\ud800", "r\udfff"):
        with pytest.raises(UnknownItemError):
            catalogue.get(RECIPE, item_id)


def test_pages_cover_everything_once_while_items_come_and_go(catalogue: Catalogue, generation: Generation) -> None:
    results = catalogue.write([put_recipe(f"r{n}") for n in range(7)], generation=generation.number)
    expected = [result.pk for result in results]
    seen: list[int] = []
    cursor = None
    while True:
        page = catalogue.page(RECIPE, cursor=cursor, limit=3)
        seen += page.pks
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        assert cursor.isascii()
        assert not set(cursor) & set("+/= ")
    assert seen == expected
    assert catalogue.page(RECIPE, limit=7).next_cursor is None
    assert catalogue.page(IMAGE).pks == ()


@pytest.mark.parametrize("cursor", ["", "x", "é", "cmVjaXBlOjY=", "cmVjaXBl", "aW1hZ2U6Ng", "cmVjaXBlOi0x", "A" * 500])
def test_a_bad_cursor_is_refused(catalogue: Catalogue, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor is not one of this listing of recipes"):
        catalogue.page(RECIPE, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_bad_limit_is_refused(catalogue: Catalogue, limit: int) -> None:
    with pytest.raises(ValueError, match="limit must"):
        catalogue.page(RECIPE, limit=limit)


def test_tag_counts_by_prefix_in_the_usual_spelling(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write(
        [
            put_image("a", tags=("Pasta", "100%")),
            put_image("b", tags=("pasta", "Pastry", "PASTA")),
            put_image("c", tags=("Pasta", "1000")),
            put_recipe("r", tags=("pasta",)),
        ],
        generation=generation.number,
    )
    assert catalogue.tag_counts(IMAGE, "PAST") == [TagCount("Pasta", 3), TagCount("Pastry", 1)]
    assert catalogue.tag_counts(IMAGE, "100%") == [TagCount("100%", 1)]
    for nothing in ("_", "\0", "\ud800", "pastt"):
        assert catalogue.tag_counts(IMAGE, nothing) == []
    assert catalogue.tag_counts(IMAGE, limit=1) == [TagCount("Pasta", 3)]
    assert catalogue.tag_counts(RECIPE) == [TagCount("pasta", 1)]


def test_vectors_stream_in_chunks_and_lose_only_what_float16_loses(
    catalogue: Catalogue, generation: Generation
) -> None:
    results = catalogue.write([put_image(f"i{n}", seed=n) for n in range(10)], generation=generation.number)
    pks = [result.pk for result in results]
    chunks = list(catalogue.vectors(IMAGE, generation.number, chunk=4))
    assert [len(chunk_pks) for chunk_pks, _ in chunks] == [4, 4, 2]
    assert np.concatenate([chunk_pks for chunk_pks, _ in chunks]).tolist() == pks
    rows = np.concatenate([rows for _, rows in chunks])
    assert rows.dtype == np.float32
    assert np.array_equal(rows, np.stack([unit(n) for n in range(10)]).astype(np.float16).astype(np.float32))
    ((some, some_rows),) = catalogue.vectors([pks[3], pks[1], 999], generation.number)
    assert some.tolist() == [pks[1], pks[3]]
    assert np.array_equal(some_rows, rows[[1, 3]])
    assert list(catalogue.vectors([], generation.number)) == []


def test_blob_references_are_each_given_once(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_image(f"i{n}", blob=str(n % 3)) for n in range(9)], generation=generation.number)
    assert list(catalogue.blob_references()) == sorted(sha(str(n)) for n in range(3))
    assert catalogue.blob_in_use(sha("1"))
    assert not catalogue.blob_in_use(sha("9"))
    assert catalogue.images_of_blobs([sha("1"), sha("9")]) == ["i1", "i4", "i7"]
    assert catalogue.images_of_blobs([]) == []


def test_the_feed_is_read_in_pieces(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe(f"r{n}") for n in range(5)], generation=generation.number)
    first = catalogue.changes(0, 2)
    assert [change.id for change in first] == ["r0", "r1"]
    assert [change.id for change in catalogue.changes(first[-1].seq)] == ["r2", "r3", "r4"]
    assert (catalogue.head(), catalogue.position().generation) == (5, generation.number)


def test_count_takes_a_filter(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe("a", tags=("x",)), put_recipe("b"), put_image("i")], generation=generation.number)
    assert (catalogue.count(RECIPE), catalogue.count(RECIPE, Filter(tags_all=("X",)))) == (2, 1)
