"""A tiny made-up vocabulary."""

from __future__ import annotations

import numpy as np
import pytest

from models.words.store import StoredWords
from models.words.vectors import WordVectors

#: Two axes of meaning (meat to drink, chicken to beef) and one of noise.
TINY: dict[str, tuple[int, tuple[float, float, float]]] = {
    "butter": (90, (0.1, 0.1, 1.0)),
    "beef": (80, (1.0, 1.0, 0.0)),
    "chicken": (70, (1.0, -1.0, 0.0)),
    "red wine": (60, (-1.0, 1.0, 0.0)),
    "white wine": (50, (-1.0, -1.0, 0.0)),
    "green onion": (40, (0.6, 0.1, 0.7)),
    "eggplant": (35, (0.5, -0.1, -0.9)),
    "margarine": (30, (0.12, 0.1, 1.0)),
    "jalapeno chile": (25, (0.9, 0.2, -0.5)),
    "jalapeno pepper": (20, (0.9, 0.25, -0.5)),
    "jalapeno": (15, (-0.9, 0.2, 0.5)),
    "peanut butter": (12, (-0.3, 0.9, 0.2)),
    "creamy peanut butter": (10, (-0.3, 0.92, 0.2)),
}


@pytest.fixture
def stored() -> StoredWords:
    vectors = np.array([vector for _, vector in TINY.values()], dtype=np.float32)
    return StoredWords(
        names=list(TINY),
        counts=[count for count, _ in TINY.values()],
        vectors=vectors,
        contexts=vectors[::-1].copy(),
        manifest={"model": "tiny"},
    )


@pytest.fixture
def tiny(stored: StoredWords) -> WordVectors:
    return WordVectors(stored.names, stored.counts, stored.vectors, stored.contexts)
