"""Any pretrained open_clip model as a joint encoder.

Recipes go through the model's text tower, which was trained on captions and reads 77 tokens or fewer: a recipe is the
normalised mean of two texts, its title and its title with the ingredients. The title alone is closest to a caption;
the ingredients say what the title leaves out, and would drown it in one text alone. Instructions, which hardly show
on a photo and don't fit, count only where there is nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg
from PIL import Image
from torch import Tensor, nn

from models.hub import impatient_hub, model_fingerprint, reason
from models.joint.loading import parse_device
from models.joint.towers import PHOTOS_PER_BATCH, PHOTOS_PER_BATCH_ON_CPU, Int64Array, check_pixels
from models.preprocess import to_pixels
from models.runtime.choice import choose_backend
from models.runtime.network import Network, Part, Pixels
from models.runtime.types import Backend, RuntimeChoice
from models.types import EncoderInfo, EncoderUnavailableError, Float32Array, ImagePreprocess, RecipeText, UInt8Array

_TEXTS_PER_BATCH = 32
_PATIENCE_S = 10.0


def load_open_clip(
    spec: str,
    *,
    device: str = "cpu",
    runtime: RuntimeChoice = "auto",
    cache: Path | None = None,
    threads: int = 0,
) -> OpenClipEncoder:
    """Load ``MODEL/PRETRAINED`` (a tag of open_clip's, fetched where not cached) or ``MODEL@FILE``; the other arguments
    are those of :func:`models.registry.load_encoder`.

    Raises:
        EncoderUnavailableError: the model, the tag or the file is unknown, the file doesn't fit the model, or its
            weights are not cached and can't be fetched. It says so within seconds when there is no network.
    """
    where = parse_device(device)
    model, tokenizer, preprocess = open_clip_model(spec, "open_clip")
    name = f"open_clip:{spec}"
    fingerprint = open_clip_fingerprint(model, tokenizer, preprocess)
    backend = choose_backend(
        lambda: _network(model, tokenizer, preprocess),
        name=name,
        fingerprint=fingerprint,
        device=where,
        runtime=runtime,
        cache=cache,
        threads=threads,
    )
    return OpenClipEncoder(backend, tokenizer, preprocess, name=name, fingerprint=fingerprint, device=where)


def open_clip_model(spec: str, kind: str) -> tuple[Any, Any, ImagePreprocess]:
    """Network, tokenizer and preprocessing of ``MODEL/PRETRAINED`` or ``MODEL@FILE``; ``kind`` stands before the colon
    of the setting, for messages.

    Raises:
        EncoderUnavailableError: as :func:`load_open_clip`.
    """
    if "@" in spec:
        model_name, _, file = spec.partition("@")
        if not Path(file).is_file():
            raise EncoderUnavailableError(f"the checkpoint {file} of open_clip model {model_name} does not exist")
        pretrained = file
    else:
        model_name, _, pretrained = spec.rpartition("/")
        if (model_name, pretrained) not in open_clip.list_pretrained():
            raise EncoderUnavailableError(
                f"open_clip has no pretrained weights {spec!r}; use MODEL/PRETRAINED as open_clip lists them, "
                "or MODEL@FILE for a local checkpoint"
            )
    if model_name not in open_clip.list_models():
        raise EncoderUnavailableError(f"open_clip has no model {model_name!r}")
    with impatient_hub() as online:
        try:
            model = open_clip.create_model_from_pretrained(model_name, pretrained, return_transform=False)
            tokenizer = open_clip.get_tokenizer(model_name)
        except Exception as error:  # open_clip, its hub's client and torch each raise their own
            if not online and "@" not in spec:
                remedy = f"connect the machine to the network once, or name a local checkpoint ({kind}:MODEL@FILE)"
                message = f"the open_clip weights {spec!r} are not cached and there is no network; {remedy}"
            else:
                message = f"the open_clip weights {spec!r} can't be loaded: {reason(error)}"
            raise EncoderUnavailableError(message) from error
    return model, tokenizer, _preprocess(PreprocessCfg(**model.visual.preprocess_cfg))


class OpenClipEncoder:
    """:class:`models.types.JointEncoder` over the two towers of an open_clip model.

    Args:
        backend: computes ``image``, uint8 (n, size, size, 3) -> (n, dim), and ``text``, int64 (n, context) -> (n, dim).
        tokenizer: texts -> int64 (n, context), as ``open_clip.get_tokenizer`` gives it.
    """

    def __init__(
        self,
        backend: Backend,
        tokenizer: Callable[[list[str]], Tensor],
        preprocess: ImagePreprocess,
        *,
        name: str,
        fingerprint: str,
        device: torch.device,
    ) -> None:
        self._backend = backend
        self._tokenizer = tokenizer
        self._photos_per_batch = PHOTOS_PER_BATCH_ON_CPU if device.type == "cpu" else PHOTOS_PER_BATCH
        self._info = EncoderInfo(
            name=name,
            fingerprint=fingerprint,
            dim=int(self._embed(["a"]).shape[1]),
            preprocess=preprocess,
            device=str(device),
            parameters=backend.parameters,
            licence="that of the open_clip weights",
            description="An open_clip model; recipes by their title and ingredients through its text tower",
            runtime=backend.runtime,
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode_pixels(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3) -> unit-norm float32 (n, dim)."""
        check_pixels(pixels, self._info.preprocess.size)
        batches = _batches(pixels, self._photos_per_batch)
        return np.concatenate([self._backend.run("image", batch) for batch in batches])

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        """RGB pictures of any size -> unit-norm float32 (n, dim)."""
        if not images:
            raise ValueError("encode_images needs at least one picture")
        return self.encode_pixels(np.stack([to_pixels(image, self._info.preprocess) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Texts -> unit-norm float32 (n, dim); what exceeds the model's context is not read."""
        if not texts:
            raise ValueError("encode_texts needs at least one text")
        if any(not text.strip() for text in texts):
            raise ValueError("a text to encode must not be blank")
        return self._embed([text.strip() for text in texts])

    def encode_recipes(self, recipes: Sequence[RecipeText]) -> Float32Array:
        """Recipes, whole or in part -> unit-norm float32 (n, dim)."""
        if not recipes:
            raise ValueError("encode_recipes needs at least one recipe")
        captions = [recipe_captions(recipe) for recipe in recipes]
        embedded = self._embed([text for own in captions for text in own])
        starts = np.cumsum([0] + [len(own) for own in captions])[:-1]
        sums: Float32Array = np.add.reduceat(embedded, starts, axis=0)
        unit: Float32Array = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return unit

    def _embed(self, texts: list[str]) -> Float32Array:
        batches = _batches(texts, _TEXTS_PER_BATCH)
        return np.concatenate([self._backend.run("text", _tokens(self._tokenizer, batch)) for batch in batches])


class _Image(nn.Module):
    def __init__(self, model: Any, preprocess: ImagePreprocess) -> None:
        super().__init__()
        self.pixels = Pixels(preprocess)
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        rows: Tensor = self.model.encode_image(self.pixels(pixels), normalize=True)
        return rows


class _Text(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        rows: Tensor = self.model.encode_text(tokens, normalize=True)
        return rows


def _network(model: nn.Module, tokenizer: Callable[[list[str]], Tensor], preprocess: ImagePreprocess) -> Network:
    model = model.eval().requires_grad_(False)
    size = preprocess.size
    y, x = np.mgrid[0:size, 0:size] / size
    slopes = np.stack([np.stack(channels, axis=-1) for channels in ((x, y, 1 - x), (x * y, 1 - y, 0.5 + 0.5 * x))])
    pixels: UInt8Array = (slopes * 255).astype(np.uint8)
    tokens = _tokens(tokenizer, ["a photo of a bowl of tomato soup", "pasta"])
    parts = {
        "image": Part(_Image(model, preprocess), ((pixels,), (pixels[:1],)), ((-1, size, size, 3),)),
        "text": Part(_Text(model), ((tokens,), (tokens[:1],)), ((-1, tokens.shape[1]),)),
    }
    return Network(parts, sum(parameter.numel() for parameter in model.parameters()))


def open_clip_fingerprint(
    model: nn.Module, tokenizer: Callable[[list[str]], Tensor], preprocess: ImagePreprocess
) -> str:
    """Weights by value, preprocessing, and what the tokenizer makes of a probe."""
    probe = tokenizer(["Crème brûlée with 2 1/2 cups of Basmati rice & lemon!"])
    return model_fingerprint(model, preprocess, probe.numpy().tobytes())


def _tokens(tokenizer: Callable[[list[str]], Tensor], texts: Sequence[str]) -> Int64Array:
    tokens: Int64Array = tokenizer(list(texts)).numpy().astype(np.int64)
    return tokens


def recipe_captions(recipe: RecipeText) -> list[str]:
    """The one or two texts that stand for a recipe (see the module's docstring)."""
    ingredients = ", ".join(recipe.ingredients)
    if recipe.title and ingredients:
        return [recipe.title, f"{recipe.title}: {ingredients}"]
    return [recipe.title or ingredients or " ".join(recipe.instructions)]


def _preprocess(config: PreprocessCfg) -> ImagePreprocess:
    size = config.size if isinstance(config.size, int) else config.size[0]
    square = isinstance(config.size, int) or len(set(config.size)) == 1
    if not square or config.interpolation not in ("bicubic", "bilinear"):
        raise EncoderUnavailableError(
            f"the model takes pictures of size {config.size} by {config.interpolation} interpolation, which this "
            "service doesn't make: it makes squares, by bicubic or bilinear interpolation"
        )
    mean, std = _three(config.mean), _three(config.std)
    return ImagePreprocess(size, mean, std, config.resize_mode, config.interpolation, int(config.fill_color))


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _batches(items: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
