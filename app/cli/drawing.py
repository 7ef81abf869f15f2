"""What the commands that draw share: the models, candidates and their scores, and the files of sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import CommandError, load_encoder

if TYPE_CHECKING:
    from app.services.drawing import Candidate
    from app.settings import Settings
    from models.generation.types import DrawnPicture, Generator, PictureRequest
    from models.types import Float32Array, JointEncoder

MAX_SEED = 2**32 - 1  # that of models.generation.types, which loads numpy

GeneratorOption = Annotated[
    str | None,
    typer.Option(
        "--generator",
        help="tastespace-pictures, latent:FOLDER or just FOLDER, diffusers:NAME (TASTESPACE_GENERATOR).",
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
    from app.services.drawing import SWITCHED_OFF
    from app.settings import NO_MODEL
    from models.generation.loading import load_generator
    from models.generation.types import check_encoder

    if settings.generator == NO_MODEL:
        raise CommandError(f"{SWITCHED_OFF}, or choose one with --generator")
    generator = load_generator(settings.generator, settings.device)
    if not ranked and generator.info.conditions == "text":
        return Models(generator, None)
    encoder = load_encoder(settings)
    check_encoder(generator.info, encoder.info)
    return Models(generator, encoder)


def draw_seeds(generator: Generator, request: PictureRequest, seeds: Sequence[int], batch: int) -> list[DrawnPicture]:
    """``request`` with each of ``seeds``, ``batch`` at a time."""
    requests = [replace(request, seed=seed) for seed in seeds]
    return [
        each for start in range(0, len(requests), batch) for each in generator.draw(requests[start : start + batch])
    ]


def scored(encoder: JointEncoder, drawn: Sequence[DrawnPicture], vector: Float32Array) -> list[Candidate]:
    """The pictures with their inner products with ``vector``, float32 (dim,), in the joint space."""
    from PIL import Image

    from app.services.drawing import Candidate

    scores = encoder.encode_images([Image.fromarray(each.pixels) for each in drawn]) @ vector
    return [Candidate(each.seed, float(score), each.pixels) for each, score in zip(drawn, scores, strict=True)]


def check_sheet(sheet: Path | None, out: Path, option: str) -> None:
    """Raises BadParameter where a sheet can't be written; ``out`` is a folder that will be made."""
    if sheet is None:
        return
    if sheet.suffix.lower() != ".png":
        raise typer.BadParameter("the sheet is a PNG; let its name end in .png", param_hint=option)
    if sheet.parent != out and not sheet.parent.is_dir():
        raise typer.BadParameter(f"{sheet.parent} is not a folder", param_hint=option)
