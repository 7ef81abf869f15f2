"""``tastespace eval``: measure a model on data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arithmetic import arithmetic
from app.cli.captions_eval import captions
from app.cli.common import DeviceOption, EncoderOption, RuntimeOption, load_encoder, load_settings, stderr, stdout
from app.cli.generator_eval import generator
from app.cli.progress import StageProgress
from app.cli.reasoning_eval import reasoning

if TYPE_CHECKING:
    from models.evaluation.retrieval import Measurement, RetrievalReport

app = typer.Typer(help="Measure a model on data.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure a model on data."""


app.command("arithmetic")(arithmetic)
app.command("captions")(captions)
app.command("generator")(generator)
app.command("reasoning")(reasoning)


@app.command("retrieval")
def retrieval(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    split: Annotated[str, typer.Option(help="Lines of this split are measured.")] = "val",
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    seed: Annotated[int, typer.Option(help="Of the draws of galleries.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
) -> None:
    """Photo <-> recipe retrieval: medR and R@1/5/10 in both directions, whole recipes and their parts."""
    from models.evaluation.retrieval import evaluate_retrieval

    if json_file is not None and not json_file.parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    loaded = load_encoder(load_settings(ctx, encoder=encoder, device=device, runtime=runtime))
    with StageProgress(stderr()) as progress:
        report = evaluate_retrieval(loaded, data, split, seed=seed, on_progress=progress.advance)
    _print(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")


def _print(report: RetrievalReport) -> None:
    from rich.table import Table

    table = Table(
        title=f"{report.model} ({report.runtime}) on {report.split}, ties counted against the model",
        title_justify="left",
    )
    table.add_column("recipe")
    table.add_column("gallery", justify="right")
    table.add_column("direction")
    for name in ("medR", "R@1", "R@5", "R@10"):
        table.add_column(name, justify="right")
    for name, variant in report.variants.items():
        for measurement in variant.measurements:
            for cells in _rows(measurement):
                table.add_row(name, *cells)
    stdout().print(table)


def _rows(measurement: Measurement) -> list[list[str]]:
    gallery = f"{measurement.gallery:,}" + (f" x {measurement.draws}" if measurement.draws > 1 else "")
    rows = []
    for label, key in (("photo -> recipe", "image_to_recipe"), ("recipe -> photo", "recipe_to_image")):
        metrics = measurement.image_to_recipe if key == "image_to_recipe" else measurement.recipe_to_image
        deviation = (measurement.std or {}).get(key, {})
        cells = [
            f"{getattr(metrics, metric):.1f}" + (f" ± {deviation[metric]:.1f}" if metric in deviation else "")
            for metric in ("medr", "r1", "r5", "r10")
        ]
        rows.append([gallery, label, *cells])
    return rows
