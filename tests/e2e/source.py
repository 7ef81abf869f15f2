"""A folder to import, drawn and written by the test."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.pictures import jpeg

COLOURS = ("red", "green", "orange", "purple", "yellow", "brown")


def write_source(folder: Path, count: int) -> Path:
    """``count`` recipes with a photo each, in the format of ``recipes.jsonl``."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for i in range(count):
        colour = COLOURS[i % len(COLOURS)]
        (folder / "images" / f"dish-{i}.jpg").write_bytes(jpeg(colour, seed=i))
        lines.append(
            {
                "id": f"dish-{i}",
                "title": f"{colour.title()} dish number {i}",
                "ingredients": [f"{i + 1} {colour} peppers", "1 pinch of salt"],
                "instructions": ["Cut them.", f"Fry for {i + 1} minutes."],
                "tags": [colour, "fried"],
                "image": f"images/dish-{i}.jpg",
                "split": "train",
            }
        )
    (folder / "recipes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def zip_source(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return target
