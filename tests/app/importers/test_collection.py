"""The readers on the real collection, which is no part of the repository."""

from __future__ import annotations

import pytest

from app.importers.detect import detect
from tests.app.importers.helpers import read
from tests.paths import collection

pytestmark = pytest.mark.data


def test_every_line_of_the_photo_collection_is_read() -> None:
    reader = detect(collection("epicurious"))
    items, problems = read(reader)
    assert reader.format == "folder"
    assert problems == []
    assert len(items) == reader.count() == 12_582
    assert sum(item.bundle.recipe is not None for item in items) == 7_444
    assert all(len(item.bundle.pictures) == 1 for item in items)
    assert len({item.bundle.pictures[0].id for item in items}) == 12_582
