"""The two pretrained towers of `tastespace-lite` as one open_clip model, and what feeds them.

The open_clip configuration is built here, in code: a configuration file would have to name the folder of a package.
Neither tower has a projection of its own (the heads of :mod:`models.joint.lite` do that), so that what they give is
a function of the backbones alone and can be cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.backbones import MINILM_TOKENIZER, load_minilm, load_vision, locate, minilm_folder
from models.types import Float32Array, ImagePreprocess, ResizeMode, UInt8Array

Vision = Literal["tf_efficientnet_lite0", "tf_efficientnet_lite2"]
Int64Array: TypeAlias = NDArray[np.int64]

IMAGE_WIDTH = 1280
TEXT_WIDTH = 384
MAX_TOKENS = 128  # what all-MiniLM-L6-v2 was trained with

# Activations of larger batches leave a CPU's caches and are mapped anew by malloc at each layer: 32 photos, or 4,096
# tokens, at once took twice as long as in four parts (two cores).
PHOTOS_PER_BATCH_ON_CPU, PHOTOS_PER_BATCH = 8, 64
TOKENS_PER_BATCH_ON_CPU, TOKENS_PER_BATCH = 1024, 16_384


def lite_preprocess(resize_mode: ResizeMode = "squash", size: int = 224) -> ImagePreprocess:
    """EfficientNet-Lite takes pixels with mean and std 0.5, unlike CLIP; lite0 was pretrained at 224 x 224."""
    half = (0.5, 0.5, 0.5)
    return ImagePreprocess(size=size, mean=half, std=half, resize_mode=resize_mode)


def build_clip(vision: Vision = "tf_efficientnet_lite0", size: int = 224) -> CustomTextCLIP:
    """open_clip's ``CustomTextCLIP`` over an EfficientNet-Lite and all-MiniLM-L6-v2, pretrained, in evaluation mode.

    ``encode_image``: float32 (n, 3, size, size) -> (n, 1280); ``encode_text``: int64 (n, tokens), padded with 0 ->
    (n, 384), the masked mean over tokens.

    Raises:
        EncoderUnavailableError: a backbone's package is missing or changed.
    """
    tower = CLIPVisionCfg(image_size=size, timm_model_name=vision, timm_pool="avg", timm_proj="none")
    text = CLIPTextCfg(
        context_length=MAX_TOKENS,
        hf_model_name=str(minilm_folder()),
        hf_model_pretrained=False,
        hf_proj_type=None,
        hf_pooler_type="mean_pooler",
    )
    clip = CustomTextCLIP(TEXT_WIDTH, tower, text)
    load_vision(clip.visual.trunk, vision)
    load_minilm(clip.text.transformer)
    return clip.eval()


def normalise_pixels(pixels: UInt8Array, spec: ImagePreprocess, device: torch.device) -> Tensor:
    """uint8 (n, size, size, 3) -> float32 (n, 3, size, size), channels last in memory (twice as fast on a CPU)."""
    scaled = torch.tensor(pixels, device=device).permute(0, 3, 1, 2).float().div_(255.0)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
    return scaled.sub_(mean).div_(std)


def check_pixels(pixels: UInt8Array, size: int) -> None:
    """Raises ValueError unless ``pixels`` is uint8 (n, size, size, 3) with n > 0."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3) or not len(pixels):
        raise ValueError(f"pixels must be uint8 (n, {size}, {size}, 3), not {pixels.dtype} {pixels.shape}")


class LineTokenizer:
    """all-MiniLM-L6-v2's word pieces, padded to the longest of the batch and no further."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(str(locate(MINILM_TOKENIZER)))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with [CLS] and [SEP], at most 128."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]


class LineEncoder:
    """Sentence embeddings: many short texts through the text tower, each row unit-norm.

    ``tokens_per_batch`` bounds a batch with its padding; None: what suits the device.
    """

    def __init__(self, clip: CustomTextCLIP, *, tokens_per_batch: int | None = None) -> None:
        self._clip = clip
        self._tokenize = LineTokenizer()
        self._tokens_per_batch = tokens_per_batch

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """float32 (n, 384). Equal texts are encoded once; batches hold texts of similar length."""
        device = next(self._clip.text.parameters()).device
        most = self._tokens_per_batch or (TOKENS_PER_BATCH_ON_CPU if device.type == "cpu" else TOKENS_PER_BATCH)
        return embed_lines(texts, self._tokenize, self._embed, most)

    @torch.inference_mode()
    def _embed(self, ids: Int64Array) -> Float32Array:
        features = self._clip.encode_text(torch.from_numpy(ids).to(next(self._clip.text.parameters()).device)).float()
        rows: Float32Array = functional.normalize(features, dim=-1).cpu().numpy()
        return rows


def embed_lines(
    texts: Sequence[str],
    tokenize: Callable[[Sequence[str]], list[list[int]]],
    embed: Callable[[Int64Array], Float32Array],
    tokens_per_batch: int,
) -> Float32Array:
    """Sentence embeddings float32 (n, 384) of texts, by ``embed``: int64 (m, tokens), padded with 0 -> float32
    (m, 384). Equal texts are embedded once; batches hold texts of similar length."""
    unique = list(dict.fromkeys(texts))
    position = {text: row for row, text in enumerate(unique)}
    out = np.empty((len(unique), TEXT_WIDTH), dtype=np.float32)
    ids = tokenize(unique)
    for rows in _batches([len(i) for i in ids], tokens_per_batch):
        batch = np.zeros((len(rows), max(len(ids[row]) for row in rows)), dtype=np.int64)
        for i, row in enumerate(rows):
            batch[i, : len(ids[row])] = ids[row]
        out[rows] = embed(batch)
    return out[[position[text] for text in texts]]


def _batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Rows grouped by length, shortest first, so that padding stays within the budget of tokens."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda r: (lengths[r], r)):
        if rows and lengths[row] * (len(rows) + 1) > tokens_per_batch:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
