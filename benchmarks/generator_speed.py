"""Drawing: latency over HTTP, one client; pictures a second in batches.

    TASTESPACE_GENERATOR=tastespace-pictures tastespace serve &
    python -m benchmarks.generator_speed --url http://127.0.0.1:8000 [--json FILE]

Over HTTP each request has a seed of its own; half of them draw several candidates for each picture. In this process the
generator alone is measured, on vectors that were encoded before; of the rounds the median counts. Without ``--url``
only this is measured.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.encoder_speed import race
from benchmarks.report import machine, percentile
from benchmarks.search_latency import parse_server_timing
from models.evaluation.generator_sheets import SHEET_PROMPTS
from models.generation.loading import DEFAULT_GENERATOR, load_generator
from models.generation.types import Generator, PictureRequest
from models.registry import DEFAULT_ENCODER, load_encoder


def waits(
    url: str, requests: int, counts: Sequence[int], candidates: int
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """Milliseconds by kind of request and stage, and the stages; kinds take turns, and the first round warms up."""
    found: dict[str, dict[str, list[float]]] = {}
    kinds = {f"{count} x, {drawn} drawn": (count, drawn) for count in counts for drawn in (count, count * candidates)}
    with httpx.Client(base_url=url, timeout=600) as client:
        for number in range(requests + 1):
            for name, (count, drawn) in kinds.items():
                prompt = SHEET_PROMPTS[number % len(SHEET_PROMPTS)]
                body = {"prompt": prompt, "n": count, "candidates": drawn, "seed": 1000 * number}
                started = time.perf_counter()
                response = client.post("/v1/images/generations", json=body)
                total = (time.perf_counter() - started) * 1e3
                response.raise_for_status()
                if number:
                    own = found.setdefault(name, defaultdict(list))
                    for stage, milliseconds in parse_server_timing(response.headers["server-timing"]).items():
                        own[stage].append(milliseconds)
                    own["total"].append(total)
    return found, list(dict.fromkeys(stage for own in found.values() for stage in own))


def rates(
    generator: Generator, asked: Sequence[PictureRequest], batches: Sequence[int], rounds: int
) -> dict[int, float]:
    """Pictures a second by batch."""
    return {batch: race({"draw": partial(generator.draw, asked[:batch])}, batch, rounds)["draw"] for batch in batches}


def requests_for(generator: Generator, encoder: str, device: str, count: int) -> list[PictureRequest]:
    """Requests of the sheet's prompts, each of a seed of its own, with vectors where the generator takes them."""
    prompts = [SHEET_PROMPTS[number % len(SHEET_PROMPTS)] for number in range(count)]
    size = generator.info.sizes[0]
    if generator.info.conditions == "text":
        return [PictureRequest(prompt, seed=seed, size=size) for seed, prompt in enumerate(prompts)]
    vectors = load_encoder(encoder, device=device, runtime="torch").encode_texts(prompts)
    pairs = zip(prompts, vectors, strict=True)
    return [PictureRequest(prompt, vector, seed=seed, size=size) for seed, (prompt, vector) in enumerate(pairs)]


def show_waits(found: Mapping[str, Mapping[str, Sequence[float]]], stages: Sequence[str], console: Console) -> None:
    table = Table(title=f"pictures over HTTP, one client, ms ({machine()})", title_justify="left")
    table.add_column("pictures")
    table.add_column("requests", justify="right")
    for stage in stages:
        table.add_column(f"{stage} p50 / p99", justify="right")
    for name, own in found.items():
        cells = [
            f"{percentile(own[stage], 50):.1f} / {percentile(own[stage], 99):.1f}" if stage in own else "-"
            for stage in stages
        ]
        table.add_row(name, str(len(own["total"])), *cells)
    console.print(table)


def show_rates(found: Mapping[int, float], title: str, console: Console) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("batch", justify="right")
    table.add_column("pictures a second", justify="right")
    for batch, rate in found.items():
        table.add_row(str(batch), f"{rate:.2f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a running service; its generator is what TASTESPACE_GENERATOR says")
    parser.add_argument("--requests", type=int, default=20, help="of each kind")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 4], help="pictures of a request")
    parser.add_argument("--candidates", type=int, default=4, help="drawn for each picture, in every second kind")
    parser.add_argument("--generator", default=DEFAULT_GENERATOR, help="measured in this process")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    console = Console(width=160)
    over_http: dict[str, dict[str, list[float]]] = {}
    if options.url:
        over_http, stages = waits(options.url, options.requests, options.counts, options.candidates)
        show_waits(over_http, stages, console)
    if options.threads:
        torch.set_num_threads(options.threads)
    generator = load_generator(options.generator, options.device)
    info = generator.info
    asked = requests_for(generator, options.encoder, options.device, max(options.batches))
    drawn = rates(generator, asked, options.batches, options.rounds)
    title = (
        f"{info.name} at {info.sizes[0]} pixels, {info.parameters:,} parameters, on {info.device}; "
        f"{options.threads or 'all'} threads ({machine()})"
    )
    show_rates(drawn, title, console)
    if options.json:
        record = {
            "machine": machine(),
            "generator": info.name,
            "fingerprint": info.fingerprint,
            "parameters": info.parameters,
            "size": info.sizes[0],
            "threads": options.threads,
            "http_ms": {
                name: {stage: {"p50": percentile(ms, 50), "p99": percentile(ms, 99)} for stage, ms in own.items()}
                for name, own in over_http.items()
            },
            "pictures_per_second": drawn,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
