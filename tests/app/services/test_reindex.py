"""Encoding everything anew, into a generation that replaces the old one at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.engine.types import Outcome, UnavailableError
from app.executors import Executors
from app.pictures import PictureLimits
from app.services import reindex
from app.services.items import AutoCaptions, Automatic
from app.services.reindex import Reindexer, ReindexError, ReindexReport
from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.doctor import examine
from index.types import Filter, FingerprintError, Kind
from tests.app.fakes import FakeEngine
from tests.app.importers.runtime import everything, import_into, with_runtime
from tests.app.importers.test_run import FOODS, write_source

COUNT = 5


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    automatic = Automatic(captions=AutoCaptions("dish"))
    import_into(tmp_path / "data", write_source(tmp_path / "source", COUNT), automatic=automatic)
    return tmp_path / "data"


class _OtherEngine(FakeEngine):
    """Another encoder; dies after ``lives`` calls."""

    def __init__(self, lives: int = 10**9) -> None:
        super().__init__(fingerprint="0" * 64)
        self.lives = lives

    async def submit(self, *args: Any, **kwargs: Any) -> list[Outcome[Any]]:
        if self.lives <= 0:
            raise UnavailableError("the worker died")
        self.lives -= 1
        return await super().submit(*args, **kwargs)


def run(data_dir: Path, engine: FakeEngine, progress: list[tuple[int, int]] | None = None) -> ReindexReport:
    async def main() -> ReindexReport:
        executors = Executors(1, 1)
        await engine.start()
        try:
            with Catalogue.open(f"sqlite:///{data_dir / 'catalogue.sqlite'}") as catalogue:
                work = Reindexer(
                    catalogue, BlobStore(data_dir / "blobs"), engine, executors, PictureLimits(max_bytes=10**7)
                )
                return await work.run(
                    lambda done, total: progress.append((done, total)) if progress is not None else None
                )
        finally:
            executors.close()

    return asyncio.run(main())


def test_everything_is_encoded_and_swapped_in(data_dir: Path) -> None:
    progress: list[tuple[int, int]] = []
    report = run(data_dir, _OtherEngine(), progress)
    assert report.encoded == 2 * COUNT
    assert report.generation.active
    assert report.generation.fingerprint == "0" * 64
    assert progress[-1] == (2 * COUNT, 2 * COUNT)
    with pytest.raises(FingerprintError):
        with_runtime(data_dir, _nothing)

    async def check(runtime: Any) -> None:
        assert examine(runtime.catalogue, runtime.replica, runtime.blobs, deep=True) == []
        assert runtime.catalogue.count(Kind.IMAGE, Filter(captions_any=tuple(FOODS))) == COUNT

    with_runtime(data_dir, check, _OtherEngine())
    assert run(data_dir, _OtherEngine()).encoded == 0, "nothing is left to do"


async def _nothing(runtime: Any) -> None:
    return None


def test_an_interrupted_run_goes_on(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "_CHUNK", 2)
    with pytest.raises(UnavailableError):
        run(data_dir, _OtherEngine(lives=2))
    with_runtime(data_dir, _nothing)  # the old generation still serves
    assert run(data_dir, _OtherEngine()).encoded == 2 * COUNT - 4


def test_a_lost_picture_keeps_the_old_generation(data_dir: Path) -> None:
    async def lose(runtime: Any) -> None:
        _, images = everything(runtime)
        runtime.blobs.path_for_serving(images["dish-0"].picture.blob).unlink()

    with_runtime(data_dir, lose)
    with pytest.raises(ReindexError, match="image 'dish-0' can't be encoded"):
        run(data_dir, _OtherEngine())
    with_runtime(data_dir, _nothing)

    with Catalogue.open(f"sqlite:///{data_dir / 'catalogue.sqlite'}") as catalogue:
        active = catalogue.active_generation()
        assert active is not None
        assert active.fingerprint == "f" * 64
        assert len(catalogue.missing_vectors(active.number + 1, 100)) == 1
        assert catalogue.count(Kind.IMAGE) == COUNT
