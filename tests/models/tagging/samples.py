"""A small space with tag weights in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.tagging.weights import TagManifest, save_tag_weights
from models.types import EncoderInfo, Float32Array, ImagePreprocess

DIM = 8
NAMES, GROUPS = ("Fig", "Pie", "Stew"), ("ingredient", "dish", "dish")
ENCODER = EncoderInfo("sample", "a" * 64, DIM, ImagePreprocess(8, (0.5,) * 3, (0.5,) * 3), "cpu", 0, "none")


def unit_rows(count: int, seed: int = 0, dim: int = DIM) -> Float32Array:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def sample_tensors() -> dict[str, Float32Array]:
    return {
        "head.weight": 4 * unit_rows(len(NAMES), 1).T,
        "head.bias": np.array([-1, 0, 1], dtype=np.float32),
        "zero_shot.text_mean": unit_rows(1, 2)[0] / 2,
        "zero_shot.reference": unit_rows(1, 3)[0] / 10,
    }


def sample_manifest(**changes: object) -> TagManifest:
    values: dict[str, object] = {
        "model": "tastespace-tags",
        "encoder": "sample",
        "fingerprint": ENCODER.fingerprint,
        "dim": DIM,
        "names": NAMES,
        "groups": GROUPS,
        "threshold": 0.4,
        "zero_shot": {"scale": 9.0, "bias": -3.0, "threshold": 0.3},
        "licence": "none",
    }
    return TagManifest(**values | changes)  # type: ignore[arg-type]


def write_sample(folder: Path, **changes: object) -> Path:
    save_tag_weights(folder, sample_tensors(), sample_manifest(**changes))
    return folder
