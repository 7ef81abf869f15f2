"""``tastespace generate``: pictures of what a text says, in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import DeviceOption, EncoderOption, RuntimeOption, load_settings, stdout
from app.cli.drawing import (
    MAX_SEED,
    GeneratorOption,
    Models,
    check_sheet,
    draw_seeds,
    generator_spec,
    load_models,
    picture_vectors,
)

if TYPE_CHECKING:
    from app.services.drawing import Drawing
    from models.generation.types import DrawnPicture, GeneratorInfo
    from models.types import UInt8Array

_LONGEST_NAME = 60
_GAP, _LABEL = 8, 20  # pixels of the contact sheet


class Formats(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


_SUFFIXES = {Formats.PNG: "png", Formats.JPEG: "jpg", Formats.WEBP: "webp"}


@dataclass(frozen=True, slots=True)
class _Result:
    prompt: str
    file: Path
    seed: int
    score: float | None
    pixels: UInt8Array


def generate(
    ctx: typer.Context,
    prompts: Annotated[list[str], typer.Argument(help="What to draw; quote each of them.")],
    out: Annotated[Path, typer.Option(help="Folder of the pictures; made where it is not there.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Pictures of each prompt.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_SEED, help="Picture i of seed s is drawn with seed s + i; left out: by chance, as printed."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="128x128, say, or auto.")] = "auto",
    truncation: Annotated[
        float, typer.Option(min=0.01, max=1, help="Scale of the noise: less is more typical and less varied.")
    ] = 1.0,
    negative: Annotated[str, typer.Option(help="What not to draw, where the generator can be told.")] = "",
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Pictures to draw of each prompt, of which the --n that the joint encoder finds nearest are kept.",
            show_default=False,
        ),
    ] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Also all of them on one sheet, a row for each prompt (PNG).")
    ] = None,
    picture_format: Annotated[Formats, typer.Option("--format", help="Of the files.")] = Formats.PNG,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    generator: GeneratorOption = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Draw pictures. Needs no catalogue. Each file says in its metadata that a model drew it."""
    if candidates is not None and candidates < n:
        raise typer.BadParameter(f"{candidates} is less than --n, which is {n}", param_hint="--candidates")
    check_sheet(contact_sheet, out, "--contact-sheet")
    texts = [_checked(prompt, "PROMPTS") for prompt in prompts]
    unwanted = _checked(negative, "--negative") if negative.strip() else ""
    settings = load_settings(ctx, generator=generator_spec(generator), encoder=encoder, device=device, runtime=runtime)
    from app.services.drawing import Drawing, count_candidates, new_seed, side_of
    from app.services.query import Text

    count = count_candidates(n, candidates, per_picture=settings.generator_candidates, seed_given=seed is not None)
    models = load_models(settings, ranked=count > n)
    drawing = Drawing(
        subject=Text(""),
        n=n,
        seed=new_seed() if seed is None else seed,
        candidates=count,
        size=side_of(size, models.generator.info),
        truncation=truncation,
        negative=unwanted,
        picture_format=picture_format.value,
    )
    out.mkdir(parents=True, exist_ok=True)
    names = _names(texts)
    rows: list[list[_Result]] = []
    for text in texts:
        rows.append([])
        best = _draw(models, replace(drawing, subject=Text(text)), text, settings.generator_batch)
        for result in _write(best, drawing, text, out / names[text], models.generator.info):
            rows[-1].append(result)
            if not as_json:
                _print(result)
    if contact_sheet is not None:
        _draw_sheet(contact_sheet, rows)
    if as_json:
        print(json.dumps([_record(result) for results in rows for result in results], ensure_ascii=False))


