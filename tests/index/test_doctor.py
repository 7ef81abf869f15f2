from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.doctor import Severity, examine
from index.replica import IndexReplica
from index.types import Delete, Filter, Generation, Kind, PictureCaption, PutImage, PutRecipe
from tests.index.samples import put_image, put_recipe, unit, unit_rows


class House:
    """A catalogue with two linked items, its replica and its blobs."""

    def __init__(self, catalogue: Catalogue, generation: Generation, folder: Path) -> None:
        self.catalogue, self.generation = catalogue, generation
        self.blobs = BlobStore(folder / "blobs")
        self.blobs.put(b"blob")
        writes: list[PutImage | PutRecipe] = [
            put_image("i", tags=("a", "b"), captions=(PictureCaption("water in a pot"),), seed=1),
            put_recipe("r", images=("i",), tags=("a", "b"), seed=2),
        ]
        self.image, self.recipe = (result.pk for result in catalogue.write(writes, generation=generation.number))
        self.replica = IndexReplica(catalogue, folder / "indexes", generation)

    def codes(self, *, deep: bool = False) -> list[str]:
        return [finding.code for finding in examine(self.catalogue, self.replica, self.blobs, deep=deep)]

    def break_with(self, *statements: str) -> None:
        """Statements that the catalogue itself would never issue."""
        with self.catalogue.database.read() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            connection.exec_driver_sql("BEGIN")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Catalogue.open(f"sqlite:///{tmp_path}/c.db") as catalogue:
        yield House(catalogue, catalogue.ensure_generation("f", "e", 8), tmp_path)


@pytest.mark.parametrize("deep", [False, True])
def test_a_healthy_house_has_no_findings(
    catalogue: Catalogue, generation: Generation, tmp_path: Path, deep: bool
) -> None:
    house = House(catalogue, generation, tmp_path)
    assert examine(house.catalogue, house.replica, house.blobs, deep=deep) == []
    catalogue.write([Delete(kind=Kind.RECIPE, id="r"), put_image("i", title="x")], generation=generation.number)
    catalogue.link(catalogue_recipe(catalogue, generation), "i")
    assert examine(house.catalogue, house.replica, house.blobs, deep=deep) == []
    assert examine(house.catalogue, None, None, deep=deep) == []


def catalogue_recipe(catalogue: Catalogue, generation: Generation) -> str:
    catalogue.write([put_recipe("new")], generation=generation.number)
    return "new"


def test_an_empty_catalogue_has_no_findings(tmp_path: Path) -> None:
    with Catalogue.open(f"sqlite:///{tmp_path}/c.db") as catalogue:
        assert examine(catalogue, None, BlobStore(tmp_path / "blobs"), deep=True) == []


@pytest.mark.parametrize(
    ("statement", "codes"),
    [
        ("DELETE FROM vectors WHERE pk = 1", {"vector-missing", "index-extra"}),
        ("UPDATE vectors SET vector = x'0000' WHERE pk = 1", {"vector-width"}),
        ("DELETE FROM pictures", {"content-missing", "blob-orphans"}),
        ("DELETE FROM recipes", {"content-missing"}),
        ("UPDATE items SET kind = 'recipe', id = 'q' WHERE pk = 1", {"content-missing", "content-foreign"}),
        ("DELETE FROM tags WHERE position = 0", {"tags-incomplete"}),
        ("DELETE FROM ingredient_words WHERE place = 0", {"ingredient-words"}),
        ("UPDATE ingredient_words SET place = 3 WHERE place = 2", {"ingredient-words"}),
        ("INSERT INTO ingredient_words (pk, place, word) VALUES (1, 0, 'salt')", {"ingredient-words"}),
        ("UPDATE recipes SET ingredients = '[\"pepper\"]'", {"ingredient-words"}),
        ("DELETE FROM caption_words", {"caption-words"}),
        ("INSERT INTO caption_words (pk, place, word) VALUES (2, 0, 'salt')", {"caption-words"}),
        ("UPDATE pictures SET captions = '[]'", {"caption-words"}),
        ("DELETE FROM changes WHERE pk = 1", {"feed-behind"}),
        ("UPDATE changes SET op = 'delete' WHERE pk = 1", {"feed-behind"}),
        ("UPDATE changes SET id = 'other' WHERE pk = 1", {"feed-behind"}),
        ("UPDATE changes SET pk = 77 WHERE pk = 1", {"feed-behind", "feed-ghosts"}),
        ("DELETE FROM items WHERE pk = 1", {"orphan-rows", "feed-ghosts"}),
        ("UPDATE generations SET active = 0", {"generations", "index-generation"}),
        ("UPDATE pictures SET blob = 'x'", {"blob-missing", "blob-orphans"}),
    ],
)
def test_each_damage_is_named(house: House, statement: str, codes: set[str]) -> None:
    house.break_with(statement)
    assert codes <= set(house.codes())
    assert codes <= set(house.codes(deep=True))
    assert any(finding.severity is Severity.ERROR for finding in examine(house.catalogue, house.replica, house.blobs))


