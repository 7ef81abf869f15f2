"""``tastespace eval generator``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import (
    CommandError,
    DeviceOption,
    EncoderOption,
    RuntimeOption,
    load_encoder,
    load_settings,
    stderr,
    stdout,
)
from app.cli.progress import StageProgress
from app.settings import Settings

if TYPE_CHECKING:
    from models.evaluation.generator_report import GeneratorReport

_CACHE = "pictures"


def generator(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    split: Annotated[str, typer.Option(help="Titles of this split are drawn, its photos compared with.")] = "val",
    generator: Annotated[
        str, typer.Option(help="tastespace-pictures, latent:FOLDER or diffusers:NAME.")
    ] = "tastespace-pictures",
    pictures: Annotated[int, typer.Option(min=2, help="Most titles that are drawn, one picture each.")] = 1000,
    candidates: Annotated[
        int, typer.Option(min=1, help="Drawn for each picture; the encoder keeps the one nearest to the prompt.")
    ] = 1,
    size: Annotated[int | None, typer.Option(min=1, help="Side in pixels (default: the generator's own).")] = None,
    truncation: Annotated[float, typer.Option(min=0.01, max=1, help="Scale of the noise.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything random.")] = 0,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of 8 prompts x 6 seeds here (PNG).")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Write the 16 pictures nearest to training photos beside those here (PNG).")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where features of photos are kept (default: in the data directory).")
    ] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
) -> None:
    """Drawn pictures against photos: distance with its floor and ceiling, obedience to the text, diversity, distance
    to the nearest training photo; all by a backbone that the generator never met."""
    from models.evaluation.generator import GeneratorEvaluation, evaluate_generator
    from models.evaluation.generator_backbone import LiteBackbone, encoder_stands_on
    from models.evaluation.generator_bounds import generator_bounds
    from models.generation.loading import load_generator

    for option, path in (("--json", json_file), ("--sheet", sheet), ("--pairs", pairs)):
        if path is not None and not path.parent.is_dir():
            raise typer.BadParameter(f"{path.parent} is not a folder", param_hint=option)
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime)
    own = not generator.startswith("diffusers:")
    backbone = LiteBackbone(settings.device)
    if (own or candidates > 1) and encoder_stands_on(settings.encoder, backbone):
        raise CommandError(
            f"the encoder {settings.encoder} stands on {backbone.name}, by which pictures are measured; use another"
        )
    joint = load_encoder(settings) if own or candidates > 1 else None
    loaded = load_generator(generator, settings.device, encoder=joint.info.fingerprint if own and joint else None)
    options = GeneratorEvaluation(pictures, size, truncation, candidates, seed, sheet, pairs)
    with StageProgress(stderr()) as progress, _cache_folder(cache, settings) as folder:
        report = evaluate_generator(
            loaded,
            data,
            split,
            backbone=backbone,
            cache=folder,
            encoder=joint,
            bounds=generator_bounds(generator, settings.device, seed),
            options=options,
            on_progress=progress.advance,
        )
    _print(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _cache_folder(given: Path | None, settings: Settings) -> Iterator[Path]:
    """Where features are kept: the given folder, one in the data directory, or, where there is none, for now alone."""
    if given is not None or settings.existing_models_dir is not None:
        yield given or settings.models_dir / _CACHE
        return
    with TemporaryDirectory(prefix="tastespace-") as folder:
        yield Path(folder)


def _print(report: GeneratorReport) -> None:
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.generator}: {report.n:,} pictures ({report.split}, {report.resolution} px) by {report.backbone}"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("")
    for name in ("drawn", "real photos", "decoded photos", "ceiling", "relative"):
        table.add_column(name, justify="right")
    relative = report.relative()
    choices = f"R-precision, 1 of {report.r_precision_of}"
    rows: tuple[tuple[str, str, str, tuple[float | None, ...]], ...] = (
        ("Fréchet distance", "fd", ".1f", (report.fd, report.fd_floor, report.fd_decoded, report.fd_ceiling)),
        ("kernel distance", "kd", ".3f", (report.kd, report.kd_floor, report.kd_decoded, report.kd_ceiling)),
        (choices, "r_precision", ".3f", (report.r_precision, report.r_precision_real, None, None)),
        ("diversity", "diversity", ".2f", (report.diversity, report.diversity_real, None, None)),
        ("nearest training photo", "nearest", ".2f", (report.nearest, report.nearest_real, None, None)),
    )
    for name, key, form, values in rows:
        cells = [_shown(value, form) for value in values]
        table.add_row(name, *cells, _shown(relative[key], ".2f"))
    stdout().print(table)
    ranked = f", best of {report.candidates}" if report.candidates > 1 else ""
    stdout().print(f"{report.pictures_per_second:.1f} pictures a second{ranked}. Ceiling: {escape(report.ceiling)}")
    for note in report.notes:
        stdout().print(escape(f"Note: {note}"), soft_wrap=True)


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
