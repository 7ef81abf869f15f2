"""``tastespace train``: make weights of one's own."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from models.training.joint import TrainingProgress


class Vision(StrEnum):
    """Vision towers whose weights a package ships."""

    LITE0 = "tf_efficientnet_lite0"
    LITE2 = "tf_efficientnet_lite2"


class PairLoss(StrEnum):
    """Losses over pairs of a photo and a recipe."""

    NCE = "info_nce"
    SIGMOID = "sigmoid"
    TRIPLET = "triplet"


app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Train a model on your own data."""


@app.command("joint")
def joint(
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: Annotated[Path, typer.Option(help="Run folder; `lite:OUT` is then an encoder.")],
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=0, help="Of the heads over frozen towers; 0 with --init: none.")] = 45,
    finetune_epochs: Annotated[
        int, typer.Option(min=0, help="Of vision tower and heads together, after that; 0: none.")
    ] = 12,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs in one step over frozen towers.")] = 1024,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the schedule.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0)] = 0.05,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.5,
    finetune_batch_size: Annotated[int, typer.Option(min=2, help="Pairs in one step of fine-tuning.")] = 256,
    tower_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the vision tower.")] = 3e-4,
    frozen_stages: Annotated[int, typer.Option(min=0, max=7, help="First stages that stay pretrained.")] = 2,
    vision: Annotated[Vision, typer.Option(help="Vision tower.")] = Vision.LITE0,
    pair_loss: Annotated[PairLoss, typer.Option(help="What tells a photo's own recipe from others.")] = PairLoss.NCE,
    soft_targets: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of the target that goes to dishes of similar title.")
    ] = 0.0,
    mixup: Annotated[float, typer.Option(min=0, help="FuseMix's alpha; 0: no mixed pairs.")] = 0.0,
    structure: Annotated[float, typer.Option(min=0, help="Weight of keeping pretrained neighbourhoods.")] = 0.0,
    semantic: Annotated[float, typer.Option(min=0, help="Weight of semantic regularisation.")] = 0.1,
    text_corpus: Annotated[
        Path | None, typer.Option(help="Recipes without photos to learn from too (.jsonl, .jsonl.gz).")
    ] = None,
    corpus_limit: Annotated[int, typer.Option(min=0, help="Most recipes taken from it.")] = 20_000,
    min_tag: Annotated[int, typer.Option(min=1, help="Photos a tag needs to become a class.")] = 12,
    min_word: Annotated[int, typer.Option(min=1, help="Photos a title word needs to become a class.")] = 20,
    init: Annotated[Path | None, typer.Option(help="Folder of trained weights to start from.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where features are kept (default: beside OUT).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    device: Annotated[str, typer.Option(help="cpu, mps, cuda or cuda:N.")] = "cpu",
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train the joint space of photos and recipes: heads in minutes, then the vision tower with them in an hour or two
    on two CPU cores (--finetune-epochs 0 leaves that out)."""
    from models.joint.lite import LiteConfig
    from models.training.finetune import FinetuneConfig
    from models.training.joint import JointTrainingConfig
    from models.training.objective import LossWeights, PairOptions
    from models.training.pipeline import train_encoder

    if not epochs and not (init and finetune_epochs):
        raise typer.BadParameter("--epochs 0 needs --init and fine-tuning", param_hint="--epochs")
    loss = LossWeights(structure=structure, semantic=semantic)
    pairs = PairOptions(loss=pair_loss.value, soft=soft_targets, mixup=mixup)
    heads = JointTrainingConfig(
        model=LiteConfig(vision=vision.value),
        loss=loss,
        pairs=pairs,
        data=data,
        out=out,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        text_corpus=text_corpus,
        corpus_limit=corpus_limit,
        min_tag=min_tag,
        min_word=min_word,
        init=init,
        cache=cache,
        resume=resume,
        device=device,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    tuning = FinetuneConfig(
        data=data,
        out=out,
        init=init or out,
        seed=seed,
        epochs=finetune_epochs,
        batch_size=finetune_batch_size,
        tower_rate=tower_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        frozen_stages=frozen_stages,
        loss=loss,
        pairs=pairs,
        min_tag=min_tag,
        min_word=min_word,
        cache=cache,
        resume=resume,
        device=device,
        command=heads.command,
        description=description,
        licence=licence,
    )
    with StageProgress(stderr()) as progress:

        def show(step: TrainingProgress) -> None:
            note = ", ".join(f"{name} {value:.3g}" for name, value in step.metrics.items())
            progress.advance(step.detail or step.stage, step.done, step.total, note)

        result = train_encoder(heads, tuning if finetune_epochs else None, show)
    metrics = ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items())
    stdout().print(f"Trained: epoch {result.epoch} was kept" + (f" ({metrics})" if metrics else ""))
    stdout().print(f"Use it with TASTESPACE_ENCODER=lite:{result.folder}", soft_wrap=True)


def manifest_command(arguments: list[str]) -> str:
    """The command as it goes into the manifest: of a path only the last part, the rest is this machine's affair."""
    return shlex.join(["tastespace", *(Path(argument).name if "/" in argument else argument for argument in arguments)])
