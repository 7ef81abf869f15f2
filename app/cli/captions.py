"""``tastespace caption``: captions of pictures, and the figure of where the model looked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import EXIT_FAILURE, CommandError, DeviceOption, load_settings, stderr, stdout

if TYPE_CHECKING:
    from app.pictures import PictureLimits
    from app.services.photo_views import PhotoView
    from app.settings import Settings
    from models.captioning.types import Caption, Captioner, CaptionOptions

MAX_BEAMS, MAX_WORDS = 20, 50  # those of models.captioning.types, which loads numpy
_BATCH = 16


class Styles(StrEnum):
    AUTO = "auto"
    GENERAL = "general"
    DISH = "dish"


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a file: captions, best first, or an error; and where its figure is."""

    file: Path
    captions: Sequence[Caption] = ()
    error: str = ""
    figure: Path | None = None


def caption(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Pictures.")],
    style: Annotated[
        Styles, typer.Option(help="general describes what is seen, dish names the dish; auto is dish for food.")
    ] = Styles.AUTO,
    beams: Annotated[int, typer.Option(min=1, max=MAX_BEAMS, help="Hypotheses of the search; 1 is greedy.")] = 5,
    num_captions: Annotated[
        int, typer.Option(min=1, max=MAX_BEAMS, help="Captions of a picture, best first; at most --beams.")
    ] = 1,
    max_words: Annotated[int, typer.Option(min=1, max=MAX_WORDS, help="The longest caption.")] = 24,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Draw where the model looked for each word of the best caption: a file that ends in .png for one "
            "picture, else a folder.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    captioner: Annotated[
        str | None,
        typer.Option(
            help="tastespace-captions, tell:FOLDER or just FOLDER, huggingface:NAME_OR_FOLDER, coca:MODEL/PRETRAINED "
            "(TASTESPACE_CAPTIONER).",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Caption pictures. Needs no catalogue. A file that is no picture is told, and the others go on."""
    if num_captions > beams:
        raise typer.BadParameter(f"{num_captions} is more than --beams, which is {beams}", param_hint="--num-captions")
    figures = _figure_paths(files, figure)
    spec = f"tell:{captioner}" if captioner is not None and Path(captioner).is_dir() else captioner
    settings = load_settings(ctx, captioner=spec, device=device)
    from app.pictures import PictureLimits
    from models.captioning.types import CaptionOptions, check_options

    options = CaptionOptions(style.value, beams, num_captions, max_words, attention=figure is not None)
    limits = PictureLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
    loaded = _load(settings)
    check_options(loaded.info, options)
    results: list[_Result] = []
    for start in range(0, len(files), _BATCH):
        for result in _captioned(loaded, files[start : start + _BATCH], options, limits, figures):
            results.append(result)
            if result.error:
                stderr().print(f"{result.file}: {result.error}", style="red", markup=False, soft_wrap=True)
            elif not as_json:
                _print(result)
    if as_json:
        print(json.dumps([_record(result) for result in results], ensure_ascii=False))
    if any(result.error for result in results):
        raise typer.Exit(EXIT_FAILURE)


def _figure_paths(files: Sequence[Path], figure: Path | None) -> dict[Path, Path]:
    """Where each file's figure goes; files of one name in different folders get numbers."""
    if figure is None:
        return {}
    if figure.suffix.lower() == ".png" and not figure.is_dir():
        if len(files) > 1:
            raise typer.BadParameter("give a folder for the figures of several pictures", param_hint="--figure")
        if not figure.parent.is_dir():
            raise typer.BadParameter(f"{figure.parent} is not a folder", param_hint="--figure")
        return {files[0]: figure}
    if figure.exists() and not figure.is_dir():
        raise typer.BadParameter("the figure is a PNG; let its name end in .png", param_hint="--figure")
    figure.mkdir(parents=True, exist_ok=True)
    paths: dict[Path, Path] = {}
    taken: set[Path] = set()
    for file in dict.fromkeys(files):
        number, path = 1, figure / f"{file.stem}.png"
        while path in taken:
            number += 1
            path = figure / f"{file.stem}-{number}.png"
        paths[file] = path
        taken.add(path)
    return paths


def _load(settings: Settings) -> Captioner:
    from app.engine.torch_worker import bound_threads
    from app.services.captioning import SWITCHED_OFF
    from app.settings import NO_MODEL
    from models.captioning.loading import load_captioner

    if settings.captioner == NO_MODEL:
        raise CommandError(f"{SWITCHED_OFF}, or choose one with --captioner")
    bound_threads(settings.threads or 0)
    return load_captioner(settings.captioner, settings.device)


def _captioned(
    captioner: Captioner,
    files: Sequence[Path],
    options: CaptionOptions,
    limits: PictureLimits,
    figures: dict[Path, Path],
) -> Iterator[_Result]:
    """Results in the order of ``files``, which are captioned as one batch."""
    import numpy as np

    from app.pictures import PictureError
    from app.services.photo_views import PhotoView, view_photo
    from models.attention_figure import PANEL, to_png
    from models.captioning.figure import attention_figure
    from models.files import write_file

    spec, panel = captioner.info.preprocess, PANEL if figures else None
    opened: list[PhotoView | str] = []
    for file in files:
        try:
            opened.append(view_photo(file.read_bytes(), limits, spec, panel))
        except PictureError as error:
            opened.append(str(error))
        except OSError as error:
            opened.append(error.strerror or str(error))
    photos = [each for each in opened if isinstance(each, PhotoView)]
    found = iter(captioner.caption_pixels(np.stack([each.pixels for each in photos]), options) if photos else [])
    for file, photo in zip(files, opened, strict=True):
        if isinstance(photo, str):
            yield _Result(file, error=photo)
            continue
        captions = next(found)
        if not captions:
            yield _Result(file, error="the model found no caption; ask for more beams or words")
            continue
        if (path := figures.get(file)) is not None and photo.panel is not None:
            write_file(path, to_png(attention_figure(photo.panel, captions[0], region=photo.region)))
        yield _Result(file, captions, figure=path)


def _print(result: _Result) -> None:
    for each in result.captions:
        line = f"{result.file}: {each.text}  ({each.style}, {each.log_probability:.2f})"
        stdout().print(line, markup=False, soft_wrap=True)
    if result.figure is not None:
        stdout().print(f"{result.file}: the figure is in {result.figure}", markup=False, soft_wrap=True)


def _record(result: _Result) -> dict[str, object]:
    if result.error:
        return {"file": str(result.file), "error": result.error}
    record: dict[str, object] = {
        "file": str(result.file),
        "captions": [
            {
                "text": each.text,
                "style": each.style,
                "log_probability": each.log_probability,
                "words": [
                    {
                        "text": word.text,
                        "probability": min(1.0, math.exp(word.log_probability)),
                        "log_probability": word.log_probability,
                    }
                    for word in each.words
                ],
            }
            for each in result.captions
        ],
    }
    if result.figure is not None:
        record["figure"] = str(result.figure)
    return record
