"""``tastespace worker``."""

from __future__ import annotations

import signal
from functools import partial
from logging import getLogger
from typing import Annotated

import typer

from app.cli.common import CommandError, DataDir, load_settings

_logger = getLogger(__name__)


def worker(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.", min=0, max=65535)] = 8100,
    data_dir: DataDir = None,
) -> None:
    """Run models for services elsewhere, which place them here by TASTESPACE_PLACEMENT=MODEL=DEVICE@HOST:PORT.

    Needs TASTESPACE_WORKER_KEY. Whoever has that key can run code on this machine, and what travels is not encrypted:
    listen on a private network only.
    """
    settings = load_settings(ctx, data_dir=data_dir)
    key = settings.required_worker_key()

    from app.engine.host import WorkerHost
    from app.engine.specs import on_this_machine
    from app.observability import configure_logging
    from app.placed import log_set_up

    configure_logging(settings.log_level, as_json=settings.log_json)
    adapt = partial(on_this_machine, threads=settings.threads or 0, cache=settings.models_dir)
    try:
        running = WorkerHost(host, port, key, adapt=adapt, set_up=log_set_up(settings))
    except OSError as error:
        raise CommandError(f"it can't listen on {host}, port {port}: {error.strerror or error}") from error
    with running:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: running.stop())
        _logger.info("a worker host listens on %s", running.address)
        running.serve()
