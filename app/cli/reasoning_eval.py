"""``tastespace eval reasoning``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from models.evaluation.reasoning import ReasoningReport
    from models.evaluation.reasoning_probes import CaptionProbe, JointProbe

_TITLES = {
    "full": "full model",
    "question_only": "question only",
    "image_only": "image only",
    "shuffled": "shuffled photo",
    "majority": "majority",
}
_CONDITIONS = {"question_only": "grey picture", "image_only": "blank recipes", "shuffled": "shuffled"}


def reasoning(
    ctx: typer.Context,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder with questions.jsonl; may be given several times.")
    ] = None,
    split: Annotated[str, typer.Option(help="Questions of this split are measured.")] = "val",
    reasoner: Annotated[
        str, typer.Option(help="tastespace-answers, attend:FOLDER or huggingface:NAME.")
    ] = "tastespace-answers",
    question_only: Annotated[
        Path | None,
        typer.Option(help="Folder of a reasoner trained on questions alone (default: the model on a grey picture)."),
    ] = None,
    image_only: Annotated[
        Path | None,
        typer.Option(help="Folder of a reasoner trained on photos alone (default: the model asked nothing)."),
    ] = None,
    joint: Annotated[
        Path | None, typer.Option(help="Also probe the joint space: folder with recipes.jsonl and the photos.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Also probe the captioner: folder with captions.jsonl or recipes.jsonl.")
    ] = None,
    captioner: Annotated[
        str, typer.Option(help="tastespace-captions, tell:FOLDER or another captioner's name; see --captions.")
    ] = "tastespace-captions",
    seed: Annotated[int, typer.Option(help="Of the shuffled photos.")] = 0,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
) -> None:
    """Which modality does the work: accuracy of the full model, of the question alone, of the image alone, with
    shuffled photos, and of the most frequent answer, per type of question; the same probe of the joint space and of
    the captioner."""
    if not data and joint is None and captions is None:
        raise typer.BadParameter("give --data, --joint or --captions", param_hint="--data")
    if json_file is not None and not json_file.parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime)
    result: dict[str, Any] = {}
    with StageProgress(stderr()) as progress:
        if data:
            from models.evaluation.reasoning import evaluate_reasoning
            from models.reasoning.attend import load_attention_reasoner
            from models.reasoning.loading import load_reasoner

            model = load_reasoner(reasoner, settings.device)
            asked = None if question_only is None else load_attention_reasoner(question_only, settings.device)
            seen = None if image_only is None else load_attention_reasoner(image_only, settings.device)
            for folder in data:
                report = evaluate_reasoning(
                    model,
                    folder,
                    split,
                    question_only=asked,
                    image_only=seen,
                    seed=seed,
                    on_progress=progress.advance,
                )
                if report.data_set in result:
                    raise CommandError(f"two folders of --data hold the data set {report.data_set!r}; give each once")
                result[report.data_set] = report.to_json()
                _print_answers(report)
        if joint is not None:
            from models.evaluation.reasoning_probes import probe_joint_space

            space = probe_joint_space(load_encoder(settings), joint, split, seed=seed, on_progress=progress.advance)
            result["joint"] = space.to_json()
            _print_joint(space)
        if captions is not None:
            from models.captioning.loading import load_captioner
            from models.evaluation.reasoning_probes import probe_captioner

            written = probe_captioner(
                load_captioner(captioner, settings.device), captions, split, seed=seed, on_progress=progress.advance
            )
            result["captioner"] = written.to_json()
            _print_captions(written)
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _print_answers(report: ReasoningReport) -> None:
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.model} on {report.data_set} ({report.split}), percent right"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("type")
    for name in ("questions", *_TITLES.values(), "ECE"):
        table.add_column(name, justify="right")
    for name, row in (*report.types.items(), ("all", report.scores)):
        if name == "all":
            table.add_section()
        shares = (f"{100 * getattr(row, key):.1f}" for key in _TITLES)
        table.add_row(escape(name), f"{row.n:,}", *shares, f"{100 * row.ece:.1f}")
    stdout().print(table)
    for name, probe in report.probes.items():
        stdout().print(escape(f"{_TITLES[name].capitalize()}: {probe}"), soft_wrap=True)
    for note in report.notes:
        stdout().print(escape(f"Note: {note}"), soft_wrap=True)


def _print_joint(probe: JointProbe) -> None:
    rows = {name: (f"{each.r10:.1f}", f"{each.medr:.1f}") for name, each in probe.conditions.items()}
    _print_probe(f"{probe.model}: photo -> recipe, {probe.pairs:,} pairs ({probe.split})", ("R@10", "medR"), rows)


def _print_captions(probe: CaptionProbe) -> None:
    rows = {
        name: (f"{each.cider:.3f}", f"{100 * each.bleu[0]:.1f}", f"{100 * each.bleu[3]:.1f}")
        for name, each in probe.conditions.items()
    }
    title = f"{probe.model}: {probe.style} captions of {probe.photos:,} photos ({probe.split})"
    _print_probe(title, ("CIDEr-D", "BLEU-1", "BLEU-4"), rows)


def _print_probe(title: str, names: tuple[str, ...], rows: Mapping[str, tuple[str, ...]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("condition")
    for name in names:
        table.add_column(name, justify="right")
    for name, cells in rows.items():
        table.add_row(_CONDITIONS.get(name, name), *cells)
    stdout().print(table)
