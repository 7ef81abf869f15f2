"""A whole import through the command line, in a process of its own: items per second, peak memory, size on disk.

    python -m benchmarks.import_catalogue --data FOLDER [--keep DATA_DIR]

Runs ``tastespace import FOLDER`` into an empty data directory, then once more, which must change nothing.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import folder_bytes, machine


@dataclass(frozen=True)
class Run:
    name: str
    seconds: float
    peak_mb: float
    exit_code: int


def run_import(name: str, data: Path, data_dir: Path) -> Run:
    """``tastespace import`` as a child; the peak is the largest resident set of any child so far, in MB."""
    environment = {**os.environ, "TASTESPACE_DATA_DIR": str(data_dir), "TASTESPACE_BUILTIN_CATALOGUE": "false"}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "app.cli.main", "import", str(data)], env=environment, check=False)
    seconds = time.perf_counter() - started
    return Run(name, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.returncode)


def sizes(data_dir: Path) -> dict[str, float]:
    """Megabytes by entry of the data directory."""
    return {
        path.name: (folder_bytes(path) if path.is_dir() else path.stat().st_size) / 1e6
        for path in sorted(data_dir.iterdir())
    }


def measure(data: Path, data_dir: Path, console: Console) -> None:
    items = len(list((data / "images").iterdir())) if (data / "images").is_dir() else 0
    runs = [run_import("first", data, data_dir), run_import("again", data, data_dir)]
    table = Table(title=f"import of {items} pictures ({machine()})")
    for column in ("run", "seconds", "pictures/s", "peak MB", "exit code"):
        table.add_column(column, justify="right")
    for run in runs:
        speed = f"{items / run.seconds:.1f}" if items else "-"
        table.add_row(run.name, f"{run.seconds:.1f}", speed, f"{run.peak_mb:.0f}", str(run.exit_code))
    console.print(table)
    console.print("on disk, MB: " + ", ".join(f"{name} {size:.1f}" for name, size in sizes(data_dir).items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder that `tastespace import` reads")
    parser.add_argument("--keep", type=Path, help="data directory to fill and keep (default: a temporary one)")
    options = parser.parse_args()
    console = Console(width=120)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        measure(options.data, options.keep, console)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(options.data, Path(folder), console)


if __name__ == "__main__":
    main()
