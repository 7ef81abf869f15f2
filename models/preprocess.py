"""How a picture becomes pixels, with Pillow and numpy alone.

The web service preprocesses in its decode executor, where torch is not loaded; so this repeats open_clip's inference
transform (torchvision on Pillow) up to, and without, its normalisation. The tests hold the two together bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from models.types import ImagePreprocess, UInt8Array

_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
# Past this ratio of sides the ends are cut off before resizing: a 1 x 20,000 strip would grow to gigabytes first.
_MAX_ASPECT = 16


def to_pixels(image: Image.Image, spec: ImagePreprocess) -> UInt8Array:
    """Resize and crop or pad ``image`` to the square that a vision tower takes.

    Args:
        image: any size of at least 1 x 1; modes other than RGB are converted (decode alpha and EXIF before).
        spec: side, resize mode and interpolation; its mean and std are left to the encoder.

    Returns:
        uint8 (size, size, 3), equal to ``open_clip.image_transform_v2(cfg, is_train=False)`` before normalisation,
        except that "shortest" looks at the middle only of pictures more than 16 times as long as wide.
    """
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    resampling = _RESAMPLING[spec.interpolation]
    size = spec.size
    if spec.resize_mode == "squash":
        square = rgb.resize((size, size), resampling)
    elif spec.resize_mode == "longest":
        square = _pad_to_centre(rgb.resize(_longest_size(rgb.size, size), resampling), size, spec.fill)
    else:
        trimmed = _trim_strip(rgb)
        square = _centre_crop(trimmed.resize(_shortest_size(trimmed.size, size), resampling), size)
    return np.array(square, dtype=np.uint8)


class Region(NamedTuple):
    """A rectangle of a picture, in fractions of its width and height from its upper left corner; what lies outside
    of the picture is below 0 or above 1."""

    left: float
    top: float
    right: float
    bottom: float


def seen_region(wh: tuple[int, int], spec: ImagePreprocess) -> Region:
    """What of a picture of ``wh`` pixels (width, height) the square of :func:`to_pixels` shows: all of it where the
    picture is squashed, its middle where it is cropped, more than it where it is padded."""
    if spec.resize_mode == "squash":
        return Region(0.0, 0.0, 1.0, 1.0)
    if spec.resize_mode == "longest":
        resized = _longest_size(wh, spec.size)
        left, right = _span(-((spec.size - resized[0]) // 2), spec.size, resized[0], 0, wh[0], wh[0])
        top, bottom = _span(-((spec.size - resized[1]) // 2), spec.size, resized[1], 0, wh[1], wh[1])
        return Region(left, top, right, bottom)
    box = _middle_of_strip(wh)
    trimmed = (box[2] - box[0], box[3] - box[1])
    resized = _shortest_size(trimmed, spec.size)
    corner = _crop_corner(resized, spec.size)
    left, right = _span(corner[0], spec.size, resized[0], box[0], trimmed[0], wh[0])
    top, bottom = _span(corner[1], spec.size, resized[1], box[1], trimmed[1], wh[1])
    return Region(left, top, right, bottom)


def _span(start: int, size: int, resized: int, offset: int, trimmed: int, side: int) -> tuple[float, float]:
    """Along one side: ``size`` pixels from ``start`` of the ``resized`` ones that stand for the ``trimmed`` pixels from
    ``offset`` on, as fractions of the ``side`` pixels of the picture."""
    scale = trimmed / resized
    return (offset + start * scale) / side, (offset + (start + size) * scale) / side


def _shortest_size(wh: tuple[int, int], size: int) -> tuple[int, int]:
    """torchvision's ``Resize(int)``: the shorter side becomes ``size``, the longer is truncated."""
    width, height = wh
    if width <= height:
        return size, int(size * height / width)
    return int(size * width / height), size


def _longest_size(wh: tuple[int, int], size: int) -> tuple[int, int]:
    """timm's ``ResizeKeepRatio(longest=1)``: the longer side becomes ``size``, the shorter is rounded."""
    ratio = max(wh) / size
    return max(1, round(wh[0] / ratio)), max(1, round(wh[1] / ratio))


def _centre_crop(image: Image.Image, size: int) -> Image.Image:
    left, top = _crop_corner(image.size, size)
    return image.crop((left, top, left + size, top + size))


def _crop_corner(wh: tuple[int, int], size: int) -> tuple[int, int]:
    return round((wh[0] - size) / 2.0), round((wh[1] - size) / 2.0)


def _pad_to_centre(image: Image.Image, size: int, fill: int) -> Image.Image:
    canvas = Image.new("RGB", (size, size), (fill, fill, fill))
    canvas.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return canvas


def _trim_strip(image: Image.Image) -> Image.Image:
    box = _middle_of_strip(image.size)
    return image if box == (0, 0, *image.size) else image.crop(box)


def _middle_of_strip(wh: tuple[int, int]) -> tuple[int, int, int, int]:
    longest = min(wh) * _MAX_ASPECT
    left, top = max(0, (wh[0] - longest) // 2), max(0, (wh[1] - longest) // 2)
    return left, top, left + min(wh[0], longest), top + min(wh[1], longest)
