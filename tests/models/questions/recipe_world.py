"""A small world of recipes with photos, for questions to be made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_SHOWN = ("chicken", "shrimp", "asparagus", "broccoli", "tomatoes", "mushrooms", "avocado", "carrots")


def draw(path: Path, seed: int) -> None:
    """A picture like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((48, 36), Image.Resampling.NEAREST).save(path)


def write_recipes(folder: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """``recipes.jsonl`` of these records, with a picture of its own for each that names none."""
    lines = []
    for number, record in enumerate(records):
        full: dict[str, Any] = {"id": f"recipe-{number}", "title": "", "ingredients": [], "instructions": []}
        full |= {"tags": [], "split": "train", "image": f"images/{number}.png"} | dict(record)
        if full["image"] == f"images/{number}.png":
            draw(folder / full["image"], number)
        lines.append(json.dumps(full) + "\n")
    (folder / "recipes.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def many_recipes(folder: Path, count: int = 120) -> Path:
    """Savoury dishes of two of the shown ingredients and desserts by turns, every fifth for validation."""
    records: list[dict[str, Any]] = []
    for number in range(count):
        split = "val" if number % 5 == 0 else "train"
        if number % 4 == 3:
            fruit = ("strawberries", "blueberries")[number % 8 // 4]
            title = f"{fruit.title()} Cake number {'x' * number}"
            lines, tags = [f"2 cups {fruit}", "1 cup sugar"], ["Dessert"]
        else:
            pair = _SHOWN[number % 8], _SHOWN[(number * 3 + 1) % 8]
            title = f"Grilled {pair[0]} and {pair[1]} {'y' * number}"
            lines, tags = [f"1 pound {name}" for name in pair] + ["2 cloves garlic"], ["Dinner", "Grill"]
        instructions = ["Grill it."] if "Grill" in tags else ["Bake it."]
        records.append({"title": title, "ingredients": [*lines, f"{number} cups water"], "instructions": instructions,
                        "tags": tags, "split": split})  # fmt: skip
    return write_recipes(folder, records)
