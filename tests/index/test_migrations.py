from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from index.catalogue import Catalogue
from index.database import Database
from index.doctor import examine
from index.migrations import MIGRATIONS, migrate
from index.schema import caption_words, ingredient_words, meta, metadata, read_meta
from index.types import Filter, Kind, PictureCaption, SchemaError, WriteStatus
from tests.index.samples import DIM, put_image, put_recipe

ROOT = Path(__file__).resolve().parents[2]


def set_version(database: Database, version: int) -> None:
    with database.write() as connection:
        connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(version)))


def make_version(url: str, version: int) -> None:
    """A catalogue as version 1 left it, without the words of ingredients, or version 2, without captions."""
    with Catalogue.open(url) as catalogue, catalogue.database.write() as connection:
        connection.execute(text("ALTER TABLE pictures DROP COLUMN captions"))
        caption_words.drop(connection)
        if version == 1:
            ingredient_words.drop(connection)
        connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(version)))


def fill(url: str, recipes: int) -> None:
    with Catalogue.open(url) as catalogue:
        generation = catalogue.ensure_generation("f", "e", DIM).number
        lines = ("2 bunches Green Onions, sliced", "rice vinegar")
        catalogue.write(
            [
                put_image("i"),
                *(put_recipe(f"r{n}", ingredients=lines[n % 2 :], images=("i",)) for n in range(recipes)),
                put_recipe("bare", ingredients=()),
            ],
            generation=generation,
        )


def tables(catalogue: Catalogue) -> dict[str, object]:
    with catalogue.database.read() as connection:
        found = inspect(connection)
        names = sorted(set(found.get_table_names()) & set(metadata.tables))
        return {
            name: (
                [
                    (column["name"], str(column["type"]), column["nullable"], column["default"])
                    for column in found.get_columns(name)
                ],
                found.get_pk_constraint(name)["constrained_columns"],
                [(key["constrained_columns"], key["options"]) for key in found.get_foreign_keys(name)],
                sorted((str(index["name"]), str(index["column_names"])) for index in found.get_indexes(name)),
            )
            for name in names
        }


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_is_led_to_the_present_one(catalogue_url: str, version: int) -> None:
    fill(catalogue_url, 1200)  # more than are read at once
    with Catalogue.open(catalogue_url) as catalogue:
        fresh = tables(catalogue)
    make_version(catalogue_url, version)
    with Catalogue.open(catalogue_url) as catalogue:
        assert tables(catalogue) == fresh
        assert catalogue.count(Kind.RECIPE, Filter(ingredients_all=(("green onion",),))) == 600
        assert catalogue.count(Kind.RECIPE, Filter(ingredients_all=(("rice",),))) == 1200
        assert catalogue.count(Kind.IMAGE, Filter(ingredients_all=(("rice",), ("green onions",)))) == 1
        assert examine(catalogue, None, None) == []


def test_what_the_second_version_wrote_is_kept_and_may_get_captions(tmp_path: Path) -> None:
    file, url = tmp_path / "c.db", f"sqlite:///{tmp_path}/c.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(Path(__file__).with_name("version_2.sql").read_text(encoding="utf-8"))
    with Catalogue.open(f"sqlite:///{tmp_path}/fresh.db") as catalogue:
        fresh = tables(catalogue)
    with Catalogue.open(url) as catalogue:
        assert tables(catalogue) == fresh
        image = catalogue.get(Kind.IMAGE, "i")
        assert (image.picture.tags, image.picture.captions, image.recipe_ids) == (("Hot",), (), ("r",))
        again = [put_image("i", title="Soup", tags=("Hot",)), put_image("drawn", generated=True)]
        results = catalogue.write(again, generation=1)
        assert [result.status for result in results] == [WriteStatus.UNCHANGED] * 2
        catalogue.write([put_image("drawn", captions=(PictureCaption("A drawn Soup"),))], generation=1)
        assert catalogue.count(Kind.IMAGE, Filter(captions_all=("soup",))) == 1
        assert examine(catalogue, None, None) == []


@pytest.mark.fault
def test_an_upgrade_that_is_killed_begins_anew(catalogue_url: str) -> None:
    fill(catalogue_url, 1200)
    make_version(catalogue_url, 1)
    script = (
        "import os, sys\n"
        "from index.positional import PositionalIndex\n"
        "from index.catalogue import Catalogue\n"
        "made = PositionalIndex.rows\n"
        "def die_late(index, pk, lines):\n"
        "    if pk > 1000:\n"
        "        os._exit(9)\n"
        "    return made(index, pk, lines)\n"
        "PositionalIndex.rows = die_late\n"
        "Catalogue.open(sys.argv[1])\n"
    )
    died = subprocess.run([sys.executable, "-c", script, catalogue_url], cwd=ROOT, check=False)
    assert died.returncode == 9
    engine = create_engine(catalogue_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        assert read_meta(connection, "schema_version") == "1"
        assert not inspect(connection).has_table(ingredient_words.name)
    engine.dispose()
    with Catalogue.open(catalogue_url) as catalogue:
        assert catalogue.count(Kind.RECIPE, Filter(ingredients_all=(("green onion",),))) == 600
        assert examine(catalogue, None, None) == []


def test_a_newer_schema_is_refused(catalogue_url: str) -> None:
    with Catalogue.open(catalogue_url) as catalogue:
        set_version(catalogue.database, len(MIGRATIONS) + 2)
    with pytest.raises(SchemaError, match="upgrade tastespace"):
        Catalogue.open(catalogue_url)


def test_an_older_schema_takes_only_the_missing_steps(catalogue: Catalogue) -> None:
    taken: list[int] = []
    steps = [lambda connection, number=number: taken.append(number) for number in range(3)]
    set_version(catalogue.database, 2)
    with catalogue.database.write() as connection:
        migrate(connection, steps)
    with catalogue.database.write() as connection:
        migrate(connection, steps)
        assert read_meta(connection, "schema_version") == "4"
    assert taken == [1, 2]


def test_a_step_that_fails_leaves_the_old_version(catalogue: Catalogue) -> None:
    def add_column(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE items ADD COLUMN note TEXT"))

    def fail(connection: Connection) -> None:
        raise RuntimeError("no")

    set_version(catalogue.database, 1)
    with pytest.raises(RuntimeError), catalogue.database.write() as connection:
        migrate(connection, [add_column, fail])
    with catalogue.database.write() as connection:
        assert read_meta(connection, "schema_version") == "1"
        add_column(connection)  # would fail if the column were there


def test_a_foreign_database_is_left_alone(catalogue_url: str) -> None:
    with Catalogue.open(catalogue_url) as catalogue, catalogue.database.write() as connection:
        connection.execute(text("DROP TABLE meta"))
    with pytest.raises(SchemaError, match="give another database"):
        Catalogue.open(catalogue_url)


def test_a_catalogue_keeps_an_identity_of_its_own(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"]
    ids = []
    for url in urls:
        with Catalogue.open(url) as catalogue:
            ids.append(catalogue.database.catalogue_id)
    assert ids[0] == ids[1] != ids[2]


def test_many_may_open_a_new_catalogue_at_once(catalogue_url: str) -> None:
    numbers: list[int] = []

    def open_it() -> None:
        with Catalogue.open(catalogue_url) as catalogue:
            numbers.append(catalogue.ensure_generation("f", "e", DIM).number)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [numbers[0]] * 6
