"""An encoder's speed on a CPU: OpenVINO beside torch in float32, and beside its bare vision tower before training.

    python -m benchmarks.encoder_speed [--encoder lite:FOLDER] [--threads 2] [--json FILE]

Three runs of photos over the same batches: the shipped model on OpenVINO, the same under torch, and the pooled
features of plain ``tf_efficientnet_lite0`` at 224 pixels under torch, which is what a photo costs at the very least
there. Runs take turns, round by round, so that whatever else the machine does slows them all; of the rounds the
median counts. Recipes are the built-in ones and lines are theirs, so texts have the lengths of real ones; pictures are
noise, which costs the same as any.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import timm
import torch
from rich.console import Console
from rich.table import Table

from app.builtin import builtin_bundles
from benchmarks.report import machine, percentile
from models.registry import DEFAULT_ENCODER, load_encoder
from models.types import JointEncoder, RecipeText, UInt8Array

Runs: TypeAlias = dict[str, Callable[[], object]]

PLAIN, PLAIN_SIZE = "tf_efficientnet_lite0", 224


@dataclass(frozen=True)
class Rate:
    """One way of computing: what is counted, how many in a batch, how many a second (median over the rounds)."""

    runtime: str
    what: str
    batch: int
    per_second: float


def noise(count: int, size: int, seed: int = 0) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def recipes() -> list[RecipeText]:
    found = [item.recipe for bundle in builtin_bundles() if (item := bundle.recipe) is not None]
    return [RecipeText(each.title, tuple(each.ingredients), tuple(each.instructions)) for each in found]


def plain_features() -> Callable[[UInt8Array], object]:
    """uint8 photos through the network as timm builds it: the values of its weights don't change its speed."""
    network = timm.create_model(PLAIN, num_classes=0).eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(pixels: UInt8Array) -> object:
        scaled = torch.tensor(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        return network(scaled)

    return run


def race(runs: Runs, items: int, rounds: int) -> dict[str, float]:
    """Items a second of each run by name: one round to warm up, then ``rounds`` in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: items / percentile(values, 50) for name, values in seconds.items()}


def photo_rates(encoders: Sequence[JointEncoder], batches: Sequence[int], rounds: int) -> list[Rate]:
    plain = plain_features()
    size = encoders[0].info.preprocess.size
    rates: list[Rate] = []
    for batch in batches:
        pixels, small = noise(batch, size), noise(batch, PLAIN_SIZE)
        runs: Runs = {each.info.runtime: partial(each.encode_pixels, pixels) for each in encoders}
        runs[f"plain {PLAIN}, torch"] = partial(plain, small)
        rates += [Rate(name, "photos", batch, rate) for name, rate in race(runs, batch, rounds).items()]
    return rates


def text_rates(encoders: Sequence[JointEncoder], count: int, rounds: int) -> list[Rate]:
    chosen = recipes()[:count]
    lines = list(dict.fromkeys(line for recipe in chosen for line in (*recipe.ingredients, *recipe.instructions)))
    rates: list[Rate] = []
    by_line: Runs = {each.info.runtime: partial(each.encode_texts, lines) for each in encoders}
    by_recipe: Runs = {each.info.runtime: partial(each.encode_recipes, chosen) for each in encoders}
    for what, runs, items in (("lines", by_line, len(lines)), ("recipes", by_recipe, len(chosen))):
        rates += [Rate(name, what, items, rate) for name, rate in race(runs, items, rounds).items()]
    return rates


def latencies(encoder: JointEncoder, requests: int) -> list[float]:
    """Milliseconds of single photos, one after the other."""
    pixels = noise(1, encoder.info.preprocess.size)
    encoder.encode_pixels(pixels)
    found = []
    for _ in range(requests):
        started = time.perf_counter()
        encoder.encode_pixels(pixels)
        found.append((time.perf_counter() - started) * 1e3)
    return found


def show(rates: Sequence[Rate], waits: dict[str, list[float]], title: str, console: Console) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("batch", justify="right")
    names = list(dict.fromkeys(rate.runtime for rate in rates))
    for name in names:
        table.add_column(f"{name}, a second", justify="right")
    by_row: dict[tuple[str, int], dict[str, float]] = {}
    for rate in rates:
        by_row.setdefault((rate.what, rate.batch), {})[rate.runtime] = rate.per_second
    for (what, batch), found in by_row.items():
        table.add_row(what, str(batch), *(f"{found[name]:.1f}" if name in found else "-" for name in names))
    console.print(table)
    for name, values in waits.items():
        console.print(f"one photo, {name}: p50 {percentile(values, 50):.1f} ms, p99 {percentile(values, 99):.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--threads", type=int, default=0, help="of each runtime; 0: its own choice")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--recipes", type=int, default=32)
    parser.add_argument("--requests", type=int, default=200, help="single photos for the latency")
    parser.add_argument("--cache", type=Path, help="folder of converted models")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    if options.threads:
        torch.set_num_threads(options.threads)
    encoders = [
        load_encoder(options.encoder, runtime="openvino", cache=options.cache, threads=options.threads),
        load_encoder(options.encoder, runtime="torch"),
    ]
    info = encoders[0].info
    rates = photo_rates(encoders, options.batches, options.rounds)
    rates += text_rates(encoders, options.recipes, max(1, options.rounds // 3))
    waits = {each.info.runtime: latencies(each, options.requests) for each in encoders}
    threads = options.threads or "all"
    title = f"{info.name} at {info.preprocess.size} x {info.preprocess.size}, {threads} threads ({machine()})"
    show(rates, waits, title, Console(width=160))
    if options.json:
        record = {
            "machine": machine(),
            "encoder": info.name,
            "fingerprint": info.fingerprint,
            "image_size": info.preprocess.size,
            "threads": options.threads,
            "rates": [vars(rate) for rate in rates],
            "latency_ms": {name: {"p50": percentile(v, 50), "p99": percentile(v, 99)} for name, v in waits.items()},
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
