"""What the training of a generator starts from: an autoencoder, and nothing or an earlier generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import torch
from torch import Tensor

from models.generation.autoencoder import PictureAutoencoder
from models.generation.flow import FlowConfig, LatentFlow
from models.generation.gan import GanConfig
from models.generation.generator_weights import (
    GeneratorWeights,
    Network,
    NetworkConfig,
    build_network,
    load_generator_weights,
    load_training_weights,
)
from models.generation.types import GeneratorUnavailableError
from models.generation.weights import AutoencoderWeights, load_autoencoder_weights
from models.training.generator_alignment import check_alignable
from models.training.generator_config import GeneratorTrainingConfig
from models.training.generator_data import GeneratorBatch
from models.training.generator_flow import FlowTraining
from models.training.generator_gan import GanTraining
from models.training.run_folder import Stateful
from models.types import EncoderInfo


class Trainee(Protocol):
    """A backend in training."""

    @property
    def average(self) -> Network: ...

    def step(self, batch: GeneratorBatch, step: int, total: int) -> dict[str, float]: ...

    def parts(self) -> dict[str, Stateful]: ...

    def exported(self) -> dict[str, Tensor]: ...

    def start_from(self, average: Mapping[str, Tensor], training: Mapping[str, Tensor]) -> None: ...


@dataclass(frozen=True, slots=True)
class GeneratorStart:
    """``coder`` is the autoencoder, ``initial`` the earlier generator and ``folder`` where it lies, if there is one."""

    coder: AutoencoderWeights
    initial: GeneratorWeights | None = None
    folder: Path | None = None

    @classmethod
    def read(cls, config: GeneratorTrainingConfig) -> Self:
        """What a configuration names.

        Raises:
            GeneratorUnavailableError: there is no autoencoder, files are missing or changed, or the earlier generator
                is of another backend or over another autoencoder.
        """
        chosen = load_autoencoder_weights(config.autoencoder) if config.autoencoder else None
        if config.init is None:
            if chosen is None:
                raise GeneratorUnavailableError("a generator needs an autoencoder; name its folder with --autoencoder")
            return cls(chosen)
        initial = load_generator_weights(config.init)
        manifest = initial.manifest
        if manifest.backend != config.backend:
            raise GeneratorUnavailableError(
                f"the generator in {config.init} is a {manifest.backend}, not a {config.backend}; "
                f"use --backend {manifest.backend}"
            )
        own = load_autoencoder_weights(config.init)
        if chosen is not None and chosen.latents_digest() != own.latents_digest():
            raise GeneratorUnavailableError(
                f"the generator in {config.init} draws in the latents of another autoencoder than the one in "
                f"{config.autoencoder}; leave out --autoencoder, or name one that differs in its decoder alone"
            )
        return cls(chosen or own, initial, config.init)

    def check_encoder(self, info: EncoderInfo) -> None:
        """Raises GeneratorUnavailableError where the earlier generator was told vectors of another encoder."""
        if self.initial is None or self.initial.manifest.encoder == info.fingerprint:
            return
        manifest = self.initial.manifest
        raise GeneratorUnavailableError(
            f"the generator in {self.folder} is told vectors of the encoder {manifest.encoder[:12]} "
            f"({manifest.encoder_name}), {info.name} is {info.fingerprint[:12]}; train one from the beginning"
        )

    def shape(self, config: GeneratorTrainingConfig, dim: int) -> NetworkConfig:
        """That of the earlier generator, or the one asked for.

        Raises:
            GeneratorUnavailableError: no network can have it, or none that has it can be aligned as asked for.
        """
        shape = self.initial.manifest.network if self.initial is not None else self._new_shape(config, dim)
        if config.flow.align and isinstance(shape, FlowConfig):
            check_alignable(shape)
        return shape

    def _new_shape(self, config: GeneratorTrainingConfig, dim: int) -> NetworkConfig:
        coder, flow, gan = self.coder.manifest.config, config.flow, config.gan
        try:
            if config.backend == "flow":
                return FlowConfig(
                    coder.channels, coder.grid, dim, widths=flow.widths, blocks=flow.blocks, attention=flow.attention
                )
            return GanConfig(coder.channels, coder.grid, dim, noise=gan.noise, widths=gan.widths, critic=gan.critic)
        except ValueError as error:
            raise GeneratorUnavailableError(f"no generator can have this shape: {error}") from error

    def trainee(self, config: GeneratorTrainingConfig, dim: int, autoencoder: PictureAutoencoder) -> Trainee:
        """The backend with its weights: random ones by the seed, or what the earlier training exported. It is on the
        device of ``autoencoder``, through which a gan is judged.

        Raises:
            GeneratorUnavailableError: the shape can't be, or the exported weights are missing, changed or don't fit.
        """
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network = build_network(self.shape(config, dim))
            network.to(autoencoder.mean.device).to(memory_format=torch.channels_last)
            trainee: Trainee = (
                FlowTraining(network, config)
                if isinstance(network, LatentFlow)
                else GanTraining(network, autoencoder, config)
            )
        if self.initial is not None and self.folder is not None:
            try:
                trainee.start_from(self.initial.network, load_training_weights(self.folder))
            except RuntimeError as error:
                raise GeneratorUnavailableError(
                    f"the weights in {self.folder} can't be gone on with: {' '.join(str(error).split())}"
                ) from error
        return trainee
