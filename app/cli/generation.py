"""``tastespace train autoencoder`` and ``tastespace train generator``: pictures from text, over one's own photos."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress, listed, training_bars
from app.cli.train import manifest_command


class BackendChoice(StrEnum):
    """How a generator draws."""

    FLOW = "flow"
    GAN = "gan"


class SolverChoice(StrEnum):
    """How a flow is followed."""

    EULER = "euler"
    HEUN = "heun"


_RATES = MappingProxyType({BackendChoice.FLOW: 5e-4, BackendChoice.GAN: 2e-4})


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
    perceptual: Annotated[float, typer.Option(min=0, help="Weight of the perceptual distance.")] = 0.1,
    perceptual_size: Annotated[
        int, typer.Option(min=16, help="Side of the part that it and the discriminator look at.")
    ] = 64,
    noise: Annotated[float, typer.Option(min=0, help="Added to the latents.")] = 0.1,
    halved: Annotated[float, typer.Option(min=0, max=1, help="Share of steps at half the resolution.")] = 0.25,
    adversarial: Annotated[float, typer.Option(min=0, help="Share of the discriminator; 0: none.")] = 0.0,
    adversarial_from: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the steps after which it joins.")
    ] = 0.7,
    decoder_only: Annotated[
        bool, typer.Option("--decoder-only", help="Keep the encoder of --init, and with it what generators draw in.")
    ] = False,
    val_photos: Annotated[int, typer.Option(min=1, help="Most photos that are measured.")] = 256,
    bfloat16: Annotated[bool, typer.Option(help="Compute in it where the processor does.")] = False,
    init: Annotated[
        Path | None, typer.Option(help="Folder of a trained autoencoder, or of a generator with one, to start from.")
    ] = None,
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
    if decoder_only and init is None:
        raise typer.BadParameter("it needs --init, an autoencoder whose encoder is kept", param_hint="'--decoder-only'")
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
        decoder_only=decoder_only,
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
        result = pictures.train_autoencoder(config, training_bars(progress))
    stdout().print(f"Trained{_listed(result.metrics)}")
    stdout().print(f"The autoencoder is in {result.folder}", soft_wrap=True)


def train_generator(
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: Annotated[Path, typer.Option(help="Run folder; it ends up holding the generator.")],
    autoencoder: Annotated[
        Path | None, typer.Option(help="Folder of a trained autoencoder (default: that of --init).")
    ] = None,
    backend: Annotated[BackendChoice, typer.Option(help="How it draws.")] = BackendChoice.FLOW,
    encoder: Annotated[
        str, typer.Option(help="Joint encoder whose vectors it is told, as in TASTESPACE_ENCODER.")
    ] = "tastespace-lite",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Each ends with a contact sheet and can be resumed from.")] = 30,
    steps: Annotated[int, typer.Option(min=1, help="Of an epoch.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=2, help="Photos in one step.")] = 64,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Highest rate (default: 5e-4 for a flow, 2e-4 for a gan).")
    ] = None,
    ema_decay: Annotated[float, typer.Option(min=0, max=0.99999, help="Of the average that draws.")] = 0.999,
    views: Annotated[int, typer.Option(min=1, help="Of each photo: the middle, mirrored, squares near it.")] = 6,
    text_share: Annotated[float, typer.Option(min=0, help="Of examples that are told the title.")] = 0.5,
    recipe_share: Annotated[float, typer.Option(min=0, help="That are told the whole recipe.")] = 0.3,
    photo_share: Annotated[float, typer.Option(min=0, help="That are told the photo's own vector.")] = 0.2,
    condition_noise: Annotated[float, typer.Option(min=0, help="Added to what is told.")] = 0.2,
    widths: Annotated[
        str | None, typer.Option(help="Channels at each resolution, comma-separated (default: by the backend).")
    ] = None,
    blocks: Annotated[str, typer.Option(help="flow: residual blocks at each resolution.")] = "1,1,2",
    attention: Annotated[str, typer.Option(help="flow: 1 where there is self-attention, else 0.")] = "0,1,1",
    forget: Annotated[float, typer.Option(min=0, max=1, help="flow: share that is told nothing.")] = 0.1,
    align: Annotated[
        float, typer.Option(min=0, help="flow: how much to learn what a pretrained network sees; 0: nothing.")
    ] = 0.0,
    sampling_steps: Annotated[int, typer.Option(min=1, help="flow: steps of drawing.")] = 20,
    guidance: Annotated[float, typer.Option(min=0, help="flow: how far to follow what is told.")] = 2.5,
    solver: Annotated[SolverChoice, typer.Option(help="flow: how steps are taken.")] = SolverChoice.EULER,
    critic: Annotated[int, typer.Option(min=1, help="gan: channels of what the discriminator sees.")] = 48,
    critic_rate: Annotated[float, typer.Option(min=0, help="gan: rate of the discriminator, relative.")] = 1.0,
    matching: Annotated[float, typer.Option(min=0, help="gan: how much to be found by what is told.")] = 1.0,
    parts: Annotated[
        float, typer.Option(min=0, max=1, help="gan: share of steps that look at a quarter of each picture, closely.")
    ] = 0.33,
    variety: Annotated[float, typer.Option(min=0, help="gan: how much pictures of one text must differ.")] = 2.0,
    val_pictures: Annotated[int, typer.Option(min=2, help="Drawn and measured after each epoch.")] = 256,
    bfloat16: Annotated[bool, typer.Option(help="Compute in it where the processor does.")] = False,
    init: Annotated[Path | None, typer.Option(help="Folder of a trained generator to start from.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where pictures, latents and vectors are kept (default: beside OUT).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    device: Annotated[str, typer.Option(help="cpu, mps, cuda or cuda:N.")] = "cpu",
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train a generator of pictures over an autoencoder's latents, told vectors of the joint encoder.

    Pictures, latents and vectors are computed first and kept. After each epoch OUT has a new contact sheet.
    """
    from models.generation.flow import FlowSampling
    from models.training import generator
    from models.training.generator_config import ConditionMix, FlowOptions, GanOptions

    try:
        sampling = FlowSampling(sampling_steps, guidance, solver.value)
        flow = FlowOptions(blocks=_numbers(blocks, "--blocks"), forget=forget, sampling=sampling, align=align)
        flow = replace(flow, attention=tuple(map(bool, _numbers(attention, "--attention"))))
        gan = GanOptions(critic=critic, critic_rate=critic_rate, matching=matching, parts=parts, variety=variety)
        if widths:
            channels = _numbers(widths, "--widths")
            flow, gan = replace(flow, widths=channels), replace(gan, widths=channels)
        mix = ConditionMix(text_share, recipe_share, photo_share, condition_noise)
        config = generator.GeneratorTrainingConfig(
            data=data,
            out=out,
            autoencoder=autoencoder,
            encoder=encoder,
            backend=backend.value,
            flow=flow,
            gan=gan,
            mix=mix,
            seed=seed,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate if learning_rate is not None else _RATES[backend],
            ema_decay=ema_decay,
            views=views,
            val_pictures=val_pictures,
            bfloat16=bfloat16,
            init=init,
            cache=cache,
            resume=resume,
            device=device,
            command=manifest_command(sys.argv[1:]),
            description=description,
            licence=licence,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with StageProgress(stderr()) as progress:
        result = generator.train_generator(config, training_bars(progress))
    stdout().print(f"Trained{_listed(result.metrics)}")
    stdout().print(f"The generator is in {result.folder}", soft_wrap=True)


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a row of numbers such as 1,1,2", param_hint=option) from None


def _listed(metrics: Mapping[str, float]) -> str:
    return f" ({listed(metrics)})" if metrics else ""
