"""What the commands share: consoles, settings, and errors as one sentence instead of a trace."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from typer.core import TyperGroup

from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from models.types import JointEncoder

T = TypeVar("T")

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the catalogue, pictures and index.", show_default=False)
]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", help="tastespace-lite, lite:FOLDER, open_clip:MODEL/PRETRAINED or open_clip:MODEL@FILE."),
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, mps, cuda or cuda:N.")]
RuntimeOption = Annotated[
    str | None, typer.Option("--runtime", help="What computes the model: auto (OpenVINO on a CPU), torch or openvino.")
]


class CommandError(Exception):
    """A command can't do what was asked; the message is one clear sentence."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def stdout() -> Console:
    """Where results go. Made anew for each use: the stream may be replaced meanwhile."""
    return Console(highlight=False, soft_wrap=False)


def stderr() -> Console:
    """Where progress, notes and errors go."""
    return Console(stderr=True, highlight=False)


class Commands(TyperGroup):
    """The root group: an expected error ends the program with one sentence on standard error."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stderr().print("Stopped; what was stored by then stays.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except Exception as error:
            found = _sentence(error)
            if found is None:
                raise
            message, exit_code = found
            stderr().print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True)
            raise typer.Exit(exit_code) from None


def _sentence(error: Exception) -> tuple[str, int] | None:
    """The sentence and exit code of an error that is no fault of the program; None for a fault."""
    # Imported here, so that `--help` doesn't wait for them.
    import httpx
    from sqlalchemy.exc import SQLAlchemyError

    from app.engine.types import EngineError
    from app.importers.base import ImportSourceError
    from app.pictures import PictureError
    from app.problems import Problem
    from index.types import IndexRoomError
    from models.types import ModelError

    match error:
        case CommandError():
            return str(error), error.exit_code
        case SettingsError():
            return str(error), EXIT_USAGE
        case IndexRoomError() | EngineError() | ModelError() | ImportSourceError() | PictureError() | Problem():
            return str(error), EXIT_FAILURE
        case SQLAlchemyError() | sqlite3.Error():
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            return f"the catalogue can't be used: {reason}", EXIT_FAILURE
        case httpx.HTTPError():
            return f"the download failed: {error}", EXIT_FAILURE
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}", EXIT_FAILURE
    return None


def load_settings(ctx: typer.Context, **overrides: Any) -> Settings:
    """The environment's settings, overridden by the options before and after the command's name.

    Raises:
        SettingsError: a value is wrong.
    """
    before: dict[str, Any] = ctx.find_root().obj or {}
    given = {name: value for name, value in overrides.items() if value is not None}
    return Settings.load(**{**before, **given})


def load_encoder(settings: Settings) -> JointEncoder:
    """The encoder of the settings, for commands that work without a catalogue. Raises ModelError."""
    from models import registry

    return registry.load_encoder(
        settings.encoder,
        device=settings.device,
        runtime=settings.runtime,
        cache=settings.existing_models_dir,
        threads=settings.threads or 0,
    )


def require_catalogue(settings: Settings) -> None:
    """Raises CommandError where there is no catalogue yet: a look must not make one."""
    path = settings.data_dir / "catalogue.sqlite"
    if settings.database_url is None and not path.is_file():
        raise CommandError(f"there is no catalogue in {settings.data_dir}; choose its folder with --data-dir")


def log_warnings() -> None:
    """Let warnings of the other rooms be seen on standard error."""
    handler = RichHandler(console=stderr(), show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run asynchronous work to its end. On SIGINT it is cancelled, cleans up, and KeyboardInterrupt is raised."""
    return asyncio.run(work)
