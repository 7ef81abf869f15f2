"""``tastespace eval captions``."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import DeviceOption, EncoderOption, RuntimeOption, load_encoder, load_settings, stderr, stdout
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from app.settings import Settings
    from models.evaluation.caption_neighbours import NeighbourSource
    from models.evaluation.captions import CaptionReport, OnCaptionEvaluation


class Styles(StrEnum):
    GENERAL = "general"
    DISH = "dish"


def captions(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(help="Folder with captions.jsonl or recipes.jsonl (titles count as captions), and the photos."),
    ],
    split: Annotated[str, typer.Option(help="Lines of this split are measured.")] = "val",
    style: Annotated[
        Styles | None, typer.Option(help="Default: general for captions, dish for recipes.", show_default=False)
    ] = None,
    beams: Annotated[int, typer.Option(min=1, max=20, help="Hypotheses of the beam search; 1 is greedy.")] = 5,
    captioner: Annotated[
        str,
        typer.Option(
            "--captioner",
            help="tastespace-captions, tell:FOLDER or just FOLDER, huggingface:NAME_OR_FOLDER, coca:MODEL/PRETRAINED.",
        ),
    ] = "tastespace-captions",
    neighbours: Annotated[bool, typer.Option(help="Measure the captions of the nearest training photos, too.")] = True,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder of cached frozen features; find the nearest photos by those instead of by the encoder."
        ),
    ] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
    captions_file: Annotated[
        Path | None,
        typer.Option("--captions", help="Also write each photo's caption and references here, one JSON object a line."),
    ] = None,
) -> None:
    """Captions of photos: BLEU, METEOR, ROUGE-L, CIDEr-D, diversity; beside those of the nearest training photos."""
    for name, file in (("--json", json_file), ("--captions", captions_file)):
        if file is not None and not file.parent.is_dir():
            raise typer.BadParameter(f"{file.parent} is not a folder", param_hint=name)
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime)
    from models.captioning.loading import load_captioner
    from models.evaluation.captions import evaluate_captions

    spec = f"tell:{captioner}" if Path(captioner).is_dir() else captioner
    loaded = load_captioner(spec, settings.device)
    with StageProgress(stderr()) as progress:
        report = evaluate_captions(
            loaded,
            data,
            split,
            style=None if style is None else style.value,
            beams=beams,
            neighbours=_source(settings, cache, progress.advance) if neighbours else None,
            on_progress=progress.advance,
        )
    _print(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    if captions_file is not None:
        lines = [json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in report.captions]
        captions_file.write_text("".join(lines), encoding="utf-8")


def _source(settings: Settings, cache: Path | None, on_progress: OnCaptionEvaluation) -> NeighbourSource:
    from models.evaluation.caption_sources import encoder_source, frozen_source

    if cache is not None:
        return frozen_source(cache, on_progress)
    return encoder_source(settings.encoder, partial(load_encoder, settings), on_progress)


def _print(report: CaptionReport) -> None:
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.model} ({report.style}, {report.beams} beams) on {report.split}, percent; CIDEr-D as it is"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("")
    for name in ("BLEU-1", "2", "3", "4", "METEOR", "ROUGE-L", "CIDEr-D", "word F1", "words", "length", "new"):
        table.add_column(name, justify="right")
    rows = {report.model: report.measured, **report.baselines}
    for name, row in rows.items():
        scores = row.scores
        shares = [*scores.bleu, scores.meteor, scores.rougel]
        table.add_row(
            escape(name.replace("_", " ")),
            *(_percent(share) for share in shares),
            f"{scores.cider:.3f}",
            _percent(scores.word_f1),
            f"{row.vocabulary:,}",
            f"{row.mean_length:.1f}",
            _percent(row.not_in_training),
        )
        table.add_row("  BLEU without brevity penalty", *(_percent(share) for share in scores.bleu_no_brevity))
    stdout().print(table)
    stdout().print(f"{len(report.captions):,} photos; {report.scorers}; tokenizer {report.tokenizer}", soft_wrap=True)
    for note in report.notes:
        stdout().print(escape(note), soft_wrap=True)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
