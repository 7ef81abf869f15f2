"""Export, and the way back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from app.runtime import Runtime
from app.services.items import Bundle, PictureItem, RecipeItem
from app.services.transfer import ExportReport, ExportTargetError, export_catalogue
from index.types import JsonValue, PictureCaption, Recipe, Stored, StoredImage, StoredRecipe
from models.data import read_recipes
from tests.app.fakes import drawn_file, picture
from tests.app.importers.helpers import write, write_lines
from tests.app.importers.runtime import everything, import_into, stored, with_runtime

S = TypeVar("S", bound=Stored)
EXTRA: Mapping[str, JsonValue] = {"cuisine": "Thai", "nested": {"a": [1, 2.5, None, True]}, "split": "val"}
CAPTIONS = (PictureCaption("Soup, from above"), PictureCaption("tomato soup", "dish", "fake-captions"))

BUNDLES = [
    Bundle(
        recipe=RecipeItem(
            id="soup",
            recipe=Recipe(
                title="Soup", ingredients=("water", "salt"), instructions=("Boil.",), tags=("Hot",), extra=EXTRA
            ),
        ),
        pictures=(
            PictureItem(id="soup 2", data=picture("rice"), title="", tags=("Bowl",), extra={"by": "me"}),
            PictureItem(id="soup-1", data=picture("tomato"), title="Above", captions=CAPTIONS, generated=True),
        ),
    ),
    # A photo that two recipes share, and a recipe that is a title and nothing else.
    Bundle(recipe=RecipeItem(id="Broth:ü", recipe=Recipe(title="Broth"), image_ids=("soup-1",))),
    Bundle(recipe=RecipeItem(id="plain", recipe=Recipe(ingredients=("rice",), extra={"title": "x", "id": 3}))),
    # Photos of no recipe: one with a recipe's id, one without a title, one with bytes that another has.
    Bundle(
        pictures=(PictureItem(id="soup", data=picture("salad"), title="Salad", tags=("green",), captions=CAPTIONS[:1]),)
    ),
    Bundle(pictures=(PictureItem(id="SOUP-1", data=picture("berry", format="JPEG")),)),
    Bundle(pictures=(PictureItem(id="drawn", data=picture("meat"), title="Drawn", generated=True),)),
    Bundle(pictures=(PictureItem(id="x" * 128, data=picture("tomato"), extra={"split": "test"}),)),
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    async def fill(runtime: Runtime) -> None:
        outcomes = await runtime.ingest.put_many(BUNDLES)
        assert all(outcome.ok for outcome in outcomes), outcomes

    with_runtime(tmp_path / "data", fill)
    return tmp_path / "data"


def export(data_dir: Path, target: Path, *, force: bool = False) -> ExportReport:
    async def work(runtime: Runtime) -> ExportReport:
        return export_catalogue(runtime.catalogue, runtime.blobs, target, replace=force)

    return with_runtime(data_dir, work)


def content(items: tuple[Mapping[str, StoredRecipe], Mapping[str, StoredImage]]) -> object:
    """What must come back: everything but the numbers and times that a catalogue gives by itself."""

    def bare(item: S) -> S:
        now = datetime.now(UTC).replace(year=2000, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        return replace(item, pk=0, revision=1, created_at=now, updated_at=now)

    recipes, images = items
    return (
        {key: bare(recipe) for key, recipe in recipes.items()},
        {key: replace(bare(image), recipe_ids=tuple(sorted(image.recipe_ids))) for key, image in images.items()},
    )


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_round_trip(tmp_path: Path, data_dir: Path, name: str) -> None:
    report = export(data_dir, tmp_path / name)
    assert (report.recipes, report.images, report.problems) == (3, 6, ())
    imported = import_into(tmp_path / "other", tmp_path / name)
    assert imported.problems == ()
    assert content(stored(tmp_path / "other")) == content(stored(data_dir))
    again = import_into(tmp_path / "other", tmp_path / name)
    assert (again.created, again.updated, again.failed) == (0, 0, 0)


def test_no_leftovers_and_only_one_file_a_photo(tmp_path: Path, data_dir: Path) -> None:
    export(data_dir, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}
    files = sorted(path.name for path in (tmp_path / "out/images").iterdir())
    assert len({name.lower() for name in files}) == len(files) == 6


def test_training_reads_what_is_exported(tmp_path: Path, data_dir: Path) -> None:
    export(data_dir, tmp_path / "out")
    examples = {example.id: example for example in read_recipes(tmp_path / "out")}
    assert set(examples) == {"soup", "Broth:ü", "plain", "image:soup", "SOUP-1", "drawn", "x" * 128}
    assert examples["soup"].split == "val"
    assert examples["soup"].image is not None
    assert examples["soup"].image.read_bytes() == picture("rice")
    assert examples["SOUP-1"].split == "", "a photo that nothing is known of is not trained on"
    for name in ("Broth:ü", "drawn"):
        assert examples[name].image is None, "nothing is learnt from, or measured on, what a model drew"
    assert examples["drawn"].split == ""
    assert {example.split for example in examples.values()} <= {"train", "val", "test", ""}


def test_a_lost_picture_is_named_and_costs_only_itself(tmp_path: Path, data_dir: Path) -> None:
    async def lose(runtime: Runtime) -> ExportReport:
        _, images = everything(runtime)
        path = runtime.blobs.path_for_serving(images["soup"].picture.blob)
        assert path is not None
        path.unlink()
        return export_catalogue(runtime.catalogue, runtime.blobs, tmp_path / "out")

    report = with_runtime(data_dir, lose)
    assert (report.recipes, report.images) == (3, 5)
    assert ["'soup'" in problem for problem in report.problems] == [True]


def test_targets_that_are_refused(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    (tmp_path / "mine.zip").write_text("dear")
    for target, message in (
        (tmp_path / "mine", "exists already"),
        (tmp_path / "mine.zip", "exists already"),
        (tmp_path / "none/out", "there is no folder"),
    ):
        with pytest.raises(ExportTargetError, match=message):
            export(data_dir, target)
    with pytest.raises(ExportTargetError, match="is no export"):
        export(data_dir, tmp_path / "mine", force=True)
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"


def test_an_export_is_replaced_when_asked(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "empty").mkdir()
    export(data_dir, tmp_path / "empty")
    (tmp_path / "empty/old.txt").write_text("old")
    export(data_dir, tmp_path / "empty", force=True)
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["images", "recipes.jsonl"]
    for _ in range(2):
        export(data_dir, tmp_path / "out.zip", force=True)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.read("recipes.jsonl").splitlines()) == 7
        assert all(json.loads(line) for line in archive.read("recipes.jsonl").splitlines())


def test_what_was_drawn_here_and_is_imported_is_no_photo_of_its_recipe(tmp_path: Path) -> None:
    soup = {"title": "Soup", "ingredients": ["water"], "instructions": ["Boil."]}
    lines = [
        soup | {"id": "a", "image": "a.png"},
        soup | {"id": "b", "images": [{"file": "b.png", "generated": False}]},
        {"id": "c", "title": "Salad", "image": "c.png"},
        {"id": "d", "title": "Rice", "image": "d.png"},
    ]
    write_lines(tmp_path / "source/recipes.jsonl", lines)
    for name, food in (("a", "tomato"), ("b", "meat"), ("c", "salad")):
        write(tmp_path / f"source/{name}.png", drawn_file(food))
    write(tmp_path / "source/d.png", picture("rice"))
    for created in (6, 0):  # and again, where the files are known
        report = import_into(tmp_path / "data", tmp_path / "source")
        assert (report.created, report.updated, report.problems) == (created, 0, ())
        _, images = stored(tmp_path / "data")
        assert {key: image.picture.generated for key, image in images.items()} == {
            "a": True,
            "b": False,  # as its line says
            "c": True,
            "d": False,
        }
    export(tmp_path / "data", tmp_path / "out")
    examples = {example.id: example for example in read_recipes(tmp_path / "out")}
    assert {key: example.image is None for key, example in examples.items()} == {
        "a": True,
        "b": False,
        "c": True,
        "d": False,
    }


@pytest.mark.fault
@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_failed_export_leaves_nothing(
    tmp_path: Path, data_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(runtime: Runtime) -> None:
        def full(sha256: str) -> bytes:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(runtime.blobs, "read", full)
        with pytest.raises(OSError, match="No space"):
            export_catalogue(runtime.catalogue, runtime.blobs, tmp_path / name)

    with_runtime(data_dir, work)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
