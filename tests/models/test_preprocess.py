import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.transform import PreprocessCfg
from PIL import Image

from models.preprocess import Region, seen_region, to_pixels
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


@settings(max_examples=80)
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


def _ramps(width: int, height: int) -> Image.Image:
    """Red is 20 at the left edge and 220 at the right one, green the same from top to bottom, blue 255."""
    across = 20 + 200 * (np.arange(width) + 0.5) / width
    down = 20 + 200 * (np.arange(height) + 0.5) / height
    channels = np.broadcast_arrays(across[None, :], down[:, None], 255.0)
    return Image.fromarray(np.stack(channels, axis=2).round().astype(np.uint8))


@settings(max_examples=60)
@given(
    width=st.integers(40, 400),
    height=st.integers(40, 400),
    size=st.sampled_from([31, 64]),
    mode=st.sampled_from(["shortest", "longest", "squash"]),
)
def test_the_seen_region_is_what_the_pixels_show(width: int, height: int, size: int, mode: ResizeMode) -> None:
    """Where a pixel of the square comes from is written in its own colour."""
    spec = ImagePreprocess(size, HALF, HALF, mode, "bilinear")
    pixels = to_pixels(_ramps(width, height), spec).astype(float)
    region = seen_region((width, height), spec)
    inside = pixels[..., 2] > 250  # padding is black
    rows, columns = np.nonzero(inside)
    assert len(rows)
    x = region.left + (columns + 0.5) / size * (region.right - region.left)
    y = region.top + (rows + 0.5) / size * (region.bottom - region.top)
    # At an edge the resize averages over what there is, and colours are rounded: right to a third of a pixel.
    wide, high = (region.right - region.left) / size, (region.bottom - region.top) / size
    np.testing.assert_allclose((pixels[inside][:, 0] - 20) / 200, x, atol=0.01 + wide / 3)
    np.testing.assert_allclose((pixels[inside][:, 1] - 20) / 200, y, atol=0.01 + high / 3)
    for place in (x, y):
        assert 0 < place.min() <= place.max() < 1


def test_the_seen_region_of_plain_shapes() -> None:
    square, cropped, padded = (ImagePreprocess(64, HALF, HALF, mode) for mode in ("squash", "shortest", "longest"))
    assert seen_region((300, 100), square) == Region(0, 0, 1, 1)
    assert seen_region((128, 64), cropped) == Region(0.25, 0, 0.75, 1)
    assert seen_region((64, 256), cropped) == Region(0, 0.375, 1, 0.625)
    assert seen_region((128, 64), padded) == Region(0, -0.5, 1, 1.5)
    assert seen_region((1, 1), cropped) == Region(0, 0, 1, 1)
    strip = seen_region((20_000, 1), cropped)
    assert strip.right - strip.left == pytest.approx(1 / 20_000)
    assert seen_region((1, 20_000), padded) == Region(-31, 0, 33, 1)
