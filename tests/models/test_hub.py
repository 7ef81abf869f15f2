from typing import Any

import numpy as np
import pytest
import torch
from transformers import BlipImageProcessor, CLIPImageProcessor, ViTImageProcessor

from models.hub import model_fingerprint, processor_preprocess, reason
from models.preprocess import to_pixels
from models.types import ImagePreprocess
from tests.pictures import plate

SQUARE = ImagePreprocess(8, (0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize(
    "processor",
    [
        BlipImageProcessor(size={"height": 48, "width": 48}),
        ViTImageProcessor(size={"height": 40, "width": 40}),
        CLIPImageProcessor(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}),
        ViTImageProcessor(size={"height": 40, "width": 40}, do_normalize=False),
    ],
)
def test_pixels_are_those_of_the_processor(processor: Any) -> None:
    spec = processor_preprocess(processor)
    photo = plate("red", size=(120, 96))
    expected = processor(photo, return_tensors="pt").pixel_values[0].permute(1, 2, 0).numpy()
    found = (to_pixels(photo, spec) / 255 - np.array(spec.mean)) / np.array(spec.std)
    assert found.shape == expected.shape
    # Pillow and torchvision round differently, by a few levels of 255 at edges.
    assert np.abs(found - expected).mean() * max(spec.std) * 255 < 0.6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": {"height": 40, "width": 50}}, "pictures are resized to"),
        ({"size": {"shortest_edge": 40}}, "cropped to nothing"),
        ({"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}}, "cropped"),
        ({"do_resize": False}, "pictures are resized"),
        ({"resample": 0}, "interpolation"),
        ({"do_rescale": False}, "not scaled by 1 / 255"),
        ({"rescale_factor": 1 / 128}, "not scaled by 1 / 255"),
    ],
)
def test_what_cannot_be_done_here_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        processor_preprocess(ViTImageProcessor(**settings))


def test_a_fingerprint_knows_weights_preprocessing_and_tokenizer() -> None:
    one, same, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    same.load_state_dict(one.state_dict())
    assert model_fingerprint(one, SQUARE, b"x") == model_fingerprint(same, SQUARE, b"x")
    different = [
        model_fingerprint(one, SQUARE, b"x"),
        model_fingerprint(other, SQUARE, b"x"),
        model_fingerprint(one, SQUARE, b"y"),
        model_fingerprint(one, ImagePreprocess(9, (0.5,) * 3, (0.5,) * 3), b"x"),
    ]
    assert len(set(different)) == 4


def test_a_reason_is_one_short_line() -> None:
    assert reason(ValueError("no\n such   file")) == "no such file"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 999))) == 200
