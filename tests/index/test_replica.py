from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from index.catalogue import Catalogue
from index.files import write_atomically
from index.replica import IndexReplica
from index.schema import changes
from index.types import Delete, Filter, FingerprintError, Generation, Kind
from tests.index.samples import DIM, put_image, put_recipe, unit, unit_rows


def found(replica: IndexReplica, kind: Kind, seed: int, k: int = 1) -> list[int]:
    return [hit.pk for hit in replica.search(kind, unit(seed), k)]


def test_a_write_is_seen_by_the_next_search(catalogue: Catalogue, generation: Generation, tmp_path: Path) -> None:
    replica = IndexReplica(catalogue, tmp_path, generation)
    assert replica.search(Kind.RECIPE, unit(), 5) == []
    recipe, image = catalogue.write([put_recipe("r", seed=1), put_image("i", seed=2)], generation=generation.number)
    assert found(replica, Kind.RECIPE, 1, 5) == [recipe.pk]
    assert found(replica, Kind.IMAGE, 2, 5) == [image.pk]
    catalogue.write([put_recipe("r", title="Stew", seed=3)], generation=generation.number)
    (hit,) = replica.search(Kind.RECIPE, unit(3), 5)
    assert hit.score == pytest.approx(1, abs=1e-3)
    catalogue.write([Delete(kind=Kind.RECIPE, id="r")], generation=generation.number)
    assert replica.search(Kind.RECIPE, unit(3), 5) == []
    assert replica.seq == catalogue.head()


def test_a_filter_narrows_the_search(catalogue: Catalogue, generation: Generation) -> None:
    replica = IndexReplica(catalogue, None, generation)
    writes = [put_image(f"i{n}", seed=n, tags=("even",) if n % 2 == 0 else ()) for n in range(10)]
    pks = [result.pk for result in catalogue.write(writes, generation=generation.number)]
    even = catalogue.select(Kind.IMAGE, Filter(tags_all=("EVEN",)))
    odd = catalogue.select(Kind.IMAGE, Filter(tags_none=("even",)))
    assert {hit.pk for hit in replica.search(Kind.IMAGE, unit(3), 10, even)} == set(pks[::2])
    assert {hit.pk for hit in replica.search(Kind.IMAGE, unit(3), 10, odd)} == set(pks[1::2])


def test_a_search_that_scores_all_sees_every_write_and_obeys_the_filter(
    catalogue: Catalogue, generation: Generation
) -> None:
    replica = IndexReplica(catalogue, None, generation)
    writes = [put_image(f"i{n}", seed=n, tags=("even",) if n % 2 == 0 else ()) for n in range(10)]
    pks = [result.pk for result in catalogue.write([*writes, put_recipe("r", seed=3)], generation=generation.number)]
    even = catalogue.select(Kind.IMAGE, Filter(tags_all=("even",)))
    asked = unit(3).astype(np.float64)
    hits = replica.search_scored(Kind.IMAGE, lambda rows: (-(rows @ asked)).astype(np.float32), 10)
    assert {hit.pk for hit in hits} == set(pks[:10])
    assert hits[-1].pk == pks[3]
    hits = replica.search_scored(Kind.IMAGE, lambda rows: (rows @ asked).astype(np.float32), 10, even)
    assert {hit.pk for hit in hits} == set(pks[:10:2])


def test_vectors_are_given_of_either_kind(catalogue: Catalogue, generation: Generation) -> None:
    replica = IndexReplica(catalogue, None, generation)
    recipe, image = catalogue.write([put_recipe("r", seed=1), put_image("i", seed=2)], generation=generation.number)
    rows = replica.vectors_of([image.pk, 999, recipe.pk])
    assert rows.keys() == {recipe.pk, image.pk}
    assert np.allclose(rows[image.pk], unit(2), atol=1e-3)


def test_a_saved_replica_goes_on_where_it_was(
    catalogue: Catalogue, generation: Generation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue.write([put_recipe(f"r{n}", seed=n) for n in range(5)], generation=generation.number)
    replica = IndexReplica(catalogue, tmp_path, generation)
    assert (replica.save(), replica.save()) == (True, False)
    catalogue.write([put_recipe("late", seed=9), Delete(kind=Kind.RECIPE, id="r0")], generation=generation.number)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="index"):
        again = IndexReplica(catalogue, tmp_path, generation)
    assert caplog.messages == []  # nothing was rebuilt
    assert again.index(Kind.RECIPE).pks().tolist() == sorted(
        catalogue.ids_to_pks(Kind.RECIPE, ["late", "r1", "r2", "r3", "r4"]).values()
    )
    assert not IndexReplica(catalogue, None, generation).save()


