"""Answers: latency over HTTP, one client; questions a second in batches; both beside the encoder alone.

    TASTESPACE_REASONER=tastespace-answers tastespace serve &
    python -m benchmarks.answer_speed --photos FOLDER --url http://127.0.0.1:8000 [--json FILE]

Over HTTP the encoder alone is ``POST /v1/tags``, which encodes a photo and hardly does more. In this process reasoner
and encoder run over the same photos, already decoded; runs take turns, round by round, so that whatever else the
machine does slows them all; of the rounds the median counts. "Of one photo" are as many questions about the same photo,
which is looked at once. Without ``--url`` only this is measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from benchmarks.encoder_speed import race
from benchmarks.photo_speed import (
    ENCODER_ALONE,
    Call,
    decoded,
    measure_http,
    parser,
    photos_in,
    show_rates,
    title_of,
    waits_record,
)
from benchmarks.report import machine
from models.reasoning.loading import DEFAULT_REASONER, load_reasoner
from models.reasoning.types import AnswerOptions, Reasoner
from models.registry import load_encoder
from models.types import JointEncoder

QUESTIONS = ("is there cheese in it?", "what is the main ingredient?", "which course is it?", "is it vegetarian?")


def calls() -> list[Call]:
    asked = {"question": QUESTIONS[0]}
    return [
        Call("answers", "/v1/answers", asked),
        Call("answers with attention", "/v1/answers", {**asked, "attention": "true"}),
        Call("figure as PNG", "/v1/answers", asked, "image/png"),
        ENCODER_ALONE,
    ]


def rates(
    reasoner: Reasoner, encoder: JointEncoder, photos: Sequence[Path], batches: Sequence[int], rounds: int
) -> dict[int, dict[str, float]]:
    """Questions (of the encoder: photos) a second by batch and run."""
    found: dict[int, dict[str, float]] = {}
    for batch in batches:
        pixels = decoded(photos, batch, reasoner.info.preprocess)
        asked = [QUESTIONS[number % len(QUESTIONS)] for number in range(batch)]
        plain = AnswerOptions()
        runs: dict[str, Callable[[], object]] = {
            "answers": partial(reasoner.answer_pixels, pixels, asked, plain),
            "of one photo": partial(reasoner.answer_pixels, np.broadcast_to(pixels[0], pixels.shape), asked, plain),
        }
        if reasoner.info.grid is not None:
            runs["with attention"] = partial(reasoner.answer_pixels, pixels, asked, AnswerOptions(attention=True))
        runs["encoder alone"] = partial(encoder.encode_pixels, decoded(photos, batch, encoder.info.preprocess))
        found[batch] = race(runs, batch, rounds)
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--reasoner", default=DEFAULT_REASONER, help="measured in this process")
    options = arguments.parse_args()

    photos = photos_in(options.photos, options.seed)
    console = Console(width=160)
    over_http = measure_http(options, photos, calls(), console)
    if options.threads:
        torch.set_num_threads(options.threads)
    reasoner = load_reasoner(options.reasoner, options.device)
    encoder = load_encoder(options.encoder, device=options.device, cache=options.cache, threads=options.threads)
    batched = rates(reasoner, encoder, photos, options.batches, options.rounds)
    title = title_of(reasoner.info.name, reasoner.info.preprocess, encoder.info, options.threads)
    show_rates(batched, title, console)
    if options.json:
        record = {
            "machine": machine(),
            "reasoner": reasoner.info.name,
            "fingerprint": reasoner.info.fingerprint,
            "encoder": encoder.info.name,
            "threads": options.threads,
            "http_ms": waits_record(over_http),
            "questions_per_second": batched,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
