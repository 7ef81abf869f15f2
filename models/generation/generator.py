"""The project's own generators: vectors of the joint space -> latents -> pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from models.generation.autoencoder import PictureAutoencoder, to_pixels
from models.generation.conditions import ConditionCentring, kind_numbers
from models.generation.flow import FlowSampling, LatentFlow
from models.generation.gan import LatentGenerator
from models.generation.noise import seeded_noise
from models.generation.types import DrawnPicture, GeneratorInfo, Modality, PictureRequest, check_request
from models.types import Float32Array

_BATCH = 32


class LatentPictureGenerator:
    """A generator over the latents of an autoencoder, as a flow or adversarial; see
    :class:`models.generation.types.Generator`.

    Args:
        network: draws latents.
        autoencoder: makes pictures of them.
        centring: takes the offset of their kind from vectors.
        sampling: how a flow is followed; of no account for an adversarial generator.
        name, fingerprint, encoder, licence, description: for ``info``.
    """

    def __init__(
        self,
        network: LatentFlow | LatentGenerator,
        autoencoder: PictureAutoencoder,
        centring: ConditionCentring,
        sampling: FlowSampling,
        *,
        name: str,
        fingerprint: str,
        encoder: str,
        licence: str,
        description: str = "",
    ) -> None:
        self._parts = [module.eval().requires_grad_(False) for module in (network, autoencoder, centring)]
        self._network, self._autoencoder, self._centring = network, autoencoder, centring
        self._sampling = sampling
        self._device = autoencoder.mean.device
        self._info = GeneratorInfo(
            name=name,
            fingerprint=fingerprint,
            encoder=encoder,
            dim=centring.dim,
            sizes=(autoencoder.config.size,),
            conditions="vector",
            negative=isinstance(network, LatentFlow),
            device=str(self._device),
            parameters=sum(p.numel() for part in (network, autoencoder) for p in part.parameters()),
            licence=licence,
            description=description,
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

    @torch.inference_mode()
    def _draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        shape = self._network.noise_shape
        noise = np.stack([request.truncation * seeded_noise(request.seed, shape) for request in requests])
        condition = self._centred([_given(request) for request in requests], [each.modality for each in requests])
        latents = self._latents(torch.from_numpy(noise.astype(np.float32)).to(self._device), condition, requests)
        pixels = to_pixels(self._autoencoder.decode(latents)).cpu().numpy()
        return [DrawnPicture(each, request.seed) for each, request in zip(pixels, requests, strict=True)]

    def _latents(self, noise: Tensor, condition: Tensor, requests: Sequence[PictureRequest]) -> Tensor:
        network = self._network
        if isinstance(network, LatentGenerator):
            latents: Tensor = network(noise, condition)
            return latents
        negative = network.no_condition.repeat(len(requests), 1)
        for row, request in enumerate(requests):
            if request.negative_vector is not None:
                negative[row] = self._centred([request.negative_vector], ["text"])[0]
        return network.draw(noise, condition, negative, self._sampling)

    def _centred(self, vectors: Sequence[Float32Array], kinds: Sequence[Modality]) -> Tensor:
        rows = torch.from_numpy(np.stack(vectors).astype(np.float32)).to(self._device)
        centred: Tensor = self._centring(rows, kind_numbers(kinds, self._device))
        return centred


def _given(request: PictureRequest) -> Float32Array:
    if request.vector is None:
        raise ValueError("the request has no vector")
    return request.vector
