"""Exact search in the vector index by size of the catalogue, with and without a filter: median and p99 a query.

python -m benchmarks.vector_search --sizes 10000 100000 --dim 512
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.report import machine, percentile
from index.faiss_index import FaissIndex
from index.types import Float32Array, Selection


def unit_rows(rng: np.random.Generator, count: int, dim: int) -> Float32Array:
    rows = rng.standard_normal((count, dim), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def time_queries(index: FaissIndex, queries: Float32Array, k: int, selection: Selection | None) -> list[float]:
    milliseconds = []
    for query in queries:
        started = time.perf_counter()
        index.search(query, k, selection)
        milliseconds.append((time.perf_counter() - started) * 1e3)
    return milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("-k", type=int, default=10)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    table = Table(title=f"exact search, k = {options.k}, dim = {options.dim}, ms ({machine()})")
    for column in ("vectors", "build s", "all p50 / p99", "1 % kept p50 / p99", "1 % dropped p50 / p99"):
        table.add_column(column, justify="right")
    for size in options.sizes:
        index = FaissIndex(options.dim)
        pks = np.arange(1, size + 1, dtype=np.int64)
        started = time.perf_counter()
        index.add(pks, unit_rows(rng, size, options.dim))
        built = time.perf_counter() - started
        some = np.sort(rng.choice(pks, max(1, size // 100), replace=False))
        queries = unit_rows(rng, options.queries, options.dim)
        cells = []
        for selection in (None, Selection(include=some), Selection(exclude=some)):
            times = time_queries(index, queries, options.k, selection)
            cells.append(f"{percentile(times, 50):.2f} / {percentile(times, 99):.2f}")
        table.add_row(f"{size:,}", f"{built:.2f}", *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
