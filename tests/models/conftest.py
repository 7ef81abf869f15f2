from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where converted networks are kept for the length of a run: converting one takes seconds."""
    return tmp_path_factory.mktemp("model-cache")
