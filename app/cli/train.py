"""``tastespace train``: make weights of one's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from models.training.joint import TrainingProgress

app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Train a model on your own data."""


@app.command("joint")
def joint(
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: Annotated[Path, typer.Option(help="Run folder; `lite:OUT` is then an encoder.")],
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1)] = 45,
    batch_size: Annotated[int, typer.Option(min=2, help="Pairs in one step.")] = 1024,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the schedule.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(min=0)] = 0.05,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.5,
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
    """Train the joint space of photos and recipes: minutes on two CPU cores."""
    from models.training.joint import JointTrainingConfig, train_joint

    config = JointTrainingConfig(
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
    with StageProgress(stderr()) as progress:

        def show(step: TrainingProgress) -> None:
            note = ", ".join(f"{name} {value:.3g}" for name, value in step.metrics.items())
            progress.advance(step.detail or step.stage, step.done, step.total, note)

        result = train_joint(config, show)
    metrics = ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items())
    stdout().print(f"Trained: epoch {result.epoch} was kept" + (f" ({metrics})" if metrics else ""))
    stdout().print(f"Use it with TASTESPACE_ENCODER=lite:{result.folder}", soft_wrap=True)


def manifest_command(arguments: list[str]) -> str:
    """The command as it goes into the manifest: of a path only the last part, the rest is this machine's affair."""
    return shlex.join(["tastespace", *(Path(argument).name if "/" in argument else argument for argument in arguments)])
