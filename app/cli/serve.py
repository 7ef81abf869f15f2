"""``tastespace serve``."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from app.cli.common import EXIT_FAILURE, DataDir, DeviceOption, EncoderOption, RuntimeOption, load_settings


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (8000); 0: any free one.")] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
    data_dir: DataDir = None,
) -> None:
    """Start the service."""
    settings = load_settings(
        ctx, host=host, port=port, encoder=encoder, device=device, runtime=runtime, data_dir=data_dir
    )
    import uvicorn

    from app.factory import create_app
    from app.observability import configure_logging

    configure_logging(settings.log_level, as_json=settings.log_json)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
    server = uvicorn.Server(config)
    # After an orderly stop uvicorn raises the signal again; SIGTERM shall then end in exit code 0 all the same.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run()
    except KeyboardInterrupt:
        return
    except SystemExit as leaving:
        # uvicorn has logged why: the app can't start, or the port is taken.
        raise typer.Exit(EXIT_FAILURE if leaving.code else 0) from None
    if not server.started:
        raise typer.Exit(EXIT_FAILURE)
