"""`tastespace-lite`: two pretrained towers, brought into one space by trained heads and a recipe tower."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from models.joint.heads import ProjectionHead
from models.joint.lines import MAX_INGREDIENTS, MAX_INSTRUCTIONS, recipe_lines
from models.joint.recipe_tower import RecipeTower
from models.joint.towers import (
    IMAGE_WIDTH,
    MAX_TOKENS,
    PHOTOS_PER_BATCH,
    PHOTOS_PER_BATCH_ON_CPU,
    TEXT_WIDTH,
    TOKENS_PER_BATCH,
    TOKENS_PER_BATCH_ON_CPU,
    LineTokenizer,
    Vision,
    build_clip,
    check_pixels,
    embed_lines,
    lite_preprocess,
)
from models.preprocess import to_pixels
from models.runtime.types import Backend
from models.types import EncoderInfo, Float32Array, RecipeText, ResizeMode, UInt8Array

_LINES_PER_BATCH = 4096


@dataclass(frozen=True, slots=True)
class LiteConfig:
    """The shape of what is trained; it is kept in the manifest beside the weights.

    ``image_size`` is the side, in pixels, of what the vision tower sees.
    """

    dim: int = 512
    hidden: int = 1024
    recipe_width: int = 384
    recipe_layers: int = 0
    recipe_heads: int = 6
    resize_mode: ResizeMode = "squash"
    vision: Vision = "tf_efficientnet_lite0"
    image_size: int = 224


class JointHeads(nn.Module):
    """Everything that is trained over frozen towers: one head a tower, the recipe tower and the temperature."""

    def __init__(self, config: LiteConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.image = ProjectionHead(IMAGE_WIDTH, config.dim, hidden=config.hidden, dropout=dropout)
        self.text = ProjectionHead(TEXT_WIDTH, config.dim, hidden=config.hidden, dropout=dropout)
        self.recipe = RecipeTower(
            TEXT_WIDTH,
            config.dim,
            width=config.recipe_width,
            layers=config.recipe_layers,
            heads=config.recipe_heads,
            dropout=dropout,
        )
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))

    def embed_images(self, features: Tensor) -> Tensor:
        """float (n, 1280) -> unit-norm (n, dim)."""
        return functional.normalize(self.image(features), dim=-1)

    def embed_texts(self, features: Tensor) -> Tensor:
        """float (n, 384), unit-norm sentence embeddings -> unit-norm (n, dim)."""
        return functional.normalize(self.text(features), dim=-1)

    def embed_recipes(self, lines: Tensor, kinds: Tensor) -> Tensor:
        """float (n, lines, 384), int64 (n, lines) of LineKind -> unit-norm (n, dim)."""
        return functional.normalize(self.recipe(lines, kinds), dim=-1)


class LiteModel(nn.Module):
    """The whole network: ``clip`` (open_clip towers, pretrained) and ``heads`` (trained here)."""

    def __init__(self, config: LiteConfig) -> None:
        super().__init__()
        self.config = config
        self.clip = build_clip(config.vision, config.image_size)
        self.heads = JointHeads(config)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """float32 (n, 3, size, size), normalised -> unit-norm (n, dim)."""
        return self.heads.embed_images(self.clip.encode_image(pixels))

    def encode_sentence(self, ids: Tensor) -> Tensor:
        """int64 (n, tokens), padded with 0 -> sentence embeddings, unit-norm (n, 384)."""
        return functional.normalize(self.clip.encode_text(ids), dim=-1)


def lite_fingerprint(config: LiteConfig, weights: Mapping[str, str]) -> str:
    """Hex sha256 over all that the vectors depend on: ``weights`` are digests of trained files and backbones."""
    basis = {
        "weights": dict(weights),
        "config": asdict(config),
        "preprocess": asdict(lite_preprocess(config.resize_mode, config.image_size)),
        "text": [MAX_TOKENS, MAX_INGREDIENTS, MAX_INSTRUCTIONS],
    }
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()


class LiteEncoder:
    """:class:`models.types.JointEncoder` over the parts of a :class:`LiteModel` (see :mod:`models.joint.lite_parts`).

    Args:
        backend: computes ``image``, ``sentence``, ``text`` and ``recipe``.
        config: of the model.
        name: how the encoder was asked for.
        fingerprint: see :func:`lite_fingerprint`.
        licence: of the trained weights.
        device: where the backend computes.
    """

    def __init__(
        self,
        backend: Backend,
        config: LiteConfig,
        *,
        name: str,
        fingerprint: str,
        licence: str,
        device: torch.device,
    ) -> None:
        self._backend = backend
        self._tokenize = LineTokenizer()
        on_cpu = device.type == "cpu"
        self._photos_per_batch = PHOTOS_PER_BATCH_ON_CPU if on_cpu else PHOTOS_PER_BATCH
        self._tokens_per_batch = TOKENS_PER_BATCH_ON_CPU if on_cpu else TOKENS_PER_BATCH
        self._info = EncoderInfo(
            name=name,
            fingerprint=fingerprint,
            dim=config.dim,
            preprocess=lite_preprocess(config.resize_mode, config.image_size),
            device=str(device),
            parameters=backend.parameters,
            licence=licence,
            description="EfficientNet-Lite and all-MiniLM-L6-v2 in one space, with attention over a recipe's lines",
            runtime=backend.runtime,
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3) -> unit-norm float32 (n, dim)."""
        check_pixels(pixels, self._info.preprocess.size)
        step = self._photos_per_batch
        batches = [pixels[start : start + step] for start in range(0, len(pixels), step)]
        return np.concatenate([self._backend.run("image", batch) for batch in batches])

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        """RGB pictures of any size -> unit-norm float32 (n, dim)."""
        if not images:
            raise ValueError("encode_images needs at least one picture")
        with ThreadPoolExecutor(4) as pool:
            return self.encode_pixels(np.stack(list(pool.map(lambda i: to_pixels(i, self._info.preprocess), images))))

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Texts -> unit-norm float32 (n, dim); tokens past 128 are not read."""
        if not texts:
            raise ValueError("encode_texts needs at least one text")
        if any(not text.strip() for text in texts):
            raise ValueError("a text to encode must not be blank")
        return self._backend.run("text", self._sentences([text.strip() for text in texts]))

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        """Recipes, whole or in part -> unit-norm float32 (n, dim)."""
        if not recipes:
            raise ValueError("encode_recipes needs at least one recipe")
        per_recipe = [recipe_lines(recipe) for recipe in recipes]
        features = self._sentences([text for lines in per_recipe for _, text in lines])
        starts = np.cumsum([0] + [len(lines) for lines in per_recipe])
        out = np.empty((len(recipes), self._info.dim), dtype=np.float32)
        for rows in _group_by_length([len(lines) for lines in per_recipe]):
            width = max(len(per_recipe[row]) for row in rows)
            lines = np.zeros((len(rows), width, TEXT_WIDTH), dtype=np.float32)
            kinds = np.zeros((len(rows), width), dtype=np.int64)
            for i, row in enumerate(rows):
                lines[i, : len(per_recipe[row])] = features[starts[row] : starts[row + 1]]
                kinds[i, : len(per_recipe[row])] = [kind for kind, _ in per_recipe[row]]
            out[rows] = self._backend.run("recipe", lines, kinds)
        return out

    def _sentences(self, texts: Sequence[str]) -> Float32Array:
        """float32 (n, 384), unit-norm."""
        return embed_lines(
            texts, self._tokenize, lambda ids: self._backend.run("sentence", ids), self._tokens_per_batch
        )


def _group_by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Rows in groups of similar length whose padded size stays bounded."""
    groups: list[list[int]] = [[]]
    for row in sorted(range(len(lengths)), key=lambda r: (lengths[r], r)):
        if groups[-1] and lengths[row] * (len(groups[-1]) + 1) > _LINES_PER_BATCH:
            groups.append([])
        groups[-1].append(row)
    return groups
