"""Captions: latency over HTTP, one client; captions a second in batches; both beside the encoder alone.

    TASTESPACE_CAPTIONER=tastespace-captions tastespace serve &
    python -m benchmarks.caption_speed --photos FOLDER --url http://127.0.0.1:8000 [--json FILE]

Over HTTP the encoder alone is ``POST /v1/tags``, which encodes a photo and hardly does more. In this process captioner
and encoder run over the same photos, already decoded; runs take turns, round by round, so that whatever else the
machine does slows them all; of the rounds the median counts. Without ``--url`` only this is measured. How long a
caption is decides what it costs, so photos should be such as users send.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

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
from models.captioning.loading import DEFAULT_CAPTIONER, load_captioner
from models.captioning.types import Captioner, CaptionOptions
from models.registry import load_encoder
from models.types import JointEncoder


def calls(beams: int) -> list[Call]:
    asked = {"beams": str(beams)}
    return [
        Call("captions", "/v1/captions", asked),
        Call("captions with attention", "/v1/captions", {**asked, "attention": "true"}),
        Call("figure as PNG", "/v1/captions", asked, "image/png"),
        ENCODER_ALONE,
    ]


def rates(
    captioner: Captioner, encoder: JointEncoder, photos: Sequence[Path], batches: Sequence[int], beams: int, rounds: int
) -> dict[int, dict[str, float]]:
    """Photos a second by batch and run."""
    found: dict[int, dict[str, float]] = {}
    attends = captioner.info.grid is not None
    for batch in batches:
        pixels = decoded(photos, batch, captioner.info.preprocess)
        plain = CaptionOptions(beams=beams)
        runs: dict[str, Callable[[], object]] = {"captions": partial(captioner.caption_pixels, pixels, plain)}
        if attends:
            maps = CaptionOptions(beams=beams, attention=True)
            runs["captions with attention"] = partial(captioner.caption_pixels, pixels, maps)
        greedy = CaptionOptions(beams=1)
        runs["greedy captions"] = partial(captioner.caption_pixels, pixels, greedy)
        runs["encoder alone"] = partial(encoder.encode_pixels, decoded(photos, batch, encoder.info.preprocess))
        found[batch] = race(runs, batch, rounds)
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--captioner", default=DEFAULT_CAPTIONER, help="measured in this process")
    arguments.add_argument("--beams", type=int, default=5)
    options = arguments.parse_args()

    photos = photos_in(options.photos, options.seed)
    console = Console(width=160)
    over_http = measure_http(options, photos, calls(options.beams), console)
    if options.threads:
        torch.set_num_threads(options.threads)
    captioner = load_captioner(options.captioner, options.device)
    encoder = load_encoder(options.encoder, device=options.device, cache=options.cache, threads=options.threads)
    batched = rates(captioner, encoder, photos, options.batches, options.beams, options.rounds)
    title = title_of(
        f"{captioner.info.name}, {options.beams} beams", captioner.info.preprocess, encoder.info, options.threads
    )
    show_rates(batched, title, console)
    if options.json:
        record = {
            "machine": machine(),
            "captioner": captioner.info.name,
            "fingerprint": captioner.info.fingerprint,
            "encoder": encoder.info.name,
            "beams": options.beams,
            "threads": options.threads,
            "http_ms": waits_record(over_http),
            "photos_per_second": batched,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
