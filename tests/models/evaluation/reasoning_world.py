"""A world of one-coloured photos with questions about them, and reasoners that know one stream, the other, or both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from models.reasoning.types import AnswerOptions, ReasonerInfo, Reasoning, ScoredAnswer
from models.types import Float32Array, ImagePreprocess, UInt8Array

SIDE = 8
COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250), "black": (5, 5, 5)}


def write_questions(folder: Path, name: str | None = "colours", splits: Sequence[str] = ("train", "val")) -> Path:
    """Of 8 photos a split, each of one colour: which colour it is, and whether it is red and blue."""
    records = []
    for split in splits:
        for number in range(8):
            colour = list(COLOURS)[number % 4]
            image = f"images/{split}-{number}.png"
            (folder / image).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (SIDE, SIDE), COLOURS[colour]).save(folder / image)
            colours = {colour: 1.0} if colour != "black" else {colour: 1.0, "dark": 0.5}
            asked = {"which colour is it?": ("colour", colours)}
            for other in ("red", "blue"):
                asked[f"is it {other}?"] = ("presence", {"yes" if colour == other else "no": 1.0})
            for question, (kind, answers) in asked.items():
                records.append({"id": f"{split}-{number}-{question}", "image": image, "question": question,
                                "answers": answers, "type": kind, "split": split})  # fmt: skip
    (folder / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if name is not None:
        (folder / "dataset.json").write_text(json.dumps({"name": name}))
    return folder


class ColourReasoner:
    """Reads colours; says "no" and "red" where it sees none, "?" where nothing is asked. ``looked`` counts photos."""

    def __init__(self, name: str = "colour-reasoner", probability: float = 1.0) -> None:
        self.looked = 0
        self.asked: list[str] = []
        self._probability = probability
        self._info = ReasonerInfo(
            name, "ef56", ImagePreprocess(SIDE, (0.5,) * 3, (0.5,) * 3), (1, 1), ("colour", "presence"), 6, "cpu", 0, ""
        )

    @property
    def info(self) -> ReasonerInfo:
        return self._info

    def answer_pixels(self, pixels: UInt8Array, questions: Sequence[str], options: AnswerOptions) -> list[Reasoning]:
        self.looked += len(pixels)
        self.asked += questions
        return [self._answer(picture, question) for picture, question in zip(pixels, questions, strict=True)]

    def _answer(self, picture: UInt8Array, question: str) -> Reasoning:
        seen = next((name for name, value in COLOURS.items() if tuple(picture[0, 0]) == value), "")
        answer = "?"
        if question.startswith("which"):
            answer = seen or "red"
        elif question.startswith("is it"):
            answer = "yes" if seen and seen in question else "no"
        return Reasoning((ScoredAnswer(answer, self._probability),))


class MappingReasoner(ColourReasoner):
    """The same, but it looks at each photo once, whatever is asked about it."""

    def feature_maps(self, pixels: UInt8Array) -> Float32Array:
        self.looked += len(pixels)
        maps: Float32Array = pixels[:, :1, 0].astype(np.float32)
        return maps

    def answer_maps(
        self, maps: Float32Array, photos: Sequence[int], questions: Sequence[str], options: AnswerOptions
    ) -> list[Reasoning]:
        self.asked += questions
        pictures = maps.astype(np.uint8)[list(photos)][:, None]
        return [self._answer(picture, question) for picture, question in zip(pictures, questions, strict=True)]


class OneAnswer(ColourReasoner):
    """Says the same to everything. ``inputs`` are those that it says it sees."""

    def __init__(self, answer: str, inputs: str = "both") -> None:
        super().__init__(f"always {answer}")
        self._info = replace(self._info, inputs=inputs)
        self._given = answer

    def _answer(self, picture: UInt8Array, question: str) -> Reasoning:
        return Reasoning((ScoredAnswer(self._given, 0.5),))
