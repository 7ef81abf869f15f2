"""Vectors that nearest photos are found by; models are loaded only when they are needed, and once."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from models.evaluation.caption_sources import encoder_source, frozen_source
from models.types import EncoderInfo, Float32Array, ImagePreprocess, JointEncoder, UInt8Array
from tests.models.evaluation.caption_world import SIDE, write_captions


class Colours:
    info = EncoderInfo("colours", "", 3, ImagePreprocess(SIDE, (0.5,) * 3, (0.5,) * 3), "cpu", 0, "")

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        return np.asarray(pixels[:, 0, 0] / np.linalg.norm(pixels[:, 0, 0], axis=1, keepdims=True), dtype=np.float32)


def test_the_encoder_is_loaded_once_and_late(tmp_path: Path) -> None:
    loads: list[int] = []

    def load() -> JointEncoder:
        loads.append(1)
        return cast(JointEncoder, Colours())

    source = encoder_source("colours", load)
    assert source.name == "vectors of colours"
    assert loads == []
    write_captions(tmp_path)
    photos = [tmp_path / "images" / f"{number}.png" for number in range(3)]
    assert source.encode(photos).shape == (3, 3)
    source.encode(photos[:1])
    assert loads == [1]


@pytest.mark.weights
def test_frozen_features_are_unit_rows_and_cached(tmp_path: Path) -> None:
    write_captions(tmp_path)
    photos = [tmp_path / "images" / f"{number}.png" for number in (0, 24)]
    first = frozen_source(tmp_path / "cache").encode(photos)
    assert first.shape == (2, 1280)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-3)
    again = frozen_source(tmp_path / "cache").encode(photos[:1])
    np.testing.assert_array_equal(again, first[:1])
