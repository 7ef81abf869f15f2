import json
from pathlib import Path

import pytest

from tests.pictures import plate

DISHES = {"red": "tomato soup", "green": "green salad", "yellow": "lemon cake", "brown": "beef stew"}


@pytest.fixture(scope="package")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawn photos of four dishes in the folder format: 16 to train on, 8 to choose by, a few with a title only."""
    folder = tmp_path_factory.mktemp("collection")
    lines = []
    for i in range(24):
        colour, title = list(DISHES.items())[i % 4]
        plate(colour, size=(96, 64), seed=i).save(folder / f"{i}.png")
        body = i % 3 != 0 or i >= 16
        lines.append(
            {
                "id": str(i),
                "title": f"{title} number {i}",
                "ingredients": [f"{i} spoons of salt", title.split()[0]] if body else [],
                "instructions": [f"Cook the {title}.", "Serve."] if body else [],
                "tags": [title.split()[1].title(), "Kosher"] if body else [],
                "image": f"{i}.png",
                "split": "train" if i < 16 else "val",
            }
        )
    (folder / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder
