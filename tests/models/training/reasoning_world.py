"""Drawn plates and what is asked about their colours: what a reasoner learns in seconds."""

from __future__ import annotations

from pathlib import Path

from models.reasoning.questions import Question, write_questions
from tests.pictures import plate

COLOURS = ("red", "green", "yellow", "brown")
_WORDINGS = ("what colour is it?", "which colour has the food?", "what colour is the food on this plate?")


def write_colours(folder: Path, photos: int = 80, held: int = 16, *, val: bool = True) -> None:
    """Three questions a photo: its colour, whether it is of that colour, and whether it is of another one. Neither the
    photo nor the question alone tells whether it is."""
    questions = []
    for i in range(photos):
        colour, split = COLOURS[i % 4], "train" if i < photos - held else "val"
        if split == "val" and not val:
            continue
        image = folder / f"{i}.png"
        folder.mkdir(parents=True, exist_ok=True)
        plate(colour, size=(64, 64), seed=i).save(image)
        other = COLOURS[(i + 1 + i // 4 % 3) % 4]
        questions += [
            Question(f"{i}-what", image, _WORDINGS[i % 3], {colour: 1.0}, "colour", split),
            Question(f"{i}-is", image, f"is it {colour}?", {"yes": 1.0}, "yes/no", split),
            Question(f"{i}-other", image, f"is it {other}?", {"no": 1.0}, "yes/no", split),
        ]
    write_questions(folder, questions, {"name": "colours"})
