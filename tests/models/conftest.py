from __future__ import annotations

from pathlib import Path

import pytest

from tests.paths import MODEL_CACHE


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """Where converted networks are kept."""
    MODEL_CACHE.mkdir(parents=True, exist_ok=True)
    return MODEL_CACHE
