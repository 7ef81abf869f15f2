"""Imports from end to end: real readers, real catalogue, no model."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.engine.types import Operation, Outcome, Priority, UnavailableError
from app.importers.base import ImportProblem, ImportSourceError
from app.importers.run import CHUNK_BUNDLES, ImportReport, run_import
from app.services.items import AutoCaptions, Automatic, Bundle, BundleOutcome
from app.settings import Settings
from index.doctor import examine
from tests.app.fakes import FakeEngine, picture
from tests.app.importers.helpers import write, write_lines
from tests.app.importers.runtime import import_into, open_runtime, stored, with_runtime
from tests.app.importers.test_archive import archive

FOODS = ("tomato", "salad", "pasta", "rice", "meat", "berry")


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"dish-{number}",
        "title": f"Dish {number}",
        "ingredients": [f"{number} peppers"],
        "instructions": ["Fry."],
        "tags": ["fried"],
        "image": f"images/dish-{number}.png",
    } | changes


def write_source(folder: Path, count: int) -> Path:
    for number in range(count):
        food = FOODS[number % len(FOODS)]
        write(folder / f"images/dish-{number}.png", picture(food, size=(40 + number, 30)))
    write_lines(folder / "recipes.jsonl", [line(number) for number in range(count)])
    return folder


def outcome(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.failed


def test_the_same_import_twice_changes_nothing_and_encodes_nothing(tmp_path: Path) -> None:
    count = CHUNK_BUNDLES + 5
    source = write_source(tmp_path / "source", count)
    progress: list[ImportReport] = []
    report = import_into(tmp_path / "data", source, on_progress=progress.append)
    assert outcome(report) == (2 * count, 0, 0, 0)
    assert (report.done, report.total, report.problems, report.cancelled) == (count, count, (), False)
    assert progress[-1] == report
    assert [each.done for each in progress] == sorted(each.done for each in progress)

    before = stored(tmp_path / "data")
    engine = FakeEngine()
    again = import_into(tmp_path / "data", source, engine)
    assert outcome(again) == (0, 0, 2 * count, 0)
    assert engine.encoded == []
    assert stored(tmp_path / "data") == before
    recipe = before[0]["dish-1"]
    assert (recipe.recipe.title, recipe.image_ids, recipe.revision) == ("Dish 1", ("dish-1",), 1)


def test_a_changed_line_and_a_changed_picture_are_updates(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 4)
    import_into(tmp_path / "data", source)
    write_lines(source / "recipes.jsonl", [line(0), line(1, title="New"), line(2), line(3)])
    write(source / "images/dish-2.png", picture("berry", "rice"))
    # The title of line 1 is that of its photo, too.
    assert outcome(import_into(tmp_path / "data", source)) == (0, 3, 5, 0)


def test_bad_items_are_reported_and_skipped(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 5)
    write(source / "images/dish-1.png", b"no picture")
    write(source / "images/dish-2.png", picture("rice")[:100])
    lines = [line(0), line(1), line(2), line(3, title="unfit"), line(4, tags=["x" * 101]), "{", line(0, id="a/b")]
    write_lines(source / "recipes.jsonl", lines)
    seen: list[ImportProblem] = []
    report = import_into(tmp_path / "data", source, on_problem=seen.append)
    assert sorted(problem.source for problem in seen) == [
        "recipes.jsonl:2",
        "recipes.jsonl:3",
        "recipes.jsonl:4",
        "recipes.jsonl:5",
        "recipes.jsonl:5",
        "recipes.jsonl:6",
        "recipes.jsonl:7",
    ]
    assert report.problem_count == 7
    assert sorted(map(str, report.problems)) == sorted(map(str, seen))
    assert (report.recipes.failed, report.images.failed, report.unreadable) == (2, 3, 1)
    recipes, images = stored(tmp_path / "data")
    made = next(item_id for item_id in recipes if item_id.startswith("dish-0-"))
    assert set(recipes) == {"dish-0", "dish-1", "dish-2", made}
    assert set(images) == {"dish-0", "dish-3"}
    assert recipes["dish-1"].image_ids == ()
    assert recipes[made].image_ids == ("dish-0",)


def test_identical_bytes_share_a_blob_and_shared_files_a_photo(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("a", "b"):
        write(source / f"{name}.png", picture("rice"))
    lines = [line(0, image="a.png"), line(1, image="b.png"), line(2, image="a.png")]
    write_lines(source / "recipes.jsonl", lines)
    engine = FakeEngine()
    report = import_into(tmp_path / "data", source, engine)
    assert (report.images.created, report.images.unchanged) == (2, 1)
    recipes, images = stored(tmp_path / "data")
    assert images["a"].picture.blob == images["b"].picture.blob
    assert recipes["dish-2"].image_ids == ("a",)
    assert set(images["a"].recipe_ids) == {"dish-0", "dish-2"}


def test_what_a_user_linked_stays_where_the_source_has_no_photo(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_lines(source / "recipes.jsonl", [line(0, image="")])
    write(tmp_path / "photos/mine.png", picture("rice"))
    import_into(tmp_path / "data", source)
    import_into(tmp_path / "data", tmp_path / "photos")

    async def link_then_import(runtime: Any) -> ImportReport:
        await runtime.ingest.link("dish-0", "mine")
        return await run_import(source, runtime)

    assert with_runtime(tmp_path / "data", link_then_import).unchanged == 1
    assert stored(tmp_path / "data")[0]["dish-0"].image_ids == ("mine",)


def test_cancelling_keeps_what_is_stored_and_the_next_run_goes_on(tmp_path: Path) -> None:
    count = 3 * CHUNK_BUNDLES
    source = write_source(tmp_path / "source", count)
    report = import_into(tmp_path / "data", source, should_cancel=lambda: True)
    assert report.cancelled
    assert report.recipes.created == CHUNK_BUNDLES
    report = import_into(tmp_path / "data", source)
    assert (report.recipes.unchanged, report.recipes.created) == (CHUNK_BUNDLES, count - CHUNK_BUNDLES)


def test_an_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 2)
    entries = [(path.relative_to(source).as_posix(), path.read_bytes()) for path in source.rglob("*") if path.is_file()]
    packed = archive(tmp_path / "a.zip", *entries, ("../evil", b"x"))
    report = import_into(tmp_path / "data", packed)
    assert outcome(report) == (4, 0, 0, 1)
    assert list((tmp_path / "data/uploads").iterdir()) == []


def test_an_index_that_followed_the_import_equals_the_catalogue(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 10)

    async def work(runtime: Any) -> list[Any]:
        await run_import(source, runtime)
        return examine(runtime.catalogue, runtime.replica, runtime.blobs, deep=True)

    assert with_runtime(tmp_path / "data", work) == []


def test_a_source_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ImportSourceError, match="there is no file or folder"):
        import_into(tmp_path / "data", tmp_path / "none")


class _RestartingEngine(FakeEngine):
    """Its captioner is being loaded again when the first photos come."""

    refused = 0

    async def submit(self, operation: Operation, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        if operation is Operation.CAPTION and self.refused < 2:
            self.refused += 1
            raise UnavailableError("the captioner is not available: its process was killed")
        return await super().submit(operation, *args, **kwargs)


@pytest.mark.fault
def test_an_import_waits_for_a_worker_that_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.importers.run._PAUSES_S", (0.0, 0.0))
    engine = _RestartingEngine()
    source = write_source(tmp_path / "source", 2)
    report = import_into(tmp_path / "data", source, engine, automatic=Automatic(captions=AutoCaptions()))
    assert (engine.refused, report.images.created, report.problem_count) == (2, 2, 0)


@pytest.mark.fault
def test_a_dead_engine_ends_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.importers.run._PAUSES_S", (0.0, 0.0))
    source = write_source(tmp_path / "source", 2)
    engine = FakeEngine()
    engine.unavailable = True
    with pytest.raises(UnavailableError):
        import_into(tmp_path / "data", source, engine)


class _HeldEngine(FakeEngine):
    """Says when the first work has come in, and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = asyncio.Event()

    async def submit(self, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        self.entered.set()
        await asyncio.Event().wait()
        raise AssertionError("an event that nobody sets")


def test_cancelling_the_task_ends_the_chunks_under_way(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", 4)

    async def main() -> None:
        engine = _HeldEngine()
        async with open_runtime(tmp_path / "data", engine) as runtime:
            task = asyncio.create_task(run_import(source, runtime))
            await engine.entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert stored(tmp_path / "data") == ({}, {})


class _Store:
    """Records the chunks, and how many of them were under way at once."""

    def __init__(self) -> None:
        self.chunks: list[set[str]] = []
        self.flying: list[set[str]] = []
        self.most = 0

    async def put_many(self, bundles: Sequence[Bundle], priority: Priority = Priority.BULK) -> list[BundleOutcome]:
        assert priority is Priority.BULK
        ids = [str(picture.id) for bundle in bundles for picture in bundle.pictures]
        assert len(ids) == len(set(ids)), "an item stands twice in a chunk"
        assert all(chunk.isdisjoint(ids) for chunk in self.flying), "two chunks write one item"
        chunk = set(ids)
        self.flying.append(chunk)
        self.chunks.append(chunk)
        self.most = max(self.most, len(self.flying))
        await asyncio.sleep(0.05)
        self.flying.remove(chunk)
        return [BundleOutcome() for _ in bundles]


def test_no_two_chunks_write_one_item(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source / "shared.png", b"x")
    count = 3 * CHUNK_BUNDLES
    for number in range(count):
        write(source / f"{number}.png", b"x")
    lines = [line(number, image="shared.png" if number in (0, 50) else f"{number}.png") for number in range(count)]
    write_lines(source / "recipes.jsonl", lines)
    store = _Store()

    class Target:
        settings = Settings(data_dir=tmp_path / "data")
        ingest = store

    report = asyncio.run(run_import(source, Target()))
    assert report.done == count
    assert set().union(*store.chunks) == {"shared", *(str(number) for number in range(count) if number not in (0, 50))}
    assert store.most == 2


def test_recipes_with_many_photos_make_smaller_chunks(tmp_path: Path) -> None:
    source, each = tmp_path / "source", CHUNK_BUNDLES // 2 + 1
    names = [[f"{number}-{photo}.png" for photo in range(each)] for number in range(3)]
    for name in itertools.chain(*names):
        write(source / name, b"x")
    write_lines(source / "recipes.jsonl", [line(number, image=None, images=names[number]) for number in range(3)])
    store = _Store()

    class Target:
        settings = Settings(data_dir=tmp_path / "data")
        ingest = store

    assert asyncio.run(run_import(source, Target())).done == 3
    assert [len(chunk) for chunk in store.chunks] == [each, each, each]
