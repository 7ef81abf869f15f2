from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from index.catalogue import Catalogue
from index.database import Database
from index.schema import MIGRATIONS, meta, migrate, read_meta
from index.types import SchemaError
from tests.index.samples import DIM


def set_version(database: Database, version: int) -> None:
    with database.write() as connection:
        connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(version)))


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
