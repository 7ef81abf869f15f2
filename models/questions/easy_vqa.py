"""easy-VQA (Zhou 2019, MIT): 5,000 pictures of one coloured shape each, and about 48,000 questions in few words.

The set comes from the package ``easy-vqa``. Its test split stays; a part of its training pictures, with all of their
questions, becomes ``val``.
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.data import DataError
from models.questions.summary import QuestionSummary, summarize
from models.reasoning.questions import Question, write_questions

PACKAGE = "easy_vqa"
SHAPES = frozenset({"circle", "rectangle", "triangle"})
COLOURS = frozenset({"black", "blue", "brown", "gray", "green", "red", "teal", "yellow"})
VAL_SHARE = 0.1


def build_easy_vqa(out: Path, *, source: Path | None = None, seed: int = 0) -> QuestionSummary:
    """Write the questions and pictures to ``out``: ``train``, ``val`` (a tenth of the training pictures), ``test``.

    Args:
        out: folder for ``questions.jsonl``, ``dataset.json`` and ``images/``; pictures are linked where the file system
            can, else copied.
        source: folder with ``train`` and ``test`` as the package has it; by default that of the installed package.
        seed: decides which pictures are ``val``.

    Raises:
        DataError: the package is not installed, or its files are not as expected.
    """
    source = source or _installed()
    questions: list[Question] = []
    for part in ("train", "test"):
        records = _read(source / part / "questions.json")
        held_out = _val_pictures(records, seed) if part == "train" else frozenset()
        images = _pictures(source / part / "images", out / "images" / part, {image for _, _, image in records})
        for number, (text, answer, image) in enumerate(records):
            split = "val" if image in held_out else part
            identity = f"{part}-{number}"
            questions.append(Question(identity, images[image], text, {answer: 1.0}, _type(answer, text), split))
    summary = summarize(questions)
    about = {
        "name": "easy-vqa",
        "description": "pictures of one coloured shape each, from the package easy-vqa",
        "licence": "MIT",
        "seed": seed,
        "types": summary.to_json(),
    }
    write_questions(out, questions, about)
    return summary


def _installed() -> Path:
    # Found, not imported: only its files are wanted.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the package easy-vqa is not installed; install it (pip install easy-vqa) or give its folder")
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(path: Path) -> list[tuple[str, str, int]]:
    try:
        records: Any = json.loads(path.read_text(encoding="utf-8"))
        found = [(str(text), str(answer), int(image)) for text, answer, image in records]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} can't be read as questions of easy-VQA: {error}") from error
    if not found:
        raise DataError(f"{path} has no questions")
    return found


def _val_pictures(records: Sequence[tuple[str, str, int]], seed: int) -> frozenset[int]:
    pictures = sorted({image for _, _, image in records})
    number = min(max(1, round(VAL_SHARE * len(pictures))), len(pictures) - 1)
    return frozenset(random.Random(seed).sample(pictures, number))


def _pictures(source: Path, out: Path, wanted: set[int]) -> dict[int, Path]:
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for image in sorted(wanted):
        original, target = source / f"{image}.png", out / f"{image}.png"
        if not original.is_file():
            raise DataError(f"{original} is missing, though a question is about it")
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(original)
        except OSError:  # another file system, or one without links
            shutil.copyfile(original, target)
        found[image] = target
    return found


def _type(answer: str, text: str) -> str:
    if answer in SHAPES:
        return "shape"
    if answer in COLOURS:
        return "colour"
    if answer in ("yes", "no"):
        return "absence" if {"not", "no"} & set(text.split()) else "presence"
    raise DataError(f"easy-VQA has the answer {answer!r} to {text!r}, which is neither shape, colour, yes nor no")
