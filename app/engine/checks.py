"""What a worker answers is checked, not believed: each operation's values are held to what it promises."""

from __future__ import annotations

import math

import numpy as np

from app.engine.types import ENCODE_OPERATIONS, Done, Failed, ModelInfo, Operation, Outcome, Value
from models.captioning.types import Caption
from models.generation.types import DrawnPicture
from models.reasoning.types import Reasoning
from models.types import EncoderInfo, Float32Array


def check_value(operation: Operation, value: object, info: ModelInfo | None) -> Outcome[Value]:
    """``value`` as :class:`app.engine.types.Operation` promises it, or why it isn't. ``info`` is the loaded model's."""
    if operation in ENCODE_OPERATIONS:
        return check_vector(value, info.dim if isinstance(info, EncoderInfo) else None)
    if operation is Operation.ANSWER:
        return check_reasoning(value)
    if operation is Operation.DRAW:
        return check_picture(value)
    return check_captions(value)


def check_vector(value: object, dim: int | None) -> Outcome[Float32Array]:
    """A float32 row of width ``dim`` (None: any), finite, not zero."""
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 1:
        return Failed("the model gave something else than a float32 vector for this item")
    if dim is not None and value.shape != (dim,):
        return Failed(f"the model gave a vector of width {value.shape[0]} instead of {dim} for this item")
    if not np.isfinite(value).all() or not value.any():
        return Failed("the model gave a vector without a direction (not finite, or zero) for this item")
    return Done(value)


def check_captions(value: object) -> Outcome[tuple[Caption, ...]]:
    """At least one caption, finite log-probabilities of it and its words and, where it has maps, one for each word."""
    if not isinstance(value, tuple) or not all(isinstance(each, Caption) for each in value):
        return Failed("the model gave something else than captions for this item")
    if not value:
        return Failed("the model found no caption for this item")
    for caption in value:
        log_probabilities = (caption.log_probability, *(word.log_probability for word in caption.words))
        if not all(math.isfinite(each) for each in log_probabilities):
            return Failed("the model gave a caption without a probability (not finite) for this item")
        maps = caption.attention
        if maps is not None and (maps.ndim != 3 or len(maps) != len(caption.words) or not np.isfinite(maps).all()):
            return Failed("the model gave a caption without one attention map for each word for this item")
    return Done(value)


def check_reasoning(value: object) -> Outcome[Reasoning]:
    """At least one answer, each with a probability in [0, 1], and a finite map, where there is one."""
    if not isinstance(value, Reasoning):
        return Failed("the model gave something else than answers for this item")
    if not value.answers:
        return Failed("the model found no answer for this item")
    if not all(0 <= each.probability <= 1 for each in value.answers):
        return Failed("the model gave an answer without a probability (not finite, or not in [0, 1]) for this item")
    if value.attention is not None and (value.attention.ndim != 2 or not np.isfinite(value.attention).all()):
        return Failed("the model gave an answer without a map of where it looked for this item")
    return Done(value)


def check_picture(value: object) -> Outcome[DrawnPicture]:
    """Pixels, uint8 (size, size, 3)."""
    if not isinstance(value, DrawnPicture):
        return Failed("the model gave something else than a picture for this item")
    pixels = value.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[0] != pixels.shape[1] or pixels.shape[2] != 3:
        return Failed("the model gave pixels of another shape or type than a picture's for this item")
    return Done(value)
