"""What the commands that draw share: the models, candidates and their scores, and the files of sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import CommandError, load_encoder

if TYPE_CHECKING:
    from app.settings import Settings
    from models.generation.types import DrawnPicture, Generator, GeneratorInfo, PictureRequest
    from models.types import Float32Array, JointEncoder

MAX_SEED = 2**32 - 1  # that of models.generation.types, which loads numpy

GeneratorOption = Annotated[
    str | None,
    typer.Option(
        "--generator",
        help="tastespace-pictures, latent:FOLDER or just FOLDER, diffusers:NAME, auto (TASTESPACE_GENERATOR).",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Models:
    """``encoder`` is there where vectors or scores are wanted."""

    generator: Generator
    encoder: JointEncoder | None


def generator_spec(generator: str | None) -> str | None:
    """The setting that an option means: a folder may stand for itself."""
    return f"latent:{generator}" if generator is not None and Path(generator).is_dir() else generator


def load_models(settings: Settings, *, ranked: bool) -> Models:
    """The generator of the settings, and the encoder where pictures are ``ranked`` or drawn from vectors.

    Raises:
        CommandError: the settings ask for no generator.
        ModelError: a model can't be loaded, or one does not fit the other.
    """
    generator = load_generator(settings)
    if not ranked and generator.info.conditions == "text":
        return Models(generator, None)
    return Models(generator, load_fitting_encoder(settings, generator.info))


def load_generator(settings: Settings) -> Generator:
    """Raises CommandError where the settings ask for none, GeneratorUnavailableError where it can't be loaded."""
    from app.services.drawing import SWITCHED_OFF
    from app.settings import NO_MODEL
    from models.generation import loading

    if settings.generator == NO_MODEL:
        raise CommandError(f"{SWITCHED_OFF}, or choose one with --generator")
    return loading.load_generator(settings.generator, settings.device)


def load_fitting_encoder(settings: Settings, generator: GeneratorInfo) -> JointEncoder:
    """Raises ModelError where it can't be loaded, or the generator was trained on another one's vectors."""
    from models.generation.types import check_encoder

    encoder = load_encoder(settings)
    check_encoder(generator, encoder.info)
    return encoder


def draw_seeds(generator: Generator, request: PictureRequest, seeds: Sequence[int], batch: int) -> list[DrawnPicture]:
    """``request`` with each of ``seeds``, ``batch`` at a time."""
    requests = [replace(request, seed=seed) for seed in seeds]
    return [
        each for start in range(0, len(requests), batch) for each in generator.draw(requests[start : start + batch])
    ]


def picture_vectors(encoder: JointEncoder, drawn: Sequence[DrawnPicture]) -> Float32Array:
    """Where the pictures are in the joint space, float32 (n, dim)."""
    from PIL import Image

    return encoder.encode_images([Image.fromarray(each.pixels) for each in drawn])


def check_sheet(sheet: Path | None, out: Path, option: str) -> None:
    """Raises BadParameter where a sheet can't be written; ``out`` is a folder that will be made."""
    if sheet is None:
        return
    if sheet.suffix.lower() != ".png":
        raise typer.BadParameter("the sheet is a PNG; let its name end in .png", param_hint=option)
    if sheet.parent != out and not sheet.parent.is_dir():
        raise typer.BadParameter(f"{sheet.parent} is not a folder", param_hint=option)
