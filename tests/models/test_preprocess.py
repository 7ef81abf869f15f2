import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg
from PIL import Image

from models.preprocess import to_pixels
from models.types import ImagePreprocess, Interpolation, ResizeMode, UInt8Array

HALF = (0.5, 0.5, 0.5)


def _picture(width: int, height: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _open_clip(image: Image.Image, size: int, mode: ResizeMode, interpolation: Interpolation, fill: int) -> UInt8Array:
    config = PreprocessCfg(
        size=size, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation=interpolation, resize_mode=mode, fill_color=fill
    )
    tensor = open_clip.transform.image_transform_v2(config, is_train=False)(image)
    pixels: UInt8Array = (tensor * 255).round().byte().permute(1, 2, 0).numpy()
    return pixels


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(8, 300),
    height=st.integers(8, 300),
    size=st.sampled_from([16, 31, 64]),
    mode=st.sampled_from(["shortest", "longest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
    fill=st.sampled_from([0, 127]),
)
def test_equals_open_clips_transform(
    width: int, height: int, size: int, mode: ResizeMode, interpolation: Interpolation, fill: int
) -> None:
    if max(width, height) > 16 * min(width, height):
        return  # strips are trimmed on purpose
    image = _picture(width, height)
    ours = to_pixels(image, ImagePreprocess(size, HALF, HALF, mode, interpolation, fill))
    np.testing.assert_array_equal(ours, _open_clip(image, size, mode, interpolation, fill))


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("shape", [(1, 1), (20_000, 1), (1, 20_000), (3, 500)])
def test_extreme_shapes_give_a_square_without_growing(mode: ResizeMode, shape: tuple[int, int]) -> None:
    pixels = to_pixels(_picture(*shape), ImagePreprocess(224, HALF, HALF, mode))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8


def test_other_modes_become_rgb() -> None:
    grey = to_pixels(_picture(40, 30).convert("L"), ImagePreprocess(16, HALF, HALF))
    assert grey.shape == (16, 16, 3)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
