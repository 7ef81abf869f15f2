"""The format of questions about photos: ``questions.jsonl``, with a ``dataset.json`` beside it. No torch in here.

One JSON object a line: ``id``, ``image`` (a path inside the folder of pictures), ``question``, ``answers`` (an object:
answer -> score in (0, 1], as the share of people who gave it), ``type`` (what kind of question it is) and ``split``.
The pictures lie in the folder itself, or in the ``image_root`` that ``dataset.json`` names, relative to the folder or
absolute. Whatever else ``dataset.json`` holds says where the questions come from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.data import DataError, note_id, picture_path, read_json_lines
from models.files import write_file

QUESTIONS_FILE = "questions.jsonl"
DATASET_FILE = "dataset.json"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a photo, the file ``image``, with its accepted ``answers`` and the score of each."""

    id: str
    image: Path
    question: str
    answers: Mapping[str, float]
    type: str
    split: str

    @property
    def best_answer(self) -> str:
        """The answer with the highest score; of equal ones the first by name."""
        return min(self.answers, key=lambda answer: (-self.answers[answer], answer))


def read_questions(folder: Path, split: str | None = None) -> list[Question]:
    """The questions of one split (None: of all) in file order.

    Raises:
        DataError: the folder has no ``questions.jsonl``, a line or ``dataset.json`` is broken, or no question belongs
            to the split. That a picture exists is not checked.
    """
    path = folder / QUESTIONS_FILE
    if not path.is_file():
        raise DataError(f"{folder} has no {QUESTIONS_FILE}; --data takes the folder that holds it")
    found = [question for question in _iter_file(path, image_root(folder)) if split is None or question.split == split]
    if not found:
        raise DataError(f"{path} has no question whose split is {split!r}" if split else f"{path} has no questions")
    return found


def read_dataset(folder: Path) -> dict[str, Any]:
    """What ``dataset.json`` says; empty where there is none. Raises DataError where it is no JSON object."""
    path = folder / DATASET_FILE
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(record).__name__}")
    return record


def image_root(folder: Path) -> Path:
    """The folder that the paths of pictures start from. Raises DataError where ``dataset.json`` names it wrongly."""
    root = read_dataset(folder).get("image_root", ".")
    if not isinstance(root, str) or not root:
        raise DataError(f"{folder / DATASET_FILE}: image_root must be the path of a folder, not {root!r}")
    return folder / root


def write_questions(folder: Path, questions: Sequence[Question], dataset: Mapping[str, Any] | None = None) -> None:
    """Write ``questions.jsonl`` and ``dataset.json``; what was there is replaced.

    Args:
        questions: their pictures lie in the folder, or in the ``image_root`` of ``dataset``.

    Raises:
        ValueError: a picture lies elsewhere, or an id occurs twice.
    """
    about = dict(dataset or {})
    root = (folder / str(about.get("image_root", "."))).resolve()
    lines: list[str] = []
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise ValueError(f"two questions have the id {question.id!r}")
        seen.add(question.id)
        record = {
            "id": question.id,
            "image": _inside(root, question.image),
            "question": question.question,
            "answers": dict(question.answers),
            "type": question.type,
            "split": question.split,
        }
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_file(folder / DATASET_FILE, text.encode())
    write_file(folder / QUESTIONS_FILE, "".join(lines).encode())


def _inside(root: Path, image: Path) -> str:
    try:
        return image.resolve().relative_to(root).as_posix()
    except ValueError:
        raise ValueError(f"{image} lies outside of {root}, where the pictures of the questions lie") from None


def _iter_file(path: Path, root: Path) -> Iterator[Question]:
    seen: dict[str, str] = {}
    for where, record in read_json_lines(path):
        question = Question(
            id=_text(record, "id", where),
            image=picture_path(root, _text(record, "image", where), where),
            question=_text(record, "question", where),
            answers=_answers(record, where),
            type=_text(record, "type", where),
            split=_text(record, "split", where),
        )
        note_id(seen, question.id, where)
        yield question


def _text(record: dict[str, Any], field: str, where: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {field} must be a string that is not blank")
    return value.strip()


def _answers(record: dict[str, Any], where: str) -> dict[str, float]:
    value = record.get("answers")
    if not isinstance(value, dict) or not value:
        raise DataError(f"{where}: answers must be an object with at least one answer and its score")
    scores: dict[str, float] = {}
    for answer, score in value.items():
        if not answer.strip():
            raise DataError(f"{where}: answers has a blank one")
        if (
            isinstance(score, bool)
            or not isinstance(score, int | float)
            or not (math.isfinite(score) and 0 < score <= 1)
        ):
            raise DataError(f"{where}: the score of {answer!r} must be a number above 0 and at most 1, not {score!r}")
        scores[answer.strip()] = float(score)
    return scores
