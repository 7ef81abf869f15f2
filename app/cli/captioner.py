"""``tastespace train captioner``: a captioner over one's own photos."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress, listed, training_bars
from app.cli.train import Vision, manifest_command

if TYPE_CHECKING:
    pass


class MapChoice(StrEnum):
    """Which map of the vision tower is looked at."""

    HEAD = "head"
    STAGES = "stages"


def train(
    out: Annotated[Path, typer.Option(help="Run folder; it ends up holding the captioner.")],
    captions: Annotated[
        Path | None, typer.Option(help="Folder with captions.jsonl and the photos: general captions.")
    ] = None,
    recipes: Annotated[
        Path | None, typer.Option(help="Folder with recipes.jsonl and the photos: names of dishes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Of learning word by word.")] = 20,
    self_critical_epochs: Annotated[
        int, typer.Option(min=0, help="Of being rewarded for whole captions, after that; 0: none.")
    ] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Captions in one step.")] = 64,
    self_critical_batch: Annotated[int, typer.Option(min=1, help="Photos in one step of the rewarded stage.")] = 32,
    samples: Annotated[int, typer.Option(min=2, help="Captions drawn of each of them.")] = 5,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the schedule.")] = 1e-3,
    self_critical_rate: Annotated[float, typer.Option(min=0, help="Highest rate of the rewarded stage.")] = 5e-5,
    weight_decay: Annotated[float, typer.Option(min=0)] = 0.01,
    dropout: Annotated[float, typer.Option(min=0, max=0.99)] = 0.4,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.99)] = 0.1,
    coverage: Annotated[float, typer.Option(min=0, help="Weight of looking at the whole photo.")] = 1.0,
    scheduled_sampling: Annotated[
        float, typer.Option(min=0, max=1, help="Chance, at the end, of reading a word of one's own.")
    ] = 0.0,
    dish_share: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Of the captions of a batch, where there are both.")
    ] = 0.25,
    crops: Annotated[
        int, typer.Option(min=0, help="Random wide crops of each photo, beside it and its mirror image.")
    ] = 2,
    min_count: Annotated[int, typer.Option(min=1, help="Times that a style must use a word.")] = 5,
    max_words: Annotated[int, typer.Option(min=1, max=50, help="Of captions.")] = 24,
    vision: Annotated[Vision, typer.Option(help="Vision tower, where --init names none.")] = Vision.LITE0,
    init: Annotated[
        Path | None, typer.Option(help="Folder of a trained encoder whose vision tower is looked through.")
    ] = None,
    stage: Annotated[MapChoice, typer.Option(help="Its last convolution, or what goes into that.")] = MapChoice.HEAD,
    image_size: Annotated[
        int | None, typer.Option(min=64, max=640, help="Side of the photos in pixels (default: the tower's own).")
    ] = None,
    hidden: Annotated[int, typer.Option(min=8, help="Width of the LSTM.")] = 512,
    embedding: Annotated[int, typer.Option(min=8, help="Width of a word's vector.")] = 512,
    attention: Annotated[int, typer.Option(min=8, help="Width of the attention network.")] = 512,
    tied: Annotated[bool, typer.Option(help="Words go in and out by the same vectors.")] = True,
    beams: Annotated[int, typer.Option(min=1, max=20, help="Of the search, in validation too.")] = 3,
    length_alpha: Annotated[float, typer.Option(min=0, help="0 favours short captions, 1 is fair.")] = 0.7,
    dish_length_alpha: Annotated[float, typer.Option(min=0, help="The same for names of dishes.")] = 2.0,
    val_photos: Annotated[int, typer.Option(min=1, help="Most photos of each style that choose the epoch.")] = 500,
    bfloat16: Annotated[bool, typer.Option(help="Compute in it where the processor does.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Where maps are kept (default: beside OUT).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    device: Annotated[str, typer.Option(help="cpu, mps, cuda or cuda:N.")] = "cpu",
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train a captioner with attention (Show, attend and tell) over a frozen vision tower: general captions, names of
    dishes, or both.

    The features of all photos are computed first and kept. With --resume, a run that is finished can be given a
    rewarded stage by --self-critical-epochs.
    """
    if captions is None and recipes is None:
        raise typer.BadParameter("give --captions, --recipes or both", param_hint="--captions")
    from models.captioning.search import SearchSettings
    from models.training.caption_loss import CaptionLossWeights
    from models.training.captioner import CaptionerTrainingConfig, train_captioner
    from models.training.views import PLAIN_VIEWS, wide_views

    config = CaptionerTrainingConfig(
        out=out,
        captions=captions,
        recipes=recipes,
        seed=seed,
        epochs=epochs,
        self_critical_epochs=self_critical_epochs,
        batch_size=batch_size,
        self_critical_batch=self_critical_batch,
        samples=samples,
        learning_rate=learning_rate,
        self_critical_rate=self_critical_rate,
        weight_decay=weight_decay,
        dropout=dropout,
        loss=CaptionLossWeights(label_smoothing, coverage),
        scheduled_sampling=scheduled_sampling,
        dish_share=dish_share,
        views=(*PLAIN_VIEWS, *wide_views(crops)),
        min_count=min_count,
        max_words=max_words,
        vision=vision.value,
        init=init,
        stage=stage.value,
        image_size=image_size,
        hidden=hidden,
        embedding=embedding,
        attention=attention,
        tied=tied,
        dish_length_alpha=dish_length_alpha,
        search=SearchSettings(beams=beams, max_words=max_words, length_alpha=length_alpha),
        val_photos=val_photos,
        bfloat16=bfloat16,
        cache=cache,
        resume=resume,
        device=device,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    with StageProgress(stderr()) as progress:
        show = training_bars(progress, lambda stage, name: stage == "steps" or "bleu4" in name)
        result = train_captioner(config, show)
    metrics = listed(result.metrics)
    stdout().print(f"Trained: epoch {result.epoch} was kept" + (f" ({metrics})" if metrics else ""), soft_wrap=True)
    stdout().print(f"The captioner is in {result.folder}", soft_wrap=True)
