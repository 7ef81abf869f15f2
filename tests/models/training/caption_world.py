"""Drawn plates whose captions say their colour: what a captioner learns in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pictures import plate

COLOURS = ("red", "green", "yellow", "brown")


def write_captions(folder: Path, photos: int = 24, held: int = 8) -> None:
    """``captions.jsonl`` with two captions a photo, and its pictures."""
    lines = []
    for i in range(photos):
        colour = COLOURS[i % 4]
        plate(colour, size=(64, 64), seed=i).save(folder / f"{i}.png")
        captions = [f"A {colour} plate on a table .", f"The cook's {colour} dish"]
        split = "train" if i < photos - held else "val"
        lines.append({"id": str(i), "image": f"{i}.png", "captions": captions, "split": split})
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
