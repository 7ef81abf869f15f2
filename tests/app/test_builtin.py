"""The pictures of the built-in recipes in a running service, here three that a program has drawn in plain colours."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.builtin import builtin_bundles, builtin_recipes, picture_id
from app.engine.types import Operation, Outcome, Payload
from app.runtime import Runtime
from app.services.transfer import export_catalogue
from app.settings import Settings
from index.algebra import Strategy
from index.doctor import examine
from index.types import Filter, Kind
from models.data import read_recipes
from models.generation.provenance import Provenance, encode_picture
from tests.app.conftest import Service, serving, until
from tests.app.fakes import COLOURS, FakeEngine, picture
from tests.paths import REPOSITORY

pytestmark = pytest.mark.anyio

FOODS = {"greek-salad": "salad", "lasagne-al-forno": "pasta", "spaghetti-carbonara": "pasta"}
DRAWN = {picture_id(recipe_id) for recipe_id in FOODS}
RECIPES = len(builtin_recipes())


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pictures, whatever comes with the program."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, (recipe_id, food) in enumerate(FOODS.items()):
        pixels = np.full((128, 128, 3), COLOURS[food], dtype=np.uint8)
        pixels[:4, :4] = seed
        (folder / f"{recipe_id}.webp").write_bytes(encode_picture(pixels, Provenance("m", food, seed), "webp"))
    monkeypatch.setattr("app.builtin.builtin_pictures", lambda: folder)
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", decode_threads=2)


@asynccontextmanager
async def serving_without_pictures(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: FakeEngine | None = None
) -> AsyncIterator[Service]:
    """The service as it was before any picture came with the program."""
    with monkeypatch.context() as before:
        before.setattr("app.builtin.builtin_pictures", lambda: tmp_path / "nowhere")
        async with serving(settings, engine) as service:
            yield service


class Counting(FakeEngine):
    """Counts submissions."""

    def __init__(self) -> None:
        super().__init__()
        self.submitted: Counter[Operation] = Counter()

    async def submit(self, operation: Operation, items: Sequence[Payload], **options: Any) -> list[Outcome[Any]]:
        self.submitted[operation] += 1
        return await super().submit(operation, items, **options)


async def test_recipes_come_with_their_pictures(settings: Settings) -> None:
    engine = Counting()
    async with serving(settings, engine) as service:
        assert engine.submitted == {Operation.ENCODE_RECIPE: 1, Operation.ENCODE_PIXELS: 1}
        assert service.runtime.catalogue.count(Kind.RECIPE) == RECIPES
        listed = (await service.client.get("/v1/images")).json()["items"]
        assert {each["id"] for each in listed} == DRAWN
        for each in listed:
            (recipe_id,) = each["recipe_ids"]
            recipe = (await service.client.get(f"/v1/recipes/{recipe_id}")).json()
            assert recipe["image_ids"] == [each["id"]] == [f"{recipe_id}-drawn"]
            assert (each["title"], each["tags"], each["generated"]) == (recipe["title"], recipe["tags"], True)
            assert (each["width"], each["height"], each["media_type"]) == (128, 128, "image/webp")
    engine = Counting()
    async with serving(settings, engine) as service:
        assert engine.encoded == []
        assert service.runtime.catalogue.count(Kind.IMAGE) == len(DRAWN)


async def test_without_pictures_there_are_recipes(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Counting()
    async with serving_without_pictures(settings, tmp_path, monkeypatch, engine) as service:
        assert engine.submitted == {Operation.ENCODE_RECIPE: 1}
        assert [service.runtime.catalogue.count(kind) for kind in (Kind.RECIPE, Kind.IMAGE)] == [RECIPES, 0]


async def test_a_broken_picture_costs_only_itself(
    settings: Settings, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (pictures / "greek-salad.webp").write_bytes(b"RIFF....WEBP")
    async with serving(settings) as service:
        assert service.runtime.catalogue.count(Kind.RECIPE) == RECIPES
        assert service.runtime.catalogue.count(Kind.IMAGE) == len(DRAWN) - 1
    assert "the built-in image greek-salad-drawn was not stored" in caplog.text


async def test_a_catalogue_of_before_gets_pictures_of_the_recipes_that_nobody_touched(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_without_pictures(settings, tmp_path, monkeypatch) as service:
        await service.client.patch("/v1/recipes/lasagne-al-forno", json={"tags": ["mine"]})
        await service.put_image("mine", picture("pasta"), recipe_ids=["spaghetti-carbonara"])
    async with serving(settings) as service:
        images = (await service.client.get("/v1/images")).json()["items"]
        assert [(each["id"], each["recipe_ids"], each["generated"]) for each in images] == [
            ("mine", ["spaghetti-carbonara"], False),
            ("greek-salad-drawn", ["greek-salad"], True),
        ]
        assert not examine(service.runtime.catalogue, service.runtime.replica, service.runtime.blobs)
        await service.client.delete("/v1/images/greek-salad-drawn")
    engine = Counting()
    async with serving(settings, engine) as service:
        assert (await service.client.get("/v1/images")).json()["items"] == images[:1]
        assert not engine.submitted


async def test_nobodys_photo_gives_way_to_a_late_picture(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving_without_pictures(settings, tmp_path, monkeypatch) as service:
        await service.put_image("greek-salad-drawn", picture("meat"))
    async with serving(settings) as service:
        assert (await service.client.get("/v1/images/greek-salad-drawn/file")).content == picture("meat")
        assert service.runtime.catalogue.count(Kind.IMAGE) == len(DRAWN)


@pytest.mark.parametrize("wanted", [True, False])
async def test_recipes_that_are_not_the_built_in_ones_get_no_pictures(settings: Settings, wanted: bool) -> None:
    unfilled = settings.model_copy(update={"builtin_catalogue": False})
    async with serving(unfilled) as service:
        await service.put_recipe("greek-salad", title="Our Greek salad")
        same = dict(builtin_recipes())["lasagne-al-forno"]
        lines = {name: list(getattr(same, name)) for name in ("ingredients", "instructions", "tags")}
        await service.put_recipe("lasagne-al-forno", title=same.title, extra=dict(same.extra), **lines)
    async with serving(settings if wanted else unfilled) as service:
        images = (await service.client.get("/v1/images")).json()["items"]
        assert [each["id"] for each in images] == (["lasagne-al-forno-drawn"] if wanted else [])
        assert service.runtime.catalogue.count(Kind.RECIPE) == 2


@pytest.fixture
async def own(settings: Settings) -> Any:
    """The built-in catalogue, and two photos that someone took."""
    async with serving(settings) as service:
        await service.put_image("mine", picture("salad", "tomato"), tags=["salad"])
        await service.put_image("other", picture("meat"))
        yield service


async def _found(service: Service, kind: str, query: dict[str, Any], generated: bool | None) -> set[str]:
    wanted = {} if generated is None else {"generated": generated}
    response = await service.client.post(f"/v1/search/{kind}", json={**query, "k": 1000, "filter": wanted})
    assert response.status_code == 200, response.text
    return {hit["id"] for hit in response.json()["hits"]}


@pytest.mark.parametrize(
    "query",
    [
        {"text": "salad"},
        {"recipe_id": "greek-salad"},
        {"recipe": {"ingredients": ["salad", "tomato"]}},
        {"image_id": "mine"},
        {"image_id": "greek-salad-drawn"},
        {"tags": {"include": ["salad"], "exclude": ["meat"]}},
        *({"expression": "@mine + pasta - meat", "strategy": strategy.value} for strategy in Strategy),
    ],
)
async def test_drawn_pictures_can_be_left_out_of_every_search(own: Service, query: dict[str, Any]) -> None:
    asked_with = {query.get("image_id"), *({"mine"} if "expression" in query else ())}
    taken = {"mine", "other"} - asked_with
    assert await _found(own, "images", query, None) == (DRAWN - asked_with) | taken
    assert await _found(own, "images", query, False) == taken
    assert await _found(own, "images", query, True) == DRAWN - asked_with


async def test_they_are_found_tagged_and_captioned_as_photos_are(own: Service) -> None:
    client = own.client
    (hit,) = (await client.post("/v1/search/images", json={"recipe_id": "greek-salad", "k": 1})).json()["hits"]
    assert hit["id"] == "greek-salad-drawn"
    by_photo = await client.post("/v1/search/images", files={"file": picture("salad")}, data={"k": "1"})
    assert by_photo.json()["hits"][0]["id"] == "greek-salad-drawn"
    tagged = (await client.get("/v1/images", params={"tag": "pasta", "generated": True})).json()["items"]
    assert {each["id"] for each in tagged} == DRAWN - {"greek-salad-drawn"}
    caption = await client.post("/v1/captions", json={"image_id": "greek-salad-drawn", "style": "general"})
    assert "salad" in caption.json()["captions"][0]["text"]


async def test_an_export_gives_them_back_and_lets_nothing_learn_from_them(
    own: Service, settings: Settings, tmp_path: Path
) -> None:
    await own.client.put("/v1/recipes/greek-salad/images/mine")
    runtime = own.runtime
    assert not examine(runtime.catalogue, runtime.replica, runtime.blobs)
    report = export_catalogue(runtime.catalogue, runtime.blobs, tmp_path / "out")
    assert (report.images, report.problems) == (len(DRAWN) + 2, ())
    photos = {each.id: each.image for each in read_recipes(tmp_path / "out") if each.image is not None}
    assert {name: path.stem for name, path in photos.items()} == {"greek-salad": "mine", "other": "other"}


async def test_a_start_that_is_interrupted_leaves_nothing_and_the_next_one_fills(settings: Settings) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Event()
    async with Runtime.open(settings, engine) as runtime:
        filling = asyncio.create_task(runtime.fill_builtin())

        async def is_encoding() -> bool:
            return engine.waiting == 2

        await until(is_encoding)
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling
        assert runtime.catalogue.head() == 0
    async with serving(settings) as service:
        _is_whole(service.runtime)


@pytest.mark.fault
async def test_a_start_that_is_killed_leaves_nothing_and_the_next_one_fills(settings: Settings, pictures: Path) -> None:
    for moment in ("before the pictures are encoded", "before what is written is committed"):
        _kill(moment, settings.data_dir, pictures)
        async with Runtime.open(settings, FakeEngine()) as runtime:
            assert runtime.catalogue.head() == 0, moment
    async with serving(settings) as service:
        _is_whole(service.runtime)


def _kill(moment: str, data_dir: Path, pictures: Path) -> None:
    """Start a service on ``data_dir``, and kill its process at this moment."""
    program = textwrap.dedent(
        f"""
        import asyncio, pathlib, time
        import app.builtin
        from app.runtime import Runtime
        from app.settings import Settings
        from index.catalogue import Catalogue
        from index.writes import apply_writes
        from tests.app.fakes import FakeEngine

        def reached(moment):
            if moment == {moment!r}:
                print("reached", flush=True)
                time.sleep(600)

        class Engine(FakeEngine):
            async def submit(self, operation, *args, **kwargs):
                if operation == "encode_pixels":
                    reached("before the pictures are encoded")
                return await super().submit(operation, *args, **kwargs)

        def write(self, writes, *, generation):
            with self.database.write() as connection:
                results = apply_writes(connection, self.database, writes, generation)
                reached("before what is written is committed")
            return results

        Catalogue.write = write
        app.builtin.builtin_pictures = lambda: pathlib.Path({str(pictures)!r})

        async def main():
            async with Runtime.open(Settings(data_dir={str(data_dir)!r}), Engine()) as runtime:
                await runtime.fill_builtin()

        asyncio.run(main())
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "reached\n"
        process.kill()
        process.wait(timeout=30)


def _is_whole(runtime: Runtime) -> None:
    assert runtime.catalogue.count(Kind.RECIPE) == RECIPES
    assert runtime.catalogue.count(Kind.IMAGE, Filter(generated=True, has_recipe=True)) == len(DRAWN)
    assert not examine(runtime.catalogue, runtime.replica, runtime.blobs)


def test_bundles_are_in_the_order_of_the_recipes() -> None:
    bundles = builtin_bundles()
    assert [each.recipe.id for each in bundles if each.recipe] == [recipe_id for recipe_id, _ in builtin_recipes()]
    assert {item.id for each in bundles for item in each.pictures} == DRAWN
