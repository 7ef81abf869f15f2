"""Photo -> recipes over HTTP: latency (median, p99) split into decode, encode, search and fetch, and throughput.

    tastespace serve &
    python -m benchmarks.search_latency --photos FOLDER --requests 400 --concurrency 1 4 16

The split is what the service itself reports in ``Server-Timing``; ``total`` is what the client waits, HTTP included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine, percentile

STAGES = ("decode", "encode", "search", "fetch", "total")
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass
class Measurement:
    """Milliseconds by stage, the statuses that came back and the wall clock of the run."""

    concurrency: int
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0

    def rows(self) -> dict[str, dict[str, float]]:
        return {
            stage: {"p50": percentile(values, 50), "p99": percentile(values, 99)}
            for stage in STAGES
            if (values := self.milliseconds.get(stage))
        }


def parse_server_timing(header: str) -> dict[str, float]:
    """``decode;dur=1.5, encode;dur=20`` -> milliseconds by name."""
    return {name: float(duration) for name, duration in re.findall(r"([\w-]+);dur=([\d.]+)", header)}


async def run(url: str, photos: list[Path], requests: int, concurrency: int, k: int) -> Measurement:
    measurement = Measurement(concurrency)
    queue = iter(photos[i % len(photos)] for i in range(requests))

    async def client_loop(client: httpx.AsyncClient) -> None:
        for photo in queue:
            body = photo.read_bytes()
            started = time.perf_counter()
            response = await client.post(
                f"{url}/v1/search/recipes", files={"file": (photo.name, body)}, data={"k": str(k)}
            )
            measurement.milliseconds["total"].append((time.perf_counter() - started) * 1e3)
            measurement.statuses[response.status_code] += 1
            for stage, duration in parse_server_timing(response.headers.get("server-timing", "")).items():
                if stage != "total":
                    measurement.milliseconds[stage].append(duration)

    async with httpx.AsyncClient(timeout=120) as client:
        started = time.perf_counter()
        await asyncio.gather(*(client_loop(client) for _ in range(concurrency)))
        measurement.seconds = time.perf_counter() - started
    return measurement


def show(measurements: list[Measurement], console: Console) -> None:
    table = Table(title=f"photo -> recipes over HTTP, ms ({machine()})")
    for column in ("clients", "requests", "requests/s", *(f"{stage} p50 / p99" for stage in STAGES), "statuses"):
        table.add_column(column, justify="right")
    for m in measurements:
        rows = m.rows()
        cells = [f"{rows[s]['p50']:.1f} / {rows[s]['p99']:.1f}" if s in rows else "-" for s in STAGES]
        count = len(m.milliseconds["total"])
        table.add_row(str(m.concurrency), str(count), f"{count / m.seconds:.1f}", *cells, str(dict(m.statuses)))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--photos", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--requests", type=int, default=400, help="requests per level of concurrency")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    photos = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not photos:
        parser.error(f"no pictures in {options.photos}")
    random.Random(options.seed).shuffle(photos)
    asyncio.run(run(options.url, photos, options.warmup, 1, options.k))
    measurements = [
        asyncio.run(run(options.url, photos, options.requests, level, options.k)) for level in options.concurrency
    ]
    show(measurements, Console(width=160))
    if options.json:
        rows = [
            {"concurrency": m.concurrency, "requests_per_s": len(m.milliseconds["total"]) / m.seconds, "ms": m.rows()}
            for m in measurements
        ]
        options.json.write_text(json.dumps({"machine": machine(), "runs": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