def test_a_crash_between_the_two_saved_files_is_healed(
    catalogue: Catalogue, generation: Generation, tmp_path: Path
) -> None:
    replica = IndexReplica(catalogue, tmp_path, generation)
    replica.save()
    old = {path: path.read_bytes() for path in tmp_path.glob("image.*")}
    catalogue.write([put_recipe("r", seed=1), put_image("i", seed=2)], generation=generation.number)
    replica.sync()
    replica.save()
    for path, data in old.items():
        write_atomically(path, [data])
    again = IndexReplica(catalogue, tmp_path, generation)
    assert (len(again.index(Kind.RECIPE)), len(again.index(Kind.IMAGE))) == (1, 1)


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "swap"])
def test_a_damaged_file_is_rebuilt_loudly(
    catalogue: Catalogue, generation: Generation, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue.write([put_recipe(f"r{n}", seed=n) for n in range(5)], generation=generation.number)
    IndexReplica(catalogue, tmp_path, generation).save()
    path = next(tmp_path.glob("recipe.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    damaged: dict[str, bytes] = {
        "flip": bytes(data),
        "truncate": bytes(data[:-3]),
        "empty": b"",
        "swap": b"not an index",
    }
    path.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING, logger="index"):
        replica = IndexReplica(catalogue, tmp_path, generation)
    assert "rebuilding" in caplog.text
    assert len(replica.index(Kind.RECIPE)) == 5
    assert replica.save()
    caplog.clear()
    IndexReplica(catalogue, tmp_path, generation)
    assert caplog.text == ""


def test_an_index_of_another_catalogue_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, count in (("a", 3), ("b", 4)):
        with Catalogue.open(f"sqlite:///{tmp_path}/{name}.db") as catalogue:
            generation = catalogue.ensure_generation("f", "e", DIM)
            catalogue.write([put_recipe(f"{name}{n}") for n in range(count)], generation=generation.number)
            replica = IndexReplica(catalogue, tmp_path / "indexes", generation)
            replica.save()
            assert len(replica.index(Kind.RECIPE)) == count
    assert "another catalogue" in caplog.text


def test_a_catalogue_set_back_by_a_backup_is_noticed(
    catalogue: Catalogue, generation: Generation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue.write([put_recipe("kept", seed=1)], generation=generation.number)
    (lost,) = catalogue.write([put_recipe("lost", seed=2)], generation=generation.number)
    replica = IndexReplica(catalogue, tmp_path, generation)
    replica.save()
    with catalogue.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM items WHERE id = 'lost'")
        connection.execute(changes.delete().where(changes.c.pk == lost.pk))
    assert len(replica.search(Kind.RECIPE, unit(2), 5)) == 1
    assert len(IndexReplica(catalogue, tmp_path, generation).index(Kind.RECIPE)) == 1
    assert caplog.text.count("restored backup") == 2


def test_a_swapped_generation_is_an_error_not_an_answer(
    catalogue: Catalogue, generation: Generation, tmp_path: Path
) -> None:
    (result,) = catalogue.write([put_recipe("r", seed=1)], generation=generation.number)
    replica = IndexReplica(catalogue, tmp_path, generation)
    replica.save()
    begun = catalogue.begin_generation("new", "encoder-2", 4)
    catalogue.put_vectors(begun.number, [result.pk], unit_rows(1, dim=4))
    assert found(replica, Kind.RECIPE, 1) == [result.pk]
    active = catalogue.activate_generation(begun.number)
    for ask in (replica.sync, lambda: replica.search(Kind.RECIPE, unit(1), 1), lambda: replica.vectors_of([1])):
        with pytest.raises(FingerprintError, match="restart it with the new encoder"):
            ask()
    with pytest.raises(FingerprintError):
        IndexReplica(catalogue, tmp_path, generation)
    new = IndexReplica(catalogue, tmp_path, active)
    assert [hit.pk for hit in new.search(Kind.RECIPE, unit_rows(1, dim=4)[0], 1)] == [result.pk]
    new.save()
    assert sorted(path.name for path in tmp_path.glob("*.index")) == [
        f"{kind}.g{active.number}.index" for kind in ("image", "recipe")
    ]


def test_a_vector_that_is_filled_in_later_is_found(catalogue: Catalogue, generation: Generation) -> None:
    (result,) = catalogue.write([put_recipe("r", seed=1)], generation=generation.number)
    with catalogue.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM vectors")
    replica = IndexReplica(catalogue, None, generation)
    assert found(replica, Kind.RECIPE, 1) == []
    (again,) = catalogue.write([put_recipe("r", seed=1)], generation=generation.number)
    assert (again.status, again.revision) == ("unchanged", 1)
    assert found(replica, Kind.RECIPE, 1) == [result.pk]


@pytest.mark.fault
def test_a_failed_save_leaves_the_files_saved_before(
    catalogue: Catalogue, generation: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "indexes"
    replica = IndexReplica(catalogue, folder, generation)
    replica.save()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    catalogue.write([put_recipe("r")], generation=generation.number)
    replica.sync()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            replica.save()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert replica.save()


def test_threads_see_their_own_writes(catalogue: Catalogue, generation: Generation) -> None:
    replica = IndexReplica(catalogue, None, generation)
    failures: list[str] = []

    def work(number: int) -> None:
        for step in range(8):
            seed = 100 * number + step
            (result,) = catalogue.write([put_recipe(f"r{number}", title=str(step), seed=seed)], generation=1)
            hits = {hit.pk: hit.score for hit in replica.search(Kind.RECIPE, unit(seed), 10)}
            if hits.get(result.pk, 0) < 0.999:
                failures.append(f"{number}/{step}: {hits}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_rebuild_gives_the_same(catalogue: Catalogue, generation: Generation) -> None:
    catalogue.write([put_recipe(f"r{n}", seed=n) for n in range(20)], generation=generation.number)
    replica = IndexReplica(catalogue, None, generation)
    before = replica.search(Kind.RECIPE, unit(3), 20)
    replica.rebuild()
    assert replica.search(Kind.RECIPE, unit(3), 20) == before
