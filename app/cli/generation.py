"""``tastespace train autoencoder`` and ``tastespace train generator``: pictures from text, over one's own photos."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress
from app.cli.train import manifest_command

if TYPE_CHECKING:
    from models.training.joint import TrainingProgress


def train_autoencoder(
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: Annotated[Path, typer.Option(help="Run folder; it ends up holding the autoencoder.")],
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the photos, a random square of each.")] = 13,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in one step.")] = 16,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the schedule.")] = 1e-3,
    size: Annotated[int, typer.Option(min=16, max=512, help="Side of the pictures in pixels.")] = 128,
    channels: Annotated[int, typer.Option(min=1, max=64, help="Of the latents.")] = 8,
    encoder: Annotated[int, typer.Option(min=2, help="Channels of the encoder at an eighth of the size.")] = 64,
    decoder: Annotated[
        tuple[int, int, int], typer.Option(help="Channels of the decoder at an eighth, a quarter and half of it.")
    ] = (128, 64, 32),
    blocks: Annotated[tuple[int, int, int], typer.Option(help="Residual blocks of the decoder at these.")] = (2, 1, 1),
    perceptual: Annotated[float, typer.Option(min=0, help="Weight of the perceptual distance.")] = 0.5,
    perceptual_size: Annotated[int, typer.Option(min=16, help="Side of the part that it looks at.")] = 64,
    noise: Annotated[float, typer.Option(min=0, help="Added to the latents.")] = 0.1,
    halved: Annotated[float, typer.Option(min=0, max=1, help="Share of steps at half the resolution.")] = 0.25,
    adversarial: Annotated[float, typer.Option(min=0, help="Share of the discriminator of patches; 0: none.")] = 0.3,
    adversarial_from: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the steps after which it joins.")
    ] = 0.7,
    val_photos: Annotated[int, typer.Option(min=1, help="Most photos that are measured.")] = 256,
    bfloat16: Annotated[bool, typer.Option(help="Compute in it where the processor does.")] = False,
    init: Annotated[Path | None, typer.Option(help="Folder of a trained autoencoder to start from.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where small pictures are kept (default: beside OUT).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    device: Annotated[str, typer.Option(help="cpu, mps, cuda or cuda:N.")] = "cpu",
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train the autoencoder in whose latents pictures are drawn; half an hour on two CPU cores."""
    from models.generation.autoencoder import AutoencoderConfig
    from models.training import pictures

    try:
        shape = AutoencoderConfig(size, channels, encoder, decoder, blocks)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    config = pictures.AutoencoderTrainingConfig(
        data=data,
        out=out,
        model=shape,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        perceptual=perceptual,
        perceptual_size=perceptual_size,
        noise=noise,
        halved=halved,
        adversarial=adversarial,
        adversarial_from=adversarial_from,
        val_photos=val_photos,
        bfloat16=bfloat16,
        init=init,
        cache=cache,
        resume=resume,
        device=device,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    with StageProgress(stderr()) as progress:
        result = pictures.train_autoencoder(config, _shown(progress))
    stdout().print(f"Trained{_listed(result.metrics)}")
    stdout().print(f"The autoencoder is in {result.folder}", soft_wrap=True)


def _shown(progress: StageProgress) -> Callable[[TrainingProgress], None]:
    def show(step: TrainingProgress) -> None:
        note = ", ".join(f"{name} {value:.3g}" for name, value in step.metrics.items())
        progress.advance(step.stage, step.done, step.total, ", ".join(filter(None, [step.detail, note])))

    return show


def _listed(metrics: Mapping[str, float]) -> str:
    return f" ({', '.join(f'{name} {value:.3g}' for name, value in metrics.items())})" if metrics else ""
