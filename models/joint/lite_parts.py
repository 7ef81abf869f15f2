"""A :class:`LiteModel` as the parts that a runtime computes: photo, sentence, text and recipe."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.joint.lines import LineKind
from models.joint.lite import LiteModel
from models.joint.towers import Int64Array, LineTokenizer, lite_preprocess
from models.runtime.network import Network, Part, Pixels
from models.types import Float32Array, UInt8Array

_PHRASES = ("tomato soup", "pasta", "a green salad with radishes and a mustard dressing")
_LINES = (
    "Roast chicken with lemon and thyme",
    "1 whole chicken, about 3 1/2 pounds",
    "2 lemons, one of them halved",
    "1 tablespoon of salt",
    "Preheat the oven to 425 F and pat the chicken dry.",
    "Rub it with butter, season it inside and out, and tuck thyme and the halved lemon into the cavity.",
    "Roast until the juices run clear, about 1 1/4 hours; let it rest for 15 minutes before carving.",
)
_KINDS = (LineKind.TITLE, *(LineKind.INGREDIENT,) * 3, *(LineKind.INSTRUCTION,) * 3)


def lite_network(model: LiteModel) -> Network:
    """The parts of a model, which is put into evaluation mode.

    ``image``: uint8 (n, size, size, 3) -> (n, dim). ``sentence``: int64 (n, tokens), padded with 0 -> (n, 384).
    ``text``: float32 (n, 384), sentences -> (n, dim). ``recipe``: float32 (n, lines, 384), int64 (n, lines) of
    LineKind -> (n, dim). All rows have unit norm.
    """
    model = model.eval().requires_grad_(False)
    model.clip.visual.to(memory_format=torch.channels_last)
    size = model.config.image_size
    phrases, lines = _ids(_PHRASES), _ids(_LINES * 4)
    sentence = _Sentence(model)
    with torch.inference_mode():
        known: Float32Array = sentence(torch.from_numpy(lines)).numpy()[: len(_LINES)]
    kinds = np.array(_KINDS, dtype=np.int64)
    padded = np.stack([known, known])
    padded_kinds = np.stack([kinds, kinds])
    padded_kinds[1, 4:], padded[1, 4:] = LineKind.PADDING, 0
    parts = {
        "image": Part(_Image(model), ((_pictures(size),), (_pictures(size)[:1],)), ((-1, size, size, 3),)),
        "sentence": Part(sentence, ((phrases,), (lines,), (phrases[:1, :4],)), ((-1, -1),), may_round=True),
        "text": Part(_Text(model), ((known,), (known[:1],)), ((-1, known.shape[1]),)),
        "recipe": Part(
            _Recipe(model),
            ((padded, padded_kinds), (known[None, :1], kinds[None, :1])),
            ((-1, -1, known.shape[1]), (-1, -1)),
        ),
    }
    return Network(parts, sum(parameter.numel() for parameter in model.parameters()))


class _Image(nn.Module):
    def __init__(self, model: LiteModel) -> None:
        super().__init__()
        self.pixels = Pixels(lite_preprocess(model.config.resize_mode, model.config.image_size))
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model.encode_image(self.pixels(pixels))


class _Sentence(nn.Module):
    def __init__(self, model: LiteModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return self.model.encode_sentence(ids)


class _Text(nn.Module):
    def __init__(self, model: LiteModel) -> None:
        super().__init__()
        self.heads = model.heads

    def forward(self, sentences: Tensor) -> Tensor:
        return self.heads.embed_texts(sentences)


class _Recipe(nn.Module):
    def __init__(self, model: LiteModel) -> None:
        super().__init__()
        self.heads = model.heads

    def forward(self, lines: Tensor, kinds: Tensor) -> Tensor:
        return self.heads.embed_recipes(lines, kinds)


def _ids(texts: tuple[str, ...]) -> Int64Array:
    """int64 (n, tokens), padded with 0."""
    rows = LineTokenizer()(texts)
    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def _pictures(size: int) -> UInt8Array:
    """Drawn without random numbers: a slope of colours, rings, and a plate on a cloth; uint8 (3, size, size, 3)."""
    y, x = np.mgrid[0:size, 0:size] / size
    far = np.hypot(x - 0.5, y - 0.5)
    slope = np.stack([x, y, 1 - x], axis=-1)
    rings = np.repeat((0.5 + 0.5 * np.sin(60 * far))[..., None], 3, axis=-1)
    cloth = np.stack([0.7 + 0.2 * np.sin(40 * x), 0.6 + 0.2 * np.sin(40 * y), np.full_like(x, 0.5)], axis=-1)
    plate = np.where(far[..., None] < 0.2, [0.8, 0.3, 0.1], np.where(far[..., None] < 0.4, [1.0, 1.0, 0.98], cloth))
    pictures: UInt8Array = (np.stack([slope, rings, plate]) * 255).astype(np.uint8)
    return pictures