@pytest.mark.parametrize(
    ("name", "found", "kind", "wanted"),
    [
        ("ingredient", "1 recipes (pk 2)", Kind.RECIPE, Filter(ingredients_all=(("water",),))),
        ("caption", "1 photos (pk 1)", Kind.IMAGE, Filter(captions_all=("water in",))),
    ],
)
def test_words_are_made_anew(house: House, name: str, found: str, kind: Kind, wanted: Filter) -> None:
    house.break_with(f"UPDATE {name}_words SET word = 'sugar' WHERE place = 0")
    (finding,) = examine(house.catalogue, house.replica, house.blobs)
    assert finding.code == f"{name}-words"
    assert found in finding.detail
    assert house.catalogue.count(kind, wanted) == 0
    house.catalogue.rebuild_words()
    assert house.codes(deep=True) == []
    assert house.catalogue.count(kind, wanted) == 1


def test_an_index_that_differs_is_named(house: House) -> None:
    index = house.replica.index(Kind.IMAGE)
    index.add(np.array([house.image]), unit_rows(1, seed=9))
    assert house.codes() == []
    assert house.codes(deep=True) == ["index-vectors"]
    index.remove(np.array([house.image]))
    assert house.codes() == ["index-missing"]
    index.add(np.array([house.image, 50]), np.stack([unit(1), unit(2)]))
    assert house.codes(deep=True) == ["index-extra"]


def test_a_vector_of_wrong_length_is_named(house: House) -> None:
    house.break_with("UPDATE vectors SET vector = zeroblob(16) WHERE pk = 1")
    assert {"vector-norm", "index-vectors"} <= set(house.codes(deep=True))


def test_blobs_that_are_damaged_or_gone_are_named(house: House) -> None:
    (name,) = house.blobs
    path = house.blobs.path_for_serving(name)
    assert path is not None
    path.write_bytes(b"bloB")
    assert (house.codes(), house.codes(deep=True)) == ([], ["blob-damaged"])
    path.unlink()
    assert house.codes() == ["blob-missing"]


def test_orphaned_blobs_are_counted_and_no_error(house: House) -> None:
    house.blobs.put(b"one")
    house.blobs.put(b"two")
    (finding,) = examine(house.catalogue, house.replica, house.blobs)
    assert (finding.severity, finding.code) == (Severity.INFO, "blob-orphans")
    assert finding.detail.startswith("2 blobs")


@pytest.mark.fault
def test_a_damaged_database_file_is_named(house: House, tmp_path: Path) -> None:
    with house.catalogue.database.read() as connection:
        root = connection.scalar(text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_tags_key_pk'"))
        size = connection.scalar(text("PRAGMA page_size"))
    house.catalogue.close()
    with Catalogue.open(f"sqlite:///{tmp_path}/c.db") as catalogue:  # a last close moves the log into the file
        catalogue.close()
    file = tmp_path / "c.db"
    data = bytearray(file.read_bytes())
    end = int(root or 0) * int(size or 0)
    data[end - 12 : end - 4] = b"\xff" * 8
    file.write_bytes(data)
    with Catalogue.open(f"sqlite:///{file}") as catalogue:
        (finding,) = examine(catalogue, None, None, deep=True)
    assert (finding.severity, finding.code) == (Severity.ERROR, "database-unreadable")


def test_a_count_that_sqlite_finds_wrong_is_named(house: House) -> None:
    house.break_with(
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, '(\"key\", pk)', '(tag, pk)') WHERE name = 'ix_tags_key_pk'",
        "UPDATE tags SET tag = 'z' WHERE position = 0",
    )
    house.catalogue.close()
    assert "sqlite-integrity" in house.codes(deep=True)
