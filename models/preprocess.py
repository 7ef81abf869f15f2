"""How a picture becomes pixels, with Pillow and numpy alone.

The web service preprocesses in its decode executor, where torch is not loaded; so this repeats open_clip's inference
transform (torchvision on Pillow) up to, and without, its normalisation. The tests hold the two together bit for bit.
"""

from __future__ import annotations

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
    left = round((image.width - size) / 2.0)
    top = round((image.height - size) / 2.0)
    return image.crop((left, top, left + size, top + size))


def _pad_to_centre(image: Image.Image, size: int, fill: int) -> Image.Image:
    canvas = Image.new("RGB", (size, size), (fill, fill, fill))
    canvas.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return canvas


def _trim_strip(image: Image.Image) -> Image.Image:
    longest = min(image.size) * _MAX_ASPECT
    if max(image.size) <= longest:
        return image
    left = max(0, (image.width - longest) // 2)
    top = max(0, (image.height - longest) // 2)
    return image.crop((left, top, left + min(image.width, longest), top + min(image.height, longest)))
