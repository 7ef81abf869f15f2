"""Kills and concurrency with real processes: what was committed stays, whole, and the index equals it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from index.catalogue import Catalogue
from index.doctor import examine
from index.replica import IndexReplica
from index.types import Generation, Kind
from tests.index.samples import DIM, put_recipe, unit

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]


def start_writer(url: str, name: str, batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.writer", url, name, str(batches)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def committed(writer: subprocess.Popen[str], wanted: int) -> int:
    """Read until batch ``wanted`` was reported."""
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= wanted:
            return int(line)
    raise AssertionError(f"the writer ended early with status {writer.wait()}")


def assert_whole(catalogue: Catalogue, name: str, at_least: int) -> None:
    """All batches up to ``at_least`` are there, each with both its items, and not one half of another."""
    images = {
        stored.id: stored for stored in catalogue.get_many(Kind.IMAGE, catalogue.page(Kind.IMAGE, limit=5000).pks)
    }
    recipes = {
        stored.id: stored for stored in catalogue.get_many(Kind.RECIPE, catalogue.page(Kind.RECIPE, limit=5000).pks)
    }
    own = {item for item in images if item.startswith(f"{name}-")}
    assert {f"{name}-{number}" for number in range(at_least + 1)} <= own
    assert own == {item for item in recipes if item.startswith(f"{name}-")}
    for item in own:
        assert (images[item].recipe_ids, recipes[item].image_ids) == ((item,), (item,))
        assert (images[item].picture.tags, recipes[item].recipe.tags) == ((name,), (name, "all"))


def test_a_writer_killed_in_mid_write_loses_nothing_committed(
    catalogue: Catalogue, catalogue_url: str, generation: Generation, tmp_path: Path
) -> None:
    replica = IndexReplica(catalogue, tmp_path / "indexes", generation)
    for attempt in range(3):
        name = f"w{attempt}"
        with start_writer(catalogue_url, name, 100_000) as writer:
            last = committed(writer, 10 + 7 * attempt)
            replica.sync()
            replica.save()
            last = max(last, committed(writer, last + 5))
            writer.kill()
        with Catalogue.open(catalogue_url) as again:
            assert_whole(again, name, last)
            assert examine(again, replica, None, deep=True) == []
            reloaded = IndexReplica(again, tmp_path / "indexes", generation)
            assert examine(again, reloaded, None, deep=True) == []
            assert len(reloaded.index(Kind.IMAGE)) == again.count(Kind.IMAGE)


def test_a_full_disk_fails_one_write_and_harms_nothing(tmp_path: Path) -> None:
    with Catalogue.open(f"sqlite:///{tmp_path}/c.db") as catalogue:
        generation = catalogue.ensure_generation("f", "e", DIM)
        catalogue.write([put_recipe("before")], generation=generation.number)
        replica = IndexReplica(catalogue, None, generation)
        with catalogue.database.read() as connection:  # one thread, so one pooled connection: the limit stays on it
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OperationalError, match="disk is full"):
            catalogue.write([put_recipe(f"r{n}", title="x" * 1000) for n in range(50)], generation=generation.number)
        assert catalogue.count(Kind.RECIPE) == len(replica.search(Kind.RECIPE, unit(), 100)) == 1
        with catalogue.database.read() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        catalogue.write([put_recipe("after")], generation=generation.number)
        assert examine(catalogue, replica, None, deep=True) == []


def test_two_processes_write_at_once_and_both_are_followed(
    catalogue: Catalogue, catalogue_url: str, generation: Generation
) -> None:
    replica = IndexReplica(catalogue, None, generation)
    with start_writer(catalogue_url, "a", 40) as one, start_writer(catalogue_url, "b", 40) as other:
        while one.poll() is None or other.poll() is None:
            hits = replica.search(Kind.RECIPE, unit(1), 500)
            assert len({hit.pk for hit in hits}) == len(hits)
            if len(hits) > 1:
                (best,) = catalogue.get_many(Kind.RECIPE, [hits[0].pk])
                assert best.id in {"a-0", "b-0", "shared"} or hits[0].score < 0.999
        assert (one.wait(), other.wait()) == (0, 0)
    for name in "ab":
        assert_whole(catalogue, name, 39)
    assert catalogue.count(Kind.RECIPE) == 81
    assert catalogue.get(Kind.RECIPE, "shared").revision == 80
    assert [change.seq for change in catalogue.changes(0)] == list(range(1, 241))
    assert examine(catalogue, replica, None, deep=True) == []
