"""``tastespace eval arithmetic``: the benchmark of tag arithmetic, and the choice of balances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import DeviceOption, EncoderOption, RuntimeOption, load_encoder, load_settings, stderr, stdout
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from app.evaluation.arithmetic import TuningRow
    from app.evaluation.ranking import RankingMetrics
    from app.evaluation.report import FamilyReport

_METRICS = ("mAP@5", "mAP@10", "mAP@50", "R@1", "R@10")


def arithmetic(
    ctx: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    split: Annotated[str, typer.Option(help="Photos of this split are the gallery.")] = "val",
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    queries: Annotated[int, typer.Option(min=1, help="At most so many of each kind of edit.")] = 2_000,
    jaccard: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="How like the target set the tags of a right answer are at least.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of queries.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Draw 12 queries with their first five answers here, as PNG.")
    ] = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Instead: swaps over 1,500 photos of split train, for a range of balances."),
    ] = False,
) -> None:
    """Tag arithmetic: photos with a tag swapped, added or removed, against baselines; mAP@5/10/50 and R@1/10."""
    from app.evaluation.arithmetic import evaluate_arithmetic, tune_arithmetic
    from app.evaluation.contact_sheet import draw_contact_sheet
    from index.algebra import Strategy

    for name, file in (("--json", json_file), ("--contact-sheet", contact_sheet)):
        if file is not None and not file.parent.is_dir():
            raise typer.BadParameter(f"{file.parent} is not a folder", param_hint=name)
    if tune and (json_file is not None or contact_sheet is not None):
        raise typer.BadParameter("--tune prints a table only; leave out --json and --contact-sheet")
    loaded = load_encoder(load_settings(ctx, encoder=encoder, device=device, runtime=runtime))
    if tune:
        with StageProgress(stderr()) as progress:
            table = tune_arithmetic(
                loaded, data, queries=queries, jaccard=jaccard, seed=seed, on_progress=progress.advance
            )
        _print_tuning(table)
        return
    with StageProgress(stderr()) as progress:
        benchmark = evaluate_arithmetic(
            loaded, data, split, queries=queries, jaccard=jaccard, seed=seed, on_progress=progress.advance
        )
    report = benchmark.report
    note = f"{report.model} on {report.split}: {report.gallery:,} photos, Jaccard >= {report.jaccard}, percent"
    stdout().print(note, soft_wrap=True)
    for family in report.families.values():
        _print_family(family)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    if contact_sheet is not None:
        best = Strategy(next(iter(report.families.values())).comparisons[0].strategy)
        draw_contact_sheet(benchmark, best, contact_sheet, seed=seed)


def _print_family(family: FamilyReport) -> None:
    from rich.table import Table

    title = (
        f"{family.edit} a tag: {family.queries:,} queries from {family.references:,} photos, "
        f"{family.right_answers:.1f} right answers each; {family.matters:,} where the reference photo matters"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in _METRICS:
        table.add_column(name, justify="right")
    table.add_column("mAP@10, reference matters", justify="right")
    for row in family.rows:
        name = f"[dim]{row.name}[/]" if row.is_baseline else row.name
        name += "" if row.balance is None else f" ({row.balance:g})"
        table.add_row(name, *_cells(row.overall), "" if row.matters is None else f"{row.matters.map10:.1f}")
    stdout().print(table)
    for where, comparison in zip(("all", "reference matters"), family.comparisons, strict=False):
        difference = comparison.difference
        stdout().print(
            f"{where}: {comparison.strategy} against {comparison.baseline}, mAP@10 {difference.mean:+.2f} "
            f"(95 % interval {difference.low:+.2f} to {difference.high:+.2f})",
            soft_wrap=True,
        )


def _print_tuning(table: list[TuningRow]) -> None:
    from rich.table import Table

    shown = Table(title="Swaps over photos of split train, percent", title_justify="left")
    shown.add_column("strategy")
    for name in ("balance", *_METRICS, "mAP@10, reference matters"):
        shown.add_column(name, justify="right")
    for row in table:
        balance = "-" if row.balance is None else f"{row.balance:g}"
        matters = "" if row.matters is None else f"{row.matters.map10:.1f}"
        shown.add_row(row.strategy.value, balance, *_cells(row.overall), matters)
    stdout().print(shown)


def _cells(metrics: RankingMetrics) -> list[str]:
    return [f"{value:.1f}" for value in (metrics.map5, metrics.map10, metrics.map50, metrics.r1, metrics.r10)]
