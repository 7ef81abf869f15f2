"""The command line, ``tastespace``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app import __version__
from app.cli import (
    ask,
    builtin_pictures,
    captioner,
    captions,
    evaluate,
    exchange,
    generate,
    generation,
    maintain,
    questions,
    reasoner,
    search,
    serve,
    tagging,
    train,
    words,
    worker,
)
from app.cli.common import Commands, log_warnings, stdout

app = typer.Typer(
    cls=Commands,
    name="tastespace",
    help="One joint embedding space for food: photos, recipes and tags, each searchable by any other.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        stdout().print(f"tastespace {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="Folder of the catalogue, pictures and index (TASTESPACE_DATA_DIR)."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Every setting of the service can be given in the environment as TASTESPACE_NAME."""
    ctx.obj = {"data_dir": data_dir}
    log_warnings()


app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("import")(exchange.import_command)
app.command("export")(exchange.export_command)
app.command("search")(search.search)
app.command("tag")(tagging.tag)
app.command("caption")(captions.caption)
app.command("ask")(ask.ask)
app.command("generate")(generate.generate)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="eval")
app.add_typer(questions.app, name="data")
questions.app.command("builtin-pictures")(builtin_pictures.builtin_pictures)
train.app.command("tags")(tagging.train)
evaluate.app.command("tags")(tagging.evaluate)
train.app.command("words")(words.train)
train.app.command("captioner")(captioner.train)
train.app.command("reasoner")(reasoner.train)
train.app.command("autoencoder")(generation.train_autoencoder)
train.app.command("generator")(generation.train_generator)
evaluate.app.command("words")(words.evaluate)
app.add_typer(words.app, name="words")
app.command("reindex")(maintain.reindex)
app.command("doctor")(maintain.doctor)


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="tastespace")


if __name__ == "__main__":
    main()
