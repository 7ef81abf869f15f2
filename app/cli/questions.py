"""``tastespace data``: make sets of questions about photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import stderr, stdout
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from models.questions.summary import QuestionSummary

app = typer.Typer(help="Make data: questions about photos, pictures of the built-in recipes.", no_args_is_help=True)

OutOption = Annotated[Path, typer.Option(help="Folder for questions.jsonl and dataset.json.")]
SeedOption = Annotated[int, typer.Option(help="Decides everything random.")]


@app.callback()
def _group() -> None:
    """Make data: questions about photos, pictures of the built-in recipes."""


@app.command("recipe-vqa")
def recipe_vqa(
    recipes: Annotated[Path, typer.Option(help="Folder with recipes.jsonl and the photos.")],
    out: OutOption,
    seed: SeedOption = 0,
    min_photos: Annotated[
        int, typer.Option(min=1, help="Training photos that an ingredient, or another answer, has at least.")
    ] = 20,
) -> None:
    """Questions about photos of dishes, answered by rule from their recipes and balanced; the photos stay in place."""
    from models.questions.recipe_vqa import build_recipe_vqa

    with StageProgress(stderr()) as progress:
        built = build_recipe_vqa(recipes, out, seed=seed, min_photos=min_photos, on_progress=progress.advance)
    _print(built.summary)
    for reason, number in built.left_out.items():
        stdout().print(f"Left out: {number:,} {reason}", soft_wrap=True)
    stdout().print(f"The questions are in {out}", soft_wrap=True)


@app.command("easy-vqa")
def easy_vqa(
    out: OutOption,
    source: Annotated[
        Path | None, typer.Option(help="Folder with train and test (default: that of the package easy-vqa).")
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """The public benchmark easy-VQA, one coloured shape a picture: its test split, and a val split cut from train."""
    from models.questions.easy_vqa import build_easy_vqa

    _print(build_easy_vqa(out, source=source, seed=seed))
    stdout().print(f"The questions are in {out}", soft_wrap=True)


def _print(summary: QuestionSummary) -> None:
    from rich.table import Table

    table = Table()
    for name in ("split", "type"):
        table.add_column(name)
    for name in ("questions", "photos", "answers"):
        table.add_column(name, justify="right")
    table.add_column("most frequent")
    table.add_column("its share", justify="right")
    before = ""
    for row in summary.rows:
        if before not in ("", row.split):
            table.add_section()
        before = row.split
        numbers = (f"{number:,}" for number in (row.questions, row.photos, row.answers))
        table.add_row(row.split, row.type, *numbers, row.majority, f"{100 * row.majority_share:.1f} %")
    stdout().print(table)
