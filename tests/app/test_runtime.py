from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path

import pytest

from app.builtin import builtin_bundles
from app.metrics import Metrics
from app.runtime import Runtime, local_engine
from app.settings import Settings
from index.types import FingerprintError, Kind
from tests.app.conftest import serving, until
from tests.app.fakes import FakeEngine, picture

pytestmark = pytest.mark.anyio


def _settings(folder: Path, **values: object) -> Settings:
    return Settings.model_validate({"data_dir": folder, "reasoner": "none", "generator": "none", **values})


async def test_lanes_are_placed_as_the_settings_say(tmp_path: Path) -> None:
    placed = _settings(
        tmp_path, captioner="tell:folder", device="cuda:2", placement="captioner=cuda:1,captioner=cpu@process"
    )
    for settings, lanes in (
        (placed, {"encoder": "cuda:2", "captioner": "cuda:1", "captioner-2": "cpu"}),
        (_settings(tmp_path, captioner="none"), {"encoder": "cpu"}),
        (
            _settings(tmp_path, captioner="none", reasoner="attend:folder", placement="reasoner=cuda:3@process"),
            {"encoder": "cpu", "reasoner": "cuda:3"},
        ),
        (_settings(tmp_path, captioner="none", placement="encoder=cpu@process"), {"encoder": "cpu"}),
    ):
        health = local_engine(settings, Metrics()).health()
        assert {lane.lane: lane.device for lane in health.lanes} == lanes


async def test_an_empty_catalogue_is_filled_once(tmp_path: Path) -> None:
    async with serving(_settings(tmp_path)) as service:
        count = service.runtime.catalogue.count(Kind.RECIPE)
        assert count == len(builtin_bundles()) >= 120
        stored = (await service.client.get("/v1/recipes/spaghetti-carbonara")).json()
        whole = {name: stored[name] for name in ("title", "ingredients", "instructions")}
        response = await service.client.post("/v1/search/recipes", json={"recipe": whole, "k": 1})
        assert response.json()["hits"][0]["id"] == "spaghetti-carbonara"
        assert response.json()["hits"][0]["recipe"]["extra"]["cuisine"]
        await service.client.delete("/v1/recipes/spaghetti-carbonara")
    async with serving(_settings(tmp_path)) as service:
        assert service.runtime.catalogue.count(Kind.RECIPE) == count - 1


async def test_a_catalogue_that_was_emptied_stays_empty(tmp_path: Path) -> None:
    async with serving(_settings(tmp_path, builtin_catalogue=False)) as service:
        await service.put_recipe("only", title="x")
        await service.client.delete("/v1/recipes/only")
    async with serving(_settings(tmp_path)) as service:
        assert service.runtime.catalogue.count(Kind.RECIPE) == 0


async def test_opening_alone_fills_nothing(tmp_path: Path) -> None:
    async with Runtime.open(_settings(tmp_path), FakeEngine()) as runtime:
        assert runtime.catalogue.head() == 0


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    settings = _settings(tmp_path, builtin_catalogue=False)
    async with serving(settings) as service:
        await service.put_recipe("r", title="tomato soup")
        await service.put_image("i", picture("tomato"), recipe_ids=["r"])
    assert sorted(path.suffix for path in settings.index_dir.glob("*.index")) == [".index", ".index"]
    async with serving(settings) as service:
        hits = (await service.client.post("/v1/search/recipes", json={"image_id": "i"})).json()["hits"]
        assert [hit["id"] for hit in hits] == ["r"]
        assert (await service.client.get("/v1/images/i/file")).content == picture("tomato")


async def test_the_index_is_saved_now_and_then(tmp_path: Path) -> None:
    settings = _settings(tmp_path, builtin_catalogue=False, index_save_interval_s=0.05)
    async with serving(settings) as service:
        await service.put_recipe("r", title="x")

        async def saved() -> bool:
            return len(list(settings.index_dir.glob("*.index"))) == 2

        await until(saved)


async def test_another_encoder_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path, builtin_catalogue=False)
    async with Runtime.open(settings, FakeEngine()):
        pass
    other = FakeEngine(fingerprint="0" * 64)
    with pytest.raises(FingerprintError, match="reindex"):
        async with Runtime.open(settings, other):
            pass
    # What was opened before the refusal is closed again.
    async with Runtime.open(settings, FakeEngine()) as runtime:
        assert runtime.generation.active


async def test_a_wrong_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mysql"):
        async with Runtime.open(_settings(tmp_path, database_url="mysql://x/y"), FakeEngine()):
            pass


def test_builtin_recipes_are_whole() -> None:
    ids = set()
    for bundle in builtin_bundles():
        assert bundle.recipe is not None
        assert bundle.recipe.id is not None
        ids.add(bundle.recipe.id)
        recipe = bundle.recipe.recipe
        assert recipe.title
        assert recipe.ingredients
        assert recipe.instructions
        assert recipe.tags
        assert set(recipe.extra) == {"cuisine", "course"}
    assert len(ids) == len(builtin_bundles())


async def test_the_service_is_put_together_without_torch() -> None:
    program = textwrap.dedent(
        """
        import sys
        from app.factory import create_app
        from app.settings import Settings
        create_app(Settings()).openapi()
        assert "torch" not in sys.modules, "torch was imported"
        """
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()
    assert process.returncode == 0, error.decode()
