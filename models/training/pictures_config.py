"""What decides the training of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.generation.autoencoder import AutoencoderConfig
from models.training.run_folder import FREE_SETTINGS, run_settings


@dataclass(frozen=True, slots=True)
class AutoencoderTrainingConfig:
    """Everything that decides a run.

    Attributes:
        data: folder with ``recipes.jsonl``; the photos of split ``train`` are trained on, those of ``val`` measured.
        out: run folder; it ends up holding the autoencoder.
        epochs: passes over the photos, a random square of each.
        perceptual: weight of the perceptual distance beside the absolute error.
        perceptual_size: side of the part of each picture, cut out at random, that it and the discriminator look at; at
            most the picture's.
        noise: standard deviation of what is added to the latents, which lie within (-3, 3).
        halved: share of the steps at halved resolution.
        adversarial: norm of the discriminator's gradient at the last layer, relative to that of the other
            losses; 0: none.
        adversarial_from: share of the steps after which it joins.
        val_photos: at most so many are measured after each epoch.
        decoder_only: the encoder of ``init`` stays as it is, and with it the latents: generators that draw in them can
            go on with the new decoder.
        bfloat16: steps compute in it where torch's autocast does.
        init: folder of a trained autoencoder, or of a generator with one, to start from, whose shape then counts.
        cache: where small pictures are kept; None: ``pictures`` beside the run folder.

    Raises:
        ValueError: the decoder alone is to be trained, but there is no autoencoder to take the encoder from.
    """

    data: Path
    out: Path
    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    seed: int = 0
    epochs: int = 13
    batch_size: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: float = 0.03
    perceptual: float = 0.1
    perceptual_size: int = 64
    noise: float = 0.1
    halved: float = 0.25
    adversarial: float = 0.0
    adversarial_from: float = 0.7
    decoder_only: bool = False
    ema_decay: float = 0.999
    val_photos: int = 256
    bfloat16: bool = False
    init: Path | None = None
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train autoencoder"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def __post_init__(self) -> None:
        if self.decoder_only and self.init is None:
            raise ValueError("decoder_only needs init, an autoencoder whose encoder is kept")

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        return run_settings(self, FREE_SETTINGS)
