"""Diffusion models by Hugging Face's diffusers, behind the same interface as the project's own generators.

``stabilityai/sd-turbo`` draws in one step and is the one to begin with; it wants a GPU and a network to be fetched
over. Pipelines with a U-Net over an autoencoder's latents (Stable Diffusion and its kin) are taken.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models.generation.noise import seeded_noise
from models.generation.types import (
    DrawnPicture,
    GeneratorInfo,
    GeneratorUnavailableError,
    PictureRequest,
    PictureRequestError,
    check_request,
)
from models.joint.loading import parse_device
from models.types import EncoderUnavailableError

_BATCH = 4


@dataclass(frozen=True, slots=True)
class DiffusionSampling:
    """How a pipeline draws; negative prompts have an effect with guidance above 1 alone."""

    steps: int = 25
    guidance: float = 7.5


#: Distilled models draw in one step and without guidance (Sauer et al. 2023).
TURBO = DiffusionSampling(steps=1, guidance=0.0)


class DiffusionGenerator:
    """A pipeline of diffusers; see :class:`models.generation.types.Generator`.

    The noise is that of the request's seed, drawn on the processor: a seed gives one picture on any device, up to its
    rounding. Truncation scales the noise that drawing begins with.

    Args:
        pipeline: loaded, on its device, with ``unet`` and ``vae``.
        sampling: how it draws.
        name: for ``info``.

    Raises:
        GeneratorUnavailableError: it is a pipeline of another kind.
    """

    def __init__(self, pipeline: Any, sampling: DiffusionSampling, *, name: str) -> None:
        if not (hasattr(pipeline, "unet") and hasattr(pipeline, "vae")):
            raise GeneratorUnavailableError(
                f"{name} is a {type(pipeline).__name__}; pipelines with a U-Net and an autoencoder can be used"
            )
        self._pipeline, self._sampling = pipeline, sampling
        pipeline.set_progress_bar_config(disable=True)
        side = int(pipeline.unet.config.sample_size)
        self._shape = (int(pipeline.unet.config.in_channels), side, side)
        modules = [module for module in pipeline.components.values() if isinstance(module, torch.nn.Module)]
        self._info = GeneratorInfo(
            name=name,
            fingerprint=_fingerprint(modules, sampling),
            encoder="",
            dim=0,
            sizes=(side * int(pipeline.vae_scale_factor),),
            conditions="text",
            negative=sampling.guidance > 1,
            device=str(pipeline.device),
            parameters=sum(p.numel() for module in modules for p in module.parameters()),
            licence="that of the model's card",
            description=type(pipeline).__name__,
        )

    @property
    def info(self) -> GeneratorInfo:
        return self._info

    def draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        """See :meth:`models.generation.types.Generator.draw`. Raises ValueError where there is no request."""
        if not requests:
            raise ValueError("there is no request to draw")
        for request in requests:
            check_request(self._info, request)
        drawn: list[DrawnPicture] = []
        for start in range(0, len(requests), _BATCH):
            drawn += self._draw(requests[start : start + _BATCH])
        return drawn

    def _draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        noise = np.stack([request.truncation * seeded_noise(request.seed, self._shape) for request in requests])
        latents = torch.from_numpy(noise.astype(np.float32)).to(self._pipeline.device, self._pipeline.dtype)
        negative = [request.negative_text for request in requests] if self._info.negative else None
        answer = self._pipeline(
            prompt=[request.text for request in requests],
            negative_prompt=negative,
            num_inference_steps=self._sampling.steps,
            guidance_scale=self._sampling.guidance,
            latents=latents,
            # For schedulers that add noise at every step.
            generator=[torch.Generator("cpu").manual_seed(request.seed) for request in requests],
            output_type="np",
        )
        _refuse_held_back(requests, getattr(answer, "nsfw_content_detected", None))
        pixels = (np.asarray(answer.images) * 255).round().clip(0, 255).astype(np.uint8)
        return [DrawnPicture(each, request.seed) for each, request in zip(pixels, requests, strict=True)]


def _refuse_held_back(requests: Sequence[PictureRequest], held_back: Sequence[bool] | None) -> None:
    """Raises PictureRequestError where the pipeline's safety checker put a black picture in a drawn one's place."""
    for request, held in zip(requests, held_back or (), strict=False):
        if held:
            raise PictureRequestError(
                f"the model's safety checker holds back the picture of seed {request.seed} for this prompt; "
                "try another seed or prompt"
            )


def load_diffusion(name: str, device: str = "cpu") -> DiffusionGenerator:
    """A pipeline by the name of its repository, or a local folder of one; half precision on a GPU.

    Raises:
        GeneratorUnavailableError: diffusers is not installed, the device is missing, or the pipeline can't be fetched,
            read or used.
    """
    try:
        # By its name, since it is no dependency that a type checker could look into.
        diffusers = importlib.import_module("diffusers")
    except ImportError as error:
        raise GeneratorUnavailableError(
            f"diffusers:{name} needs the package diffusers; run: pip install 'tastespace[diffusion]'"
        ) from error
    try:
        where = parse_device(device)
        dtype = torch.float32 if where.type == "cpu" else torch.float16
        pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(name, torch_dtype=dtype).to(where)
    except EncoderUnavailableError as error:
        raise GeneratorUnavailableError(str(error)) from error
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GeneratorUnavailableError(f"the diffusion model {name!r} can't be loaded: {reason}") from error
    sampling = TURBO if "turbo" in name.lower() else DiffusionSampling()
    return DiffusionGenerator(pipeline, sampling, name=f"diffusers:{name}")


def _fingerprint(modules: Sequence[torch.nn.Module], sampling: DiffusionSampling) -> str:
    digest = hashlib.sha256(repr(sampling).encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
