"""``tastespace train reasoner``: answers to questions about one's own photos."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.captioner import MapChoice
from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress, listed, training_bars
from app.cli.train import Vision, manifest_command


class FusionChoice(StrEnum):
    """How question and photo meet."""

    GATED = "gated"
    FILM = "film"


class InputsChoice(StrEnum):
    """What the network sees."""

    BOTH = "both"
    QUESTION = "question"
    IMAGE = "image"


class BalanceChoice(StrEnum):
    """What is done against one modality doing all the work."""

    NONE = "none"
    OGM_GE = "ogm_ge"
    RUBI = "rubi"


class LossChoice(StrEnum):
    """What answers are held to."""

    BCE = "bce"
    SOFTMAX = "softmax"


def train(
    data: Annotated[Path, typer.Option(help="Folder with questions.jsonl.")],
    out: Annotated[Path, typer.Option(help="Run folder; `attend:OUT` is then a reasoner.")],
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the questions.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions in one step.")] = 256,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the schedule.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(min=0)] = 0.01,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.3,
    ema_decay: Annotated[float, typer.Option(min=0, max=0.99999, help="Of averaged weights; 0: none.")] = 0.99,
    loss: Annotated[LossChoice, typer.Option(help="Each answer by itself, or a distribution over them.")] = (
        LossChoice.BCE
    ),
    word_dropout: Annotated[float, typer.Option(min=0, max=0.99, help="Words read as unknown ones.")] = 0.05,
    crops: Annotated[int, typer.Option(min=0, help="Random wide crops of each photo, beside it and its mirror.")] = 0,
    flip: Annotated[
        bool, typer.Option(help="Show mirrored photos too; not where left and right are asked for.")
    ] = True,
    min_words: Annotated[int, typer.Option(min=1, help="Questions that must have a word.")] = 2,
    min_answers: Annotated[int, typer.Option(min=1, help="Questions that must have an answer.")] = 1,
    fusion: Annotated[FusionChoice, typer.Option(help="How the two streams meet.")] = FusionChoice.GATED,
    inputs: Annotated[
        InputsChoice, typer.Option(help="Both streams; or one alone, as a baseline.")
    ] = InputsChoice.BOTH,
    balance: Annotated[
        BalanceChoice, typer.Option(help="Remedy against one modality doing all the work.")
    ] = BalanceChoice.NONE,
    space: Annotated[
        bool,
        typer.Option(
            help="Begin with what the encoder --init knows: photos, words and answers as points of its space."
        ),
    ] = False,
    modulation: Annotated[float, typer.Option(min=0, help="Strength (alpha) of ogm_ge.")] = 0.3,
    vision: Annotated[Vision, typer.Option(help="Vision tower, where --init names none.")] = Vision.LITE0,
    init: Annotated[
        Path | None, typer.Option(help="Folder of a trained encoder whose vision tower is looked through.")
    ] = None,
    stage: Annotated[MapChoice, typer.Option(help="Its last convolution, or what goes into that.")] = MapChoice.HEAD,
    image_size: Annotated[
        int | None, typer.Option(min=64, max=640, help="Side of the photos in pixels (default: the tower's own).")
    ] = None,
    embedding: Annotated[int, typer.Option(min=8, help="Width of a word's vector.")] = 256,
    hidden: Annotated[int, typer.Option(min=8, help="Width of the GRU.")] = 512,
    values: Annotated[int, typer.Option(min=8, help="Width of the projected map.")] = 512,
    attention: Annotated[int, typer.Option(min=8, help="Width of the attention network.")] = 256,
    joint: Annotated[int, typer.Option(min=8, help="Width of the joint vector.")] = 512,
    bfloat16: Annotated[bool, typer.Option(help="Compute in it where the processor does.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Where maps are kept (default: beside OUT).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    device: Annotated[str, typer.Option(help="cpu, mps, cuda or cuda:N.")] = "cpu",
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train a model that answers questions about photos, over a frozen vision tower.

    The features of all photos are computed first and kept.
    """
    if balance != BalanceChoice.NONE and inputs != InputsChoice.BOTH:
        raise typer.BadParameter("a single stream leaves nothing to balance", param_hint="--balance")
    if space and init is None:
        raise typer.BadParameter(
            "the joint space is that of a trained encoder; name one with --init", param_hint="--space"
        )
    if space and stage != MapChoice.HEAD:
        raise typer.BadParameter("the encoder pools maps of --stage head alone", param_hint="--space")
    from models.training.reasoner import ReasonerTrainingConfig, train_reasoner
    from models.training.views import PLAIN_VIEWS, wide_views

    config = ReasonerTrainingConfig(
        out=out,
        data=data,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        ema_decay=ema_decay,
        loss=loss.value,
        word_dropout=word_dropout,
        views=((*PLAIN_VIEWS,) if flip else ("whole",)) + wide_views(crops),
        min_words=min_words,
        min_answers=min_answers,
        fusion=fusion.value,
        inputs=inputs.value,
        balance=balance.value,
        modulation=modulation,
        space=space,
        vision=vision.value,
        init=init,
        stage=stage.value,
        image_size=image_size,
        embedding=embedding,
        hidden=hidden,
        values=values,
        attention=attention,
        joint=joint,
        bfloat16=bfloat16,
        cache=cache,
        resume=resume,
        device=device,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    with StageProgress(stderr()) as progress:
        show = training_bars(progress, lambda _, name: name in ("loss", "accuracy"))
        result = train_reasoner(config, show)
    metrics = listed(result.metrics)
    stdout().print(f"Trained: epoch {result.epoch} was kept" + (f" ({metrics})" if metrics else ""), soft_wrap=True)
    stdout().print(f"The reasoner is in {result.folder}", soft_wrap=True)
