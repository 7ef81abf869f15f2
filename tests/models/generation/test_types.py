from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.generation.types import GeneratorInfo, PictureRequest, PictureRequestError, check_request

VECTOR = np.ones(4, dtype=np.float32)
INFO = GeneratorInfo(
    name="g", fingerprint="f", encoder="e", dim=4, sizes=(128, 256), conditions="vector", negative=False, device="cpu",
    parameters=0, licence="none",
)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "text and vector"),
        ({"text": "  "}, "text and vector"),
        ({"text": "soup", "seed": -1}, "seed"),
        ({"text": "soup", "seed": 2**32}, "seed"),
        ({"text": "soup", "truncation": 0.0}, "truncation"),
        ({"text": "soup", "truncation": 1.5}, "truncation"),
        ({"text": "soup", "truncation": float("nan")}, "truncation"),
        ({"text": "soup", "size": 0}, "size"),
        ({"text": "soup", "modality": "sound"}, "modality"),
        ({"vector": np.ones((1, 4), dtype=np.float32)}, "vector"),
        ({"vector": np.full(4, np.nan, dtype=np.float32)}, "vector"),
        ({"vector": VECTOR, "negative_vector": np.full(4, np.inf, dtype=np.float32)}, "negative_vector"),
    ],
)
def test_a_request_out_of_range_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PictureRequest(**values)


@pytest.mark.parametrize(
    ("info", "request_", "message"),
    [
        (INFO, PictureRequest(vector=VECTOR, size=64), "no pictures of size 64; it offers 128, 256"),
        (INFO, PictureRequest(text="soup"), "the request has no vector"),
        (INFO, PictureRequest(vector=np.ones(5, dtype=np.float32)), "vector has 5 numbers, g takes 4"),
        (INFO, PictureRequest(vector=VECTOR, negative_text="rice"), "can't be told what not to draw"),
        (
            replace(INFO, negative=True),
            PictureRequest(vector=VECTOR, negative_text="rice"),
            "the negative prompt has no vector",
        ),
        (
            replace(INFO, negative=True),
            PictureRequest(vector=VECTOR, negative_vector=np.ones(5, dtype=np.float32)),
            "negative_vector has 5",
        ),
        (replace(INFO, conditions="text"), PictureRequest(vector=VECTOR), "the request has no text"),
    ],
)
def test_what_a_generator_cannot_do_is_said(info: GeneratorInfo, request_: PictureRequest, message: str) -> None:
    with pytest.raises(PictureRequestError, match=message):
        check_request(info, request_)


def test_what_it_can_do_passes() -> None:
    check_request(INFO, PictureRequest(vector=VECTOR, size=256))
    check_request(replace(INFO, negative=True), PictureRequest(vector=VECTOR, negative_vector=VECTOR))
    check_request(replace(INFO, conditions="text", dim=0), PictureRequest(text="soup"))
