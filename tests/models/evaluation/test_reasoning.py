"""Which modality does the work: a world whose answers are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from models.data import DataError
from models.evaluation.reasoning import BLANK_QUESTION, evaluate_reasoning
from models.evaluation.reasoning_answers import MapReasoner, answer_all
from models.reasoning.questions import Question, read_questions
from models.reasoning.questions import write_questions as write_lines
from models.reasoning.types import ReasonerUnavailableError
from tests.models.evaluation.reasoning_world import (
    COLOURS,
    SIDE,
    ColourReasoner,
    MappingReasoner,
    OneAnswer,
    write_questions,
)

SCORES = ("full", "question_only", "image_only", "shuffled", "majority")


def test_a_model_that_uses_both(tmp_path: Path) -> None:
    report = evaluate_reasoning(ColourReasoner(), write_questions(tmp_path))
    record = report.to_json()
    assert report.data_set == "colours"
    assert record["n"] == 24
    assert record["full"] == 1
    assert record["image_only"] == 0
    assert record["ece"] == pytest.approx(0)
    # Blank pictures are "red" and "no": 2 of 8 colours, and 12 of 16 answers.
    assert record["types"]["colour"]["question_only"] == 2 / 8
    assert record["types"]["presence"]["question_only"] == 12 / 16
    assert record["types"]["presence"]["majority"] == 12 / 16
    assert record["types"]["colour"]["majority"] == 2 / 8
    assert record["shuffled"] < 1
    for name in SCORES:
        parts = [record["types"][kind][name] * record["types"][kind]["n"] for kind in ("colour", "presence")]
        assert record[name] == pytest.approx(sum(parts) / 24)
    assert record["probes"]["question_only"] == "the model itself, the other modality blank"
    assert record["notes"] == []


def test_a_photo_is_looked_at_once_by_a_model_that_can(tmp_path: Path) -> None:
    reasoner, plain = MappingReasoner(), ColourReasoner()
    assert isinstance(reasoner, MapReasoner)
    assert not isinstance(plain, MapReasoner)
    data = write_questions(tmp_path)
    report, same = evaluate_reasoning(reasoner, data), evaluate_reasoning(plain, data)
    assert reasoner.looked == 9  # eight photos and the grey one
    assert report.scores == same.scores
    assert reasoner.asked.count(BLANK_QUESTION) == 8


def test_models_of_one_modality_take_the_place_of_the_blank_one(tmp_path: Path) -> None:
    asked, seen = OneAnswer("no", "question"), OneAnswer("yes", "image")
    data = write_questions(tmp_path)
    report = evaluate_reasoning(ColourReasoner(), data, question_only=asked, image_only=seen)
    assert report.types["presence"].question_only == 12 / 16
    assert report.types["presence"].image_only == 4 / 16
    assert report.probes == {"question_only": "trained: always no (ef56)", "image_only": "trained: always yes (ef56)"}
    assert report.blank["image_only"] == 0
    # A model of photos may tell the kind of a question by its words, so it is really asked.
    assert BLANK_QUESTION not in seen.asked


@pytest.mark.parametrize("inputs", ["both", "image"])
def test_a_model_that_sees_the_photo_is_no_baseline_of_questions(tmp_path: Path, inputs: str) -> None:
    reasoner, other = ColourReasoner(), OneAnswer("no", inputs)
    with pytest.raises(ReasonerUnavailableError, match=f"question_only .*always no sees {inputs}; .*--inputs question"):
        evaluate_reasoning(reasoner, write_questions(tmp_path), question_only=other)
    if inputs == "both":
        with pytest.raises(ReasonerUnavailableError, match=r"image_only .*--inputs image"):
            evaluate_reasoning(reasoner, tmp_path, image_only=other)
    assert not reasoner.looked


def test_a_wrong_photo_is_of_the_same_type_where_there_is_one(tmp_path: Path) -> None:
    """Two warm photos and two cold ones, where the other one of the kind is worth a half; and a kind of its own, where
    any other photo is worth a quarter."""
    kinds = {"red": "warm", "black": "warm", "green": "cold", "blue": "cold"}
    questions = []
    for colour, kind in kinds.items():
        Image.new("RGB", (SIDE, SIDE), COLOURS[colour]).save(tmp_path / f"{colour}.png")
        answers = {other: 0.5 for other, own in kinds.items() if own == kind} | {colour: 1.0}
        questions.append(Question(colour, tmp_path / f"{colour}.png", "which one is it?", answers, kind, "val"))
    answers = dict.fromkeys(COLOURS, 0.25) | {"red": 1.0}
    questions.append(Question("lone", tmp_path / "red.png", "which one, alone?", answers, "lone", "val"))
    write_lines(tmp_path, questions)
    for seed in range(4):
        report = evaluate_reasoning(ColourReasoner(), tmp_path, seed=seed)
        assert report.scores.full == 1
        assert {name: scores.shuffled for name, scores in report.types.items()} == {
            "warm": 0.5, "cold": 0.5, "lone": 0.25
        }  # fmt: skip


def test_a_type_that_training_questions_lack_has_no_majority(tmp_path: Path) -> None:
    data = write_questions(tmp_path)
    lines = (data / "questions.jsonl").read_text().splitlines()
    kept = [line for line in lines if '"split": "val"' in line or '"type": "colour"' in line]
    (data / "questions.jsonl").write_text("\n".join(kept))
    report = evaluate_reasoning(ColourReasoner(), data)
    assert report.types["presence"].majority == 0
    assert report.types["colour"].majority == 2 / 8


def test_soft_scores_count_in_part(tmp_path: Path) -> None:
    report = evaluate_reasoning(OneAnswer("dark"), write_questions(tmp_path))
    assert report.types["colour"].full == pytest.approx(2 * 0.5 / 8)
    assert report.types["colour"].ece == pytest.approx(0.5 - 1 / 8)


def test_without_training_questions_the_majority_is_the_split_s_own(tmp_path: Path) -> None:
    report = evaluate_reasoning(ColourReasoner(), write_questions(tmp_path, None, splits=("val",)))
    assert report.data_set == tmp_path.name
    assert "there are no training questions" in report.notes[0]
    assert report.types["presence"].majority == 12 / 16


def test_the_same_every_time(tmp_path: Path) -> None:
    data = write_questions(tmp_path)
    assert evaluate_reasoning(ColourReasoner(), data) == evaluate_reasoning(ColourReasoner(), data)


def test_one_photo_cannot_be_shuffled(tmp_path: Path) -> None:
    data = write_questions(tmp_path)
    lines = (data / "questions.jsonl").read_text().splitlines()
    (data / "questions.jsonl").write_text("\n".join(line for line in lines if "val-0.png" in line))
    with pytest.raises(DataError, match="at least two"):
        evaluate_reasoning(ColourReasoner(), data)


def test_progress_ends_at_the_number_of_photos(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    evaluate_reasoning(ColourReasoner(), write_questions(tmp_path), on_progress=lambda *step: seen.append(step))
    assert seen[-1] == ("photos", 9, 9)


def test_answers_come_in_the_order_of_questions(tmp_path: Path) -> None:
    questions = read_questions(write_questions(tmp_path), "val")
    asked = [(question.image, question.question) for question in reversed(questions)]
    given = [answer.text for answer in answer_all(ColourReasoner(), [*asked, *asked])]
    assert given == [question.best_answer for question in reversed(questions)] * 2
