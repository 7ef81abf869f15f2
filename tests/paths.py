"""Where the photo collection for checking lies; it is no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# Converted networks, kept from run to run: converting one takes seconds. Its entries are checked when they are read.
MODEL_CACHE = REPOSITORY / ".pytest_cache" / "models"


def collection(name: str) -> Path:
    """The folder ``name`` of the collection, or skip the test with the reason."""
    root = Path(os.environ.get("TASTESPACE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / name).is_dir():
        pytest.skip(f"no {name} collection in {root} (set TASTESPACE_DATA)")
    return root / name
