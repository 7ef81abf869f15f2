"""What the benchmarks of models that look at photos share: requests over HTTP in turns, photos, tables."""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from app.pictures import PictureLimits, decode
from benchmarks.report import machine, percentile
from benchmarks.search_latency import SUFFIXES, parse_server_timing
from models.preprocess import to_pixels
from models.registry import DEFAULT_ENCODER
from models.types import EncoderInfo, ImagePreprocess, UInt8Array

STAGES = ("decode", "encode", "caption", "answer", "draw", "total")


@dataclass(frozen=True)
class Call:
    """A kind of request: what it is called in the table, and how it is made."""

    name: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"


#: The encoder alone: a route that encodes a photo and hardly does more.
ENCODER_ALONE = Call("encoder alone (tags)", "/v1/tags")


def parser(description: str | None) -> argparse.ArgumentParser:
    """With the options that all these benchmarks have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--photos", type=Path, required=True, help="folder of pictures")
    made.add_argument("--url", help="of a running service, whose settings choose its model")
    made.add_argument("--requests", type=int, default=100, help="of each kind")
    made.add_argument("--encoder", default=DEFAULT_ENCODER)
    made.add_argument("--device", default="cpu")
    made.add_argument("--cache", type=Path, help="folder of converted models")
    made.add_argument("--threads", type=int, default=0, help="of each model; 0: its own choice")
    made.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--json", type=Path)
    return made


def photos_in(folder: Path, seed: int) -> list[Path]:
    """In an order by chance. Raises SystemExit where there are none."""
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not photos:
        raise SystemExit(f"no pictures in {folder}")
    random.Random(seed).shuffle(photos)
    return photos


def waits(url: str, photos: Sequence[Path], requests: int, calls: Sequence[Call]) -> dict[str, dict[str, list[float]]]:
    """Milliseconds by call and stage; the calls take turns, and the first round of each warms up."""
    found: dict[str, dict[str, list[float]]] = {}
    with httpx.Client(base_url=url, timeout=120) as client:
        for number in range(requests + 1):
            photo = photos[number % len(photos)]
            body = photo.read_bytes()
            for call in calls:
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


def measure_http(
    options: argparse.Namespace, photos: Sequence[Path], calls: Sequence[Call], console: Console
) -> dict[str, dict[str, list[float]]]:
    """:func:`waits` of the service that the options name, shown; nothing where they name none."""
    if not options.url:
        return {}
    found = waits(options.url, photos, options.requests, calls)
    show_waits(found, console)
    return found


def title_of(name: str, spec: ImagePreprocess, encoder: EncoderInfo, threads: int) -> str:
    """Of a table: the model and the encoder beside it, and the machine."""
    return (
        f"{name} at {spec.size} pixels; {encoder.name} at {encoder.preprocess.size} by {encoder.runtime}; "
        f"{threads or 'all'} threads ({machine()})"
    )


def decoded(photos: Sequence[Path], count: int, spec: ImagePreprocess) -> UInt8Array:
    """uint8 (count, size, size, 3); of fewer photos some come again."""
    limits = PictureLimits()
    chosen = [photos[number % len(photos)] for number in range(count)]
    return np.stack([to_pixels(decode(each.read_bytes(), limits).image, spec) for each in chosen])


def show_waits(found: Mapping[str, Mapping[str, Sequence[float]]], console: Console) -> None:
    table = Table(title=f"one photo over HTTP, one client, ms ({machine()})", title_justify="left")
    table.add_column("request")
    table.add_column("requests", justify="right")
    shown = [stage for stage in STAGES if any(stage in stages for stages in found.values())]
    for stage in shown:
        table.add_column(f"{stage} p50 / p99", justify="right")
    for name, stages in found.items():
        cells = [
            f"{percentile(stages[stage], 50):.1f} / {percentile(stages[stage], 99):.1f}" if stage in stages else "-"
            for stage in shown
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


def waits_record(found: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """For JSON: percentiles by call and stage."""
    return {
        name: {
            stage: {"p50": percentile(values, 50), "p99": percentile(values, 99)} for stage, values in stages.items()
        }
        for name, stages in found.items()
    }
