"""Named views of a photo: what frozen towers look at more than once, in place of augmentation on the fly."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from models.preprocess import to_pixels
from models.types import ImagePreprocess, UInt8Array

PLAIN_VIEWS = ("whole", "whole-flip")
_AREAS = {"crop": (0.35, 0.9), "wide": (0.7, 1.0)}


def crop_views(count: int) -> tuple[str, ...]:
    """The names of ``count`` random crops: ``crop-0``, ``crop-1``, ..."""
    return tuple(f"crop-{i}" for i in range(count))


def wide_views(count: int) -> tuple[str, ...]:
    """The names of ``count`` random crops that leave little out: ``wide-0``, ``wide-1``, ..."""
    return tuple(f"wide-{i}" for i in range(count))


def view_pixels(image: Image.Image, view: str, spec: ImagePreprocess, content: str) -> UInt8Array:
    """One view of ``image`` as uint8 (size, size, 3).

    ``whole`` is what the encoder sees at inference, ``whole-flip`` its mirror image; ``crop-N`` takes 35 to 90 % of
    the area at an aspect ratio within 3/4 and 4/3 of the photo's own, every second one mirrored (Szegedy et al. 2015,
    section 6); ``wide-N`` likewise 70 to 100 %, for what is said about the whole photo. The crop is a function of
    ``content`` (the photo's sha256) and the view, so that it can be cached.

    Raises:
        ValueError: the view has another name.
    """
    if view == "whole":
        return to_pixels(image, spec)
    if view == "whole-flip":
        return to_pixels(ImageOps.mirror(image), spec)
    kind, _, number = view.partition("-")
    if kind not in _AREAS or not number.isdecimal():
        raise ValueError(f"no view is called {view!r}; there are whole, whole-flip, crop-N and wide-N")
    seed = int.from_bytes(hashlib.sha256(f"{content}/{view}".encode()).digest()[:8])
    rng = np.random.default_rng(seed)
    return to_pixels(_random_crop(image, rng, _AREAS[kind]), spec)


def augmented_pixels(image: Image.Image, rng: np.random.Generator, spec: ImagePreprocess) -> UInt8Array:
    """A fresh random view as uint8 (size, size, 3): a crop of 35 to 100 % of the area, mirrored half of the time, its
    brightness, contrast and saturation changed by up to a fifth. Hue stays: colour says much about food."""
    crop = _random_crop(image, rng, (0.35, 1.0))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        crop = enhance(crop).enhance(float(rng.uniform(0.8, 1.2)))
    return to_pixels(crop, spec)


def _random_crop(image: Image.Image, rng: np.random.Generator, areas: tuple[float, float]) -> Image.Image:
    """A part of this share of the area, at an aspect ratio within 3/4 and 4/3 of the photo's; mirrored by chance."""
    area, log_aspect = rng.uniform(*areas), rng.uniform(np.log(3 / 4), np.log(4 / 3))
    width = min(image.width, round(image.width * np.sqrt(area * np.exp(log_aspect))))
    height = min(image.height, round(image.height * np.sqrt(area / np.exp(log_aspect))))
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    crop = image.crop((left, top, left + max(1, width), top + max(1, height)))
    return ImageOps.mirror(crop) if rng.random() < 0.5 else crop
