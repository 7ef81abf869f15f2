"""``tastespace import`` and ``tastespace export``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from app.cli.captions import Styles
from app.cli.common import (
    EXIT_FAILURE,
    CommandError,
    DataDir,
    DeviceOption,
    EncoderOption,
    RuntimeOption,
    load_settings,
    require_catalogue,
    run,
    stderr,
    stdout,
)
from app.cli.progress import StageProgress

if TYPE_CHECKING:
    from app.importers.base import ImportProblem
    from app.importers.run import ImportReport
    from app.services.items import Automatic
    from app.settings import Settings

_SHOWN_PROBLEMS = 20
#: The public-domain-recipes collection (CC0) at the revision that was looked at.
DEMO_URL = "https://github.com/ronaldl29/public-domain-recipes/archive/8a684a81aebdd2ea51e9ee24ead7529efa622301.zip"


def import_command(
    ctx: typer.Context,
    path: Annotated[Path | None, typer.Argument(help="A folder, a file or a zip archive.", show_default=False)] = None,
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="folder, hugo (also Jekyll), jsonld, csv or pictures; default: what is found."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Import the public-domain-recipes collection instead.")] = False,
    demo_url: Annotated[str, typer.Option(envvar="TASTESPACE_DEMO_URL", help="Where --demo finds it.")] = DEMO_URL,
    folder_tags: Annotated[bool, typer.Option(help="Pictures without recipes: make the folder's name a tag.")] = True,
    auto_tags: Annotated[bool, typer.Option("--auto-tags", help="Add the tags that a photo shows to its own.")] = False,
    auto_tags_min: Annotated[
        float | None, typer.Option(min=0, max=1, help="Probability from which a tag is added.", show_default=False)
    ] = None,
    auto_captions: Annotated[
        bool, typer.Option("--auto-captions", help="Add a caption by the captioner to a photo's own.")
    ] = False,
    auto_captions_style: Annotated[
        Styles | None, typer.Option(help="How these are written; default: dish for food.", show_default=False)
    ] = None,
    problems_file: Annotated[
        Path | None, typer.Option("--problems", help="Write every problem here, as JSON lines.")
    ] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    data_dir: DataDir = None,
) -> None:
    """Import recipes and photos.

    Reads recipes.jsonl with its pictures, Hugo and Jekyll sites, schema.org JSON-LD, CSV and folders of pictures.
    What can't be used is reported and skipped. An import that was stopped goes on when it is run again; the same
    import twice changes nothing.
    """
    if (path is None) != demo:
        raise typer.BadParameter("give a PATH, or --demo, and not both")
    if auto_tags_min is not None and not auto_tags:
        raise typer.BadParameter("--auto-tags-min needs --auto-tags")
    if auto_captions_style is not None and not auto_captions:
        raise typer.BadParameter("--auto-captions-style needs --auto-captions")
    from app.services.items import AutoCaptions, Automatic, AutoTags

    automatic = Automatic(
        tags=AutoTags(auto_tags_min) if auto_tags else None,
        captions=AutoCaptions((auto_captions_style or Styles.AUTO).value) if auto_captions else None,
    )
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime, data_dir=data_dir)
    problems: list[ImportProblem] = []
    with tempfile.TemporaryDirectory() as folder:
        source = path
        if source is None:
            source, format_name = Path(folder) / "demo.zip", "hugo"
            _download(demo_url, source, settings.import_max_bytes)
        report = run(_import(settings, source, format_name, folder_tags, automatic, problems, builtin=demo))
    if problems_file is not None:
        lines = (json.dumps({"source": each.source, "detail": each.detail, "lost": each.lost}) for each in problems)
        problems_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    _summarise(report, problems)
    if report.stored == 0:
        raise CommandError("nothing was imported")


async def _import(
    settings: Settings,
    source: Path,
    format_name: str | None,
    folder_tags: bool,
    automatic: Automatic,
    problems: list[ImportProblem],
    *,
    builtin: bool,
) -> ImportReport:
    from app.importers.detect import check_source
    from app.importers.run import run_import
    from app.runtime import Runtime
    from app.services.auto_captions import require_models

    # A mistyped path shall not wait for the model to load.
    check_source(source, format_name)
    with StageProgress(stderr()) as progress:

        def show(report: ImportReport) -> None:
            note = f"{report.created} new, {report.updated} changed, {report.unchanged} same, {report.failed} failed"
            progress.advance("importing", report.done, max(report.total, report.done), note)

        needed = settings.with_models("captioner") if automatic.captions is not None else settings.with_models()
        async with Runtime.open(needed) as runtime:
            # One error for the import, not one for each of its photos.
            require_models(automatic, runtime.resources)
            if builtin:
                await runtime.fill_builtin()
            return await run_import(
                source,
                runtime,
                on_progress=show,
                on_problem=problems.append,
                format=format_name,
                folder_tags=folder_tags,
                automatic=automatic,
            )


def _download(url: str, target: Path, max_bytes: int) -> None:
    """Fetch ``url`` into ``target``. Raises CommandError with one sentence where the network does not allow it."""
    import httpx

    received = 0
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=30) as response,
            target.open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes():
                received += len(chunk)
                if received > max_bytes:
                    raise CommandError(f"the demo collection is larger than {max_bytes // 2**20} MiB")
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(
            f"the demo collection can't be fetched from {url} ({error or type(error).__name__}); "
            "where the network doesn't allow it, use the built-in catalogue or import a folder of your own"
        ) from None


def _summarise(report: ImportReport, problems: list[ImportProblem]) -> None:
    from rich.table import Table

    table = Table(title=f"Imported {escape(report.source)} in {report.seconds:.1f} s", title_justify="left")
    table.add_column("")
    for name in ("created", "updated", "unchanged", "failed"):
        table.add_column(name, justify="right")
    for name, counts in (("recipes", report.recipes), ("photos", report.images)):
        cells = (counts.created, counts.updated, counts.unchanged, counts.failed)
        table.add_row(name, *(f"{count:,}" for count in cells))
    if report.unreadable:
        table.add_row("unreadable", "", "", "", f"{report.unreadable:,}")
    stdout().print(table)
    for problem in problems[:_SHOWN_PROBLEMS]:
        kind = "[red]skipped[/]" if problem.lost else "[yellow]note[/]"
        stderr().print(f"{kind} {escape(problem.source)}: {escape(problem.detail)}", soft_wrap=True)
    if len(problems) > _SHOWN_PROBLEMS:
        more = len(problems) - _SHOWN_PROBLEMS
        stderr().print(f"... and {more:,} more; --problems FILE writes them all", soft_wrap=True)


def export_command(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The folder to make, or a .zip archive.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an export that is there.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Export the catalogue, in the format that import and training read."""
    settings = load_settings(ctx, data_dir=data_dir)
    require_catalogue(settings)
    from app.services.transfer import export_catalogue
    from index.blobs import BlobStore
    from index.catalogue import Catalogue

    with Catalogue.open(settings.catalogue_url) as catalogue:
        report = export_catalogue(catalogue, BlobStore(settings.blobs_url), path, replace=force)
    for problem in report.problems:
        stderr().print(f"[yellow]note[/] {escape(problem)}", soft_wrap=True)
    stdout().print(f"Exported {report.recipes:,} recipes and {report.images:,} photos to {path}", soft_wrap=True)
    if report.problems:
        raise typer.Exit(EXIT_FAILURE)
