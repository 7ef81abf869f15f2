"""``tastespace reindex`` and ``tastespace doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from app.cli.common import (
    EXIT_FAILURE,
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
    from app.services.reindex import ReindexReport
    from app.settings import Settings
    from index.catalogue import Catalogue
    from index.replica import IndexReplica

_SWEEP_OLDER_THAN_S = 24 * 3600.0


def reindex(
    ctx: typer.Context,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    data_dir: DataDir = None,
) -> None:
    """Encode everything anew with the encoder of the settings, then swap the new vectors in at once.

    A service on the old encoder goes on until the swap; restart it then. A stopped run goes on when it is run again.
    """
    settings = load_settings(ctx, encoder=encoder, device=device, runtime=runtime, data_dir=data_dir)
    require_catalogue(settings)
    report = run(_reindex(settings))
    generation = report.generation
    stdout().print(
        f"Encoded {report.encoded:,} items; generation {generation.number}, made by {generation.encoder}, is active",
        soft_wrap=True,
    )


async def _reindex(settings: Settings) -> ReindexReport:
    from app.executors import Executors
    from app.metrics import Metrics
    from app.pictures import PictureLimits
    from app.runtime import local_engine
    from app.services.reindex import Reindexer
    from index.blobs import BlobStore
    from index.catalogue import Catalogue

    limits = PictureLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
    engine = local_engine(settings.with_models(), Metrics())
    executors = Executors(settings.decode_threads, settings.database_threads)
    try:
        await engine.start()
        with Catalogue.open(settings.catalogue_url) as catalogue, StageProgress(stderr()) as progress:
            work = Reindexer(catalogue, BlobStore(settings.blobs_url), engine, executors, limits)
            return await work.run(lambda done, total: progress.advance("encoding", done, total))
    finally:
        await engine.stop()
        executors.close()


def doctor(
    ctx: typer.Context,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every vector and every picture.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild the index from the catalogue, and remove unused pictures.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Check that catalogue, vectors, index and pictures agree. Exit code 1 if they don't."""
    settings = load_settings(ctx, data_dir=data_dir)
    require_catalogue(settings)
    from index.blobs import BlobStore
    from index.catalogue import Catalogue
    from index.doctor import Severity, examine

    blobs = BlobStore(settings.blobs_url)
    with Catalogue.open(settings.catalogue_url) as catalogue:
        replica = _replica(settings, catalogue)
        if repair:
            catalogue.rebuild_words()
            if replica is not None:
                replica.rebuild()
                replica.save()
            removed = blobs.sweep(catalogue.blob_in_use, _SWEEP_OLDER_THAN_S)
            stdout().print(f"Rebuilt the index and removed {removed:,} unused files")
        findings = examine(catalogue, replica, blobs, deep=deep)
        counts = _counts(catalogue)
    colours = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
    for finding in findings:
        mark = f"[{colours[finding.severity]}]{finding.severity}[/] {finding.code}"
        stdout().print(f"{mark}: {escape(finding.detail)}", soft_wrap=True)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(EXIT_FAILURE)
    stdout().print(f"Healthy: {counts}")


def _replica(settings: Settings, catalogue: Catalogue) -> IndexReplica | None:
    """The index as a service would open it; None while the catalogue has never had a vector."""
    from index.replica import IndexReplica

    generation = catalogue.active_generation()
    return None if generation is None else IndexReplica(catalogue, settings.index_dir, generation)


def _counts(catalogue: Catalogue) -> str:
    from index.types import Kind

    return f"{catalogue.count(Kind.RECIPE):,} recipes and {catalogue.count(Kind.IMAGE):,} photos"
