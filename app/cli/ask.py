"""``tastespace ask``: questions about a picture, and the figure of where the model looked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import EXIT_FAILURE, CommandError, DeviceOption, load_settings, stderr, stdout

if TYPE_CHECKING:
    from app.services.photo_views import PhotoView
    from app.settings import Settings
    from models.reasoning.types import AnswerOptions, Reasoner, Reasoning

MAX_ANSWERS = 50  # that of models.reasoning.types, which loads numpy


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a question: what was answered and why it is a guess, or an error."""

    question: str
    reasoning: Reasoning | None = None
    note: str | None = None
    error: str = ""


def ask(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A picture.")],
    questions: Annotated[
        list[str], typer.Argument(help="Questions about it, each in quotes.", metavar='"QUESTION"...')
    ],
    top_k: Annotated[int, typer.Option(min=1, max=MAX_ANSWERS, help="Most answers to a question, best first.")] = 5,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Draw where the model looked for each question: a file that ends in .png.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    reasoner: Annotated[
        str | None,
        typer.Option(
            help="tastespace-answers, attend:FOLDER or just FOLDER, huggingface:NAME_OR_FOLDER (TASTESPACE_REASONER).",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Ask questions about a picture. Needs no catalogue. What can't be a question is told, and the others go on."""
    _check_figure(figure)
    spec = f"attend:{reasoner}" if reasoner is not None and Path(reasoner).is_dir() else reasoner
    settings = load_settings(ctx, reasoner=spec, device=device)
    from app.pictures import PictureLimits
    from app.services.photo_views import view_photo
    from models.reasoning.figure import PANEL
    from models.reasoning.types import AnswerOptions, check_answer_options

    options = AnswerOptions(top_k, attention=figure is not None)
    limits = PictureLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
    data = file.read_bytes()
    loaded = _load(settings)
    check_answer_options(loaded.info, options)
    view = view_photo(data, limits, loaded.info.preprocess, None if figure is None else PANEL)
    results = _answered(loaded, view, questions, options)
    for result in results:
        if result.error:
            stderr().print(f"{result.question!r}: {result.error}", style="red", markup=False, soft_wrap=True)
        elif not as_json:
            _print(result)
    drawn = figure is not None and _draw(figure, view, results)
    if as_json:
        print(json.dumps([_record(result) for result in results], ensure_ascii=False))
    elif drawn:
        stdout().print(f"the figure is in {figure}", markup=False, soft_wrap=True)
    if any(result.error for result in results):
        raise typer.Exit(EXIT_FAILURE)


def _check_figure(figure: Path | None) -> None:
    if figure is None:
        return
    if figure.suffix.lower() != ".png" or figure.is_dir():
        raise typer.BadParameter("the figure is a PNG; let its name end in .png", param_hint="--figure")
    if not figure.parent.is_dir():
        raise typer.BadParameter(f"{figure.parent} is not a folder", param_hint="--figure")


def _load(settings: Settings) -> Reasoner:
    from app.engine.torch_worker import bound_threads
    from app.services.answering import SWITCHED_OFF
    from app.settings import NO_MODEL
    from models.reasoning.loading import load_reasoner

    if settings.reasoner == NO_MODEL:
        raise CommandError(f"{SWITCHED_OFF}, or choose one with --reasoner")
    bound_threads(settings.threads or 0)
    return load_reasoner(settings.reasoner, settings.device)


def _answered(reasoner: Reasoner, view: PhotoView, questions: Sequence[str], options: AnswerOptions) -> list[_Result]:
    """In the order of the questions, which are answered as one batch."""
    import numpy as np

    from app.services.answering import note_of
    from models.reasoning.types import QuestionError, check_question

    checked: list[_Result] = []
    for question in questions:
        try:
            checked.append(_Result(check_question(question)))
        except QuestionError as error:
            checked.append(_Result(question, error=str(error)))
    asked = [result.question for result in checked if not result.error]
    pixels = np.broadcast_to(view.pixels, (len(asked), *view.pixels.shape))
    found = iter(reasoner.answer_pixels(pixels, asked, options) if asked else [])
    results = []
    for result in checked:
        reasoning = None if result.error else next(found)
        note = None if reasoning is None else note_of(result.question, reasoning)
        results.append(replace(result, reasoning=reasoning, note=note))
    return results


def _draw(path: Path, view: PhotoView, results: Sequence[_Result]) -> bool:
    """Whether there was anything to draw."""
    from models.attention_figure import to_png
    from models.files import write_file
    from models.reasoning.figure import answer_figure

    answered = [(result.question, result.reasoning) for result in results if result.reasoning is not None]
    if view.panel is None or not answered:
        return False
    write_file(path, to_png(answer_figure(view.panel, answered, region=view.region)))
    return True


def _print(result: _Result) -> None:
    if result.reasoning is None:
        return
    answers = ", ".join(f"{each.text} ({each.probability:.1%})" for each in result.reasoning.answers)
    stdout().print(f"{result.question}  {answers}", markup=False, soft_wrap=True)
    if result.note is not None:
        stdout().print(f"  {result.note}", style="yellow", markup=False, soft_wrap=True)


def _record(result: _Result) -> dict[str, object]:
    if result.reasoning is None:
        return {"question": result.question, "error": result.error}
    reasoning = result.reasoning
    record: dict[str, object] = {
        "question": result.question,
        "answers": [{"answer": each.text, "probability": each.probability} for each in reasoning.answers],
        "known": reasoning.known,
        "unknown_words": list(reasoning.unknown_words),
    }
    if reasoning.question_type:
        record["question_type"] = reasoning.question_type
    if result.note is not None:
        record["note"] = result.note
    return record
