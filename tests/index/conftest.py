"""Every catalogue test runs on SQLite, and on PostgreSQL where TASTESPACE_TEST_POSTGRES names a database to empty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from index.catalogue import Catalogue
from index.schema import metadata
from index.types import Generation
from tests.index.samples import DIM

POSTGRES = "TASTESPACE_TEST_POSTGRES"


@pytest.fixture
def postgres_url() -> str:
    """An emptied PostgreSQL database."""
    url = os.environ.get(POSTGRES)
    if not url:
        pytest.skip(f"{POSTGRES} names no PostgreSQL database; the catalogue was tested on SQLite only")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    metadata.drop_all(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"] if os.environ.get(POSTGRES) else ["sqlite"])
def catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'catalogue.db'}"


@pytest.fixture
def catalogue(catalogue_url: str) -> Iterator[Catalogue]:
    with Catalogue.open(catalogue_url) as opened:
        yield opened


@pytest.fixture
def generation(catalogue: Catalogue) -> Generation:
    return catalogue.ensure_generation("fingerprint-1", "encoder-1", DIM)
