"""Captions: latency over HTTP, one client; captions a second in batches; both beside the encoder alone.

    TASTESPACE_CAPTIONER=tastespace-captions tastespace serve &
    python -m benchmarks.caption_speed --photos FOLDER --url http://127.0.0.1:8000 [--json FILE]

Over HTTP the encoder alone is ``POST /v1/tags``, which encodes a photo and hardly does more. In this process captioner
and encoder run over the same photos, already decoded; runs take turns, round by round, so that whatever else the
machine does slows them all; of the rounds the median counts. Without ``--url`` only this is measured. How long a
caption is decides what it costs, so photos should be such as users send.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from app.pictures import PictureLimits, decode
from benchmarks.encoder_speed import race
from benchmarks.report import machine, percentile
from benchmarks.search_latency import SUFFIXES, parse_server_timing
from models.captioning.loading import DEFAULT_CAPTIONER, load_captioner
from models.captioning.types import Captioner, CaptionOptions
from models.preprocess import to_pixels
from models.registry import DEFAULT_ENCODER, load_encoder
from models.types import ImagePreprocess, JointEncoder, UInt8Array

STAGES = ("decode", "encode", "caption", "draw", "total")


@dataclass(frozen=True)
class Call:
    """A kind of request: what it is called in the table, and how it is made."""

    name: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"


def calls(beams: int) -> list[Call]:
    asked = {"beams": str(beams)}
    return [
        Call("captions", "/v1/captions", asked),
        Call("captions with attention", "/v1/captions", {**asked, "attention": "true"}),
        Call("figure as PNG", "/v1/captions", asked, "image/png"),
        Call("encoder alone (tags)", "/v1/tags"),
    ]


def waits(url: str, photos: Sequence[Path], requests: int, beams: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by call and stage; the calls take turns, and the first round of each warms up."""
    found: dict[str, dict[str, list[float]]] = {}
    with httpx.Client(base_url=url, timeout=120) as client:
        for number in range(requests + 1):
            photo = photos[number % len(photos)]
            body = photo.read_bytes()
            for call in calls(beams):
                started = time.perf_counter()
                response = client.post(
                    call.path, files={"file": (photo.name, body)}, data=call.form, headers={"accept": call.accept}
                )
                total = (time.perf_counter() - started) * 1e3
                response.raise_for_status()
                if number:
                    stages = found.setdefault(call.name, defaultdict(list))
                    stages["total"].append(total)
                    for stage, milliseconds in parse_server_timing(response.headers["server-timing"]).items():
                        stages[stage].append(milliseconds)
    return found


def decoded(photos: Sequence[Path], count: int, spec: ImagePreprocess) -> UInt8Array:
    """uint8 (count, size, size, 3); of fewer photos some come again."""
    limits = PictureLimits()
    chosen = [photos[number % len(photos)] for number in range(count)]
    return np.stack([to_pixels(decode(each.read_bytes(), limits).image, spec) for each in chosen])


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


def show_waits(found: Mapping[str, Mapping[str, Sequence[float]]], console: Console) -> None:
    table = Table(title=f"one photo over HTTP, one client, ms ({machine()})", title_justify="left")
    table.add_column("request")
    table.add_column("requests", justify="right")
    for stage in STAGES:
        table.add_column(f"{stage} p50 / p99", justify="right")
    for name, stages in found.items():
        cells = [
            f"{percentile(stages[stage], 50):.1f} / {percentile(stages[stage], 99):.1f}" if stage in stages else "-"
            for stage in STAGES
        ]
        table.add_row(name, str(len(stages["total"])), *cells)
    console.print(table)


def show_rates(found: Mapping[int, Mapping[str, float]], title: str, console: Console) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("batch", justify="right")
    names = list(next(iter(found.values())))
    for name in names:
        table.add_column(f"{name}, a second", justify="right")
    for batch, row in found.items():
        table.add_row(str(batch), *(f"{row[name]:.1f}" for name in names))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--url", help="of a running service; its captioner is what TASTESPACE_CAPTIONER says")
    parser.add_argument("--requests", type=int, default=100, help="of each kind")
    parser.add_argument("--captioner", default=DEFAULT_CAPTIONER, help="measured in this process")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, help="folder of converted models")
    parser.add_argument("--threads", type=int, default=0, help="of each model; 0: its own choice")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not photos:
        parser.error(f"no pictures in {options.photos}")
    random.Random(options.seed).shuffle(photos)
    console = Console(width=160)
    over_http = waits(options.url, photos, options.requests, options.beams) if options.url else {}
    if over_http:
        show_waits(over_http, console)
    if options.threads:
        torch.set_num_threads(options.threads)
    captioner = load_captioner(options.captioner, options.device)
    encoder = load_encoder(options.encoder, device=options.device, cache=options.cache, threads=options.threads)
    batched = rates(captioner, encoder, photos, options.batches, options.beams, options.rounds)
    title = (
        f"{captioner.info.name} at {captioner.info.preprocess.size} pixels, {options.beams} beams; {encoder.info.name} "
        f"at {encoder.info.preprocess.size} by {encoder.info.runtime}; {options.threads or 'all'} threads ({machine()})"
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
            "http_ms": {
                name: {
                    stage: {"p50": percentile(values, 50), "p99": percentile(values, 99)}
                    for stage, values in stages.items()
                }
                for name, stages in over_http.items()
            },
            "photos_per_second": batched,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
