"""``tastespace words``, and the training and evaluation of word vectors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import CommandError, load_settings, stderr, stdout
from app.cli.progress import StageProgress
from app.cli.train import manifest_command

if TYPE_CHECKING:
    from models.evaluation.words import Ranking, WordReport
    from models.training.words import WordTrainingProgress
    from models.words.vectors import Neighbour

app = typer.Typer(help="Ask word vectors which ingredients are alike.", no_args_is_help=True)

FolderOption = Annotated[
    Path | None, typer.Option("--words", help="Folder of vectors (TASTESPACE_WORDS; default: those shipped).")
]
KOption = Annotated[int, typer.Option("-k", min=1, max=100, help="How many.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Method(StrEnum):
    ADD = "add"
    MUL = "mul"


@app.callback()
def _group() -> None:
    """Ask word vectors which ingredients are alike."""


@app.command("similar")
def similar(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="An ingredient, as recipes write it.")],
    k: KOption = 10,
    as_json: JsonOption = False,
    folder: FolderOption = None,
) -> None:
    """Ingredients used like this one, and other names for it."""
    from app.services.words import Words

    found = Words(load_settings(ctx, words=folder).words).similar(name, k)
    if as_json:
        _print_json({"name": found.name, "similar": _records(found.neighbours), "expansion": found.expansion})
        return
    others = ", ".join(other for other in found.expansion if other != found.name)
    stdout().print(f"{found.name}: also known as {others or 'nothing else'}")
    _print_table(found.neighbours)


@app.command("analogy")
def analogy(
    ctx: typer.Context,
    expression: Annotated[str, typer.Argument(help='Operators stand between spaces: "white wine - chicken + beef".')],
    k: KOption = 10,
    method: Annotated[Method, typer.Option(help="3CosAdd or 3CosMul.")] = Method.MUL,
    as_json: JsonOption = False,
    folder: FolderOption = None,
) -> None:
    """Add and subtract ingredients."""
    from app.services.words import Words

    positive, negative = parse_analogy(expression)
    found = Words(load_settings(ctx, words=folder).words).analogy(positive, negative, k, method.value)
    if as_json:
        record = {"positive": found.positive, "negative": found.negative, "similar": _records(found.neighbours)}
        _print_json(record)
        return
    _print_table(found.neighbours)


def parse_analogy(expression: str) -> tuple[list[str], list[str]]:
    """The positive and negative names of "a - b + c".

    Raises:
        ExpressionError: it is no expression.
        CommandError: it has more than names.
    """
    from index.expression import ExpressionTerm, TextOperand, parse

    def name(term: ExpressionTerm) -> str:
        if not isinstance(term.operand, TextOperand) or abs(term.weight) != 1:
            raise CommandError("an analogy is of names alone, without weights, photos or items: 'white wine - chicken'")
        return term.operand.text

    terms = parse(expression).terms
    positive, negative = ([name(term) for term in terms if (term.weight > 0) is added] for added in (True, False))
    return positive, negative


def train(
    out: Annotated[Path, typer.Option(help="Run folder; TASTESPACE_WORDS takes it.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder with recipes.jsonl; its split `train` is learnt from.")
    ] = None,
    text_corpus: Annotated[Path | None, typer.Option(help="More recipes (.jsonl, .jsonl.gz).")] = None,
    dim: Annotated[int, typer.Option(min=2, max=1000, help="Width of the vectors.")] = 100,
    epochs: Annotated[int, typer.Option(min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    negatives: Annotated[int, typer.Option(min=1, help="Noise words for each pair.")] = 5,
    min_count: Annotated[int, typer.Option(min=1, help="Recipes an ingredient must stand in.")] = 10,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in OUT.")] = False,
    description: Annotated[str, typer.Option(help="What the data is, for the manifest.")] = "the user's own data",
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "that of the training data",
) -> None:
    """Train word vectors of ingredients: minutes on one CPU core."""
    from models.training.words import WordTrainingConfig, train_words

    if data is None and text_corpus is None:
        raise typer.BadParameter("give --data, --text-corpus or both")
    config = WordTrainingConfig(
        out=out,
        data=data,
        text_corpus=text_corpus,
        dim=dim,
        epochs=epochs,
        seed=seed,
        negatives=negatives,
        min_count=min_count,
        resume=resume,
        command=manifest_command(sys.argv[1:]),
        description=description,
        licence=licence,
    )
    with StageProgress(stderr()) as progress:

        def show(step: WordTrainingProgress) -> None:
            stage = f"epoch {step.epoch}" if step.epoch else step.stage
            note = ", ".join(f"{name} {value:.3g}" for name, value in step.metrics.items())
            progress.advance(stage, step.done, step.total, note)

        result = train_words(config, show)
    stdout().print(f"Trained: {result.names:,} ingredients from {result.recipes:,} recipes")
    stdout().print(f"Use it with TASTESPACE_WORDS={result.folder}", soft_wrap=True)


def evaluate(
    ctx: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder with recipes.jsonl, for the missing ingredient.")] = None,
    split: Annotated[str, typer.Option(help="Held-out lines of it.")] = "val",
    folder: FolderOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result here, as JSON.")] = None,
) -> None:
    """Word vectors by intrinsic measures: synonyms, categories, the missing ingredient of held-out recipes."""
    from models.evaluation.words import evaluate_words
    from models.words.store import SHIPPED_FOLDER, load_words

    if json_file is not None and not json_file.parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    words = load_words(load_settings(ctx, words=folder).words or SHIPPED_FOLDER)
    report = evaluate_words(words, data, split)
    _print_report(report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")


def _print_report(report: WordReport) -> None:
    from rich.table import Table

    table = Table(title=f"{report.names:,} ingredients, {report.dim} dimensions", title_justify="left")
    table.add_column("measure")
    for name in ("queries", "MRR", "R@1", "R@10", "medR"):
        table.add_column(name, justify="right")
    rows: list[tuple[str, Ranking | None]] = [
        ("synonyms", report.synonyms),
        ("missing ingredient", report.missing),
        ("  by frequency alone", report.missing_by_frequency),
    ]
    for name, found in rows:
        if found is not None:
            cells = (f"{found.n:,}", f"{found.mrr:.3f}", f"{found.r1:.1f}", f"{found.r10:.1f}", f"{found.medr:g}")
            table.add_row(name, *cells)
    stdout().print(table)
    stdout().print(f"Of the five nearest of {report.categories} names, {report.purity:.1f} % share the category.")


def _records(found: Iterable[Neighbour]) -> list[dict[str, str | float | int]]:
    return [{"name": each.name, "similarity": round(each.similarity, 4), "count": each.count} for each in found]


def _print_json(record: Mapping[str, object]) -> None:
    typer.echo(json.dumps(record, ensure_ascii=False, indent=2))


def _print_table(found: Iterable[Neighbour]) -> None:
    from rich.table import Table

    table = Table()
    table.add_column("ingredient")
    table.add_column("similarity", justify="right")
    table.add_column("recipes", justify="right")
    for each in found:
        table.add_row(each.name, f"{each.similarity:.3f}", f"{each.count:,}")
    stdout().print(table)
