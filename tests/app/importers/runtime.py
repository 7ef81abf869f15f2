"""The real catalogue and services over a fake engine, for imports from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from app.importers.run import ImportReport, run_import
from app.runtime import Runtime
from app.settings import Settings
from index.types import Kind, StoredImage, StoredRecipe
from tests.app.fakes import FakeEngine

T = TypeVar("T")


@asynccontextmanager
async def open_runtime(data_dir: Path, engine: FakeEngine | None = None) -> AsyncIterator[Runtime]:
    settings = Settings(data_dir=data_dir, builtin_catalogue=False, decode_threads=2)
    async with Runtime.open(settings, engine or FakeEngine()) as runtime:
        yield runtime


def with_runtime(data_dir: Path, work: Callable[[Runtime], Awaitable[T]], engine: FakeEngine | None = None) -> T:
    """Run ``work`` on a runtime that is opened and closed around it."""

    async def main() -> T:
        async with open_runtime(data_dir, engine) as runtime:
            return await work(runtime)

    return asyncio.run(main())


def import_into(data_dir: Path, source: Path, engine: FakeEngine | None = None, **options: Any) -> ImportReport:
    return with_runtime(data_dir, lambda runtime: run_import(source, runtime, **options), engine)


def everything(runtime: Runtime) -> tuple[dict[str, StoredRecipe], dict[str, StoredImage]]:
    """All recipes and all photos by id."""
    catalogue = runtime.catalogue
    recipes = catalogue.get_many(Kind.RECIPE, catalogue.page(Kind.RECIPE, limit=1000).pks)
    images = catalogue.get_many(Kind.IMAGE, catalogue.page(Kind.IMAGE, limit=1000).pks)
    return {recipe.id: recipe for recipe in recipes}, {image.id: image for image in images}


def stored(data_dir: Path) -> tuple[dict[str, StoredRecipe], dict[str, StoredImage]]:
    async def look(runtime: Runtime) -> tuple[dict[str, StoredRecipe], dict[str, StoredImage]]:
        return everything(runtime)

    return with_runtime(data_dir, look)
