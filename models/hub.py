"""What all models from elsewhere have in common: the hub they are fetched from, and how they are told apart."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

import httpx
import torch
from huggingface_hub import constants
from torch import nn

from models.types import ImagePreprocess, Interpolation, ResizeMode

_PATIENCE_S = 10.0


@contextmanager
def impatient_hub() -> Iterator[bool]:
    """Yields whether the hub can be reached, and keeps what follows from waiting long where it can't.

    Without network the hub's client would retry for a minute, noisily.

    One short request (through the proxy that the environment names, if any) decides whether the hub is asked at all
    or the cache alone is used; other downloads get a time limit on their sockets.
    """
    offline, timeout = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    if not offline:
        try:
            httpx.head(constants.ENDPOINT, timeout=_PATIENCE_S)
        except httpx.HTTPError:
            constants.HF_HUB_OFFLINE = True
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        yield not constants.HF_HUB_OFFLINE
    finally:
        constants.HF_HUB_OFFLINE = offline
        socket.setdefaulttimeout(timeout)


def model_fingerprint(model: nn.Module, preprocess: ImagePreprocess, probe: bytes) -> str:
    """Hex sha256 over weights by value, preprocessing, and ``probe``: what the tokenizer makes of some text."""
    digest = hashlib.sha256(json.dumps(asdict(preprocess), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    digest.update(probe)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """An error of somebody else's as the end of one sentence."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def processor_preprocess(processor: Any) -> ImagePreprocess:
    """How an image processor of transformers makes pixels, as :func:`models.preprocess.to_pixels` does it: a square by
    squashing, or by the shorter side and the middle (whose corner may differ by a pixel).

    Raises:
        ValueError: it does something else; the message says what.
    """
    sides = _sides(processor.size) if processor.do_resize else ()
    crop = _sides(processor.crop_size) if getattr(processor, "do_center_crop", False) else ()
    match sides, crop:
        case (height, width), () if height == width:
            size, mode = height, "squash"
        case (height, width), (high, wide) if height == width == high == wide:
            size, mode = height, "squash"
        case (shortest,), (height, width) if shortest == height == width:
            size, mode = shortest, "shortest"
        case _:
            raise ValueError(f"pictures are resized to {processor.size} and cropped to {crop or 'nothing'}")
    interpolation = {2: "bilinear", 3: "bicubic"}.get(int(processor.resample))
    if interpolation is None:
        raise ValueError(f"pictures are resized by the interpolation {processor.resample!r}")
    if not processor.do_rescale or abs(processor.rescale_factor * 255 - 1) > 1e-6:
        raise ValueError("pixels are not scaled by 1 / 255")
    mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ((0,) * 3, (1,) * 3)
    return ImagePreprocess(size, _three(mean), _three(std), cast(ResizeMode, mode), cast(Interpolation, interpolation))


def _sides(size: Any) -> tuple[int, ...]:
    """(height, width) or (shortest edge,); () for all else."""
    given = {name: value for name, value in dict(size).items() if value is not None}
    if given.keys() == {"height", "width"}:
        return int(given["height"]), int(given["width"])
    return (int(given["shortest_edge"]),) if given.keys() == {"shortest_edge"} else ()


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