def _checked(text: str, option: str) -> str:
    from app.services.drawing import MAX_PROMPT, check_prompt

    stripped = text.strip()
    if not stripped:
        raise typer.BadParameter("a prompt is empty; say what to draw", param_hint=option)
    if len(stripped) > MAX_PROMPT:
        raise typer.BadParameter(
            f"a prompt has {len(stripped)} characters; the most is {MAX_PROMPT}", param_hint=option
        )
    try:
        return check_prompt(stripped)
    except ValueError as error:
        raise typer.BadParameter(f"a prompt {error}", param_hint=option) from None


def _names(texts: Sequence[str]) -> dict[str, str]:
    """The beginning of the files' names for each prompt; prompts that look alike get numbers."""
    names: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        plain = re.sub(r"\W+", "-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "picture"
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain}-{number}"
        names[text] = name
    return names


def _draw(models: Models, drawing: Drawing, text: str, batch: int) -> list[tuple[DrawnPicture, float | None]]:
    """The pictures that are kept, and their scores where there is an encoder."""
    from app.services.drawing import Candidate, check_drawing, chosen
    from models.generation.types import DrawnPicture, PictureRequest

    info, encoder = models.generator.info, models.encoder
    check_drawing(drawing, info)
    by_vector = info.conditions == "vector"
    texts = [text, drawing.negative] if by_vector and drawing.negative else [text]
    vectors = None if encoder is None else encoder.encode_texts(texts)
    request = PictureRequest(
        text=text,
        vector=vectors[0] if by_vector and vectors is not None else None,
        size=drawing.size,
        truncation=drawing.truncation,
        negative_text=drawing.negative,
        negative_vector=vectors[1] if vectors is not None and len(vectors) > 1 else None,
    )
    drawn = draw_seeds(models.generator, request, drawing.seeds, batch)
    if encoder is None or vectors is None:
        return [(each, None) for each in drawn]
    scores = picture_vectors(encoder, drawn) @ vectors[0]
    candidates = [Candidate(each.seed, float(score), each.pixels) for each, score in zip(drawn, scores, strict=True)]
    return [(DrawnPicture(each.pixels, each.seed), each.score) for each in chosen(candidates, drawing.n)]


def _write(
    best: Sequence[tuple[DrawnPicture, float | None]], drawing: Drawing, text: str, stem: Path, info: GeneratorInfo
) -> Iterator[_Result]:
    from models.files import write_file
    from models.generation.provenance import Provenance, encode_picture

    for each, score in best:
        said = Provenance(info.name, text, each.seed, info.fingerprint, drawing.negative, drawing.truncation)
        file = stem.with_name(f"{stem.name}-{each.seed}.{_SUFFIXES[Formats(drawing.picture_format)]}")
        write_file(file, encode_picture(each.pixels, said, drawing.picture_format))
        yield _Result(text, file, each.seed, score, each.pixels)


def _draw_sheet(path: Path, rows: Sequence[Sequence[_Result]]) -> None:
    """Pictures row by row, each row below its prompt."""
    from io import BytesIO

    from PIL import Image, ImageDraw, ImageFont

    from models.files import write_file

    side = len(rows[0][0].pixels)
    width, height = (len(rows[0]) * (side + _GAP) + _GAP, len(rows) * (side + _LABEL + _GAP) + _GAP)
    sheet = Image.new("RGB", (width, height), "white")
    label, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for row, results in enumerate(rows):
        top = _GAP + row * (side + _LABEL + _GAP)
        label.text((_GAP, top), " ".join(results[0].prompt.split())[: width // 6], "black", font)
        for column, result in enumerate(results):
            sheet.paste(Image.fromarray(result.pixels), (_GAP + column * (side + _GAP), top + _LABEL))
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    write_file(path, buffer.getvalue())


def _print(result: _Result) -> None:
    score = "" if result.score is None else f", score {result.score:.3f}"
    stdout().print(f"{result.file}: {result.prompt}  (seed {result.seed}{score})", markup=False, soft_wrap=True)


def _record(result: _Result) -> dict[str, object]:
    record: dict[str, object] = {"prompt": result.prompt, "file": str(result.file), "seed": result.seed}
    return record if result.score is None else record | {"score": result.score}
