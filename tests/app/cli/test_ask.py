"""``tastespace ask`` over a reasoner that sees colours, and once over a real one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import ask
from models.reasoning.types import MAX_ANSWERS, AnswerOptions, ReasonerInfo, Reasoning
from models.types import UInt8Array
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import REASONER, picture, reasoning_of
from tests.models.reasoning.samples import save_small


class ColourReasoner:
    """Answers by the foods that colours stand for; remembers what it was asked at once."""

    def __init__(self, info: ReasonerInfo = REASONER) -> None:
        self.info = info
        self.batches: list[list[str]] = []

    def answer_pixels(self, pixels: UInt8Array, questions: list[str], options: AnswerOptions) -> list[Reasoning]:
        self.batches.append(questions)
        return [
            reasoning_of(each, question, options, self.info) for each, question in zip(pixels, questions, strict=True)
        ]


@pytest.fixture
def reasoner(monkeypatch: pytest.MonkeyPatch) -> ColourReasoner:
    made = ColourReasoner()
    monkeypatch.setattr("models.reasoning.loading.load_reasoner", lambda spec, device: made)
    monkeypatch.setenv("TASTESPACE_REASONER", "attend:anything")
    return made


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "dinner.png"
    path.write_bytes(picture("tomato", "rice", size=(28, 14)))
    return path


def test_a_picture_is_asked_several_questions_at_once(
    tastespace: Tastespace, reasoner: ColourReasoner, photo: Path
) -> None:
    result = tastespace("ask", photo, " is there meat in it? ", "what is it", "where was it bought", "--top-k", 2)
    assert result.exit_code == 0, result.output
    assert reasoner.batches == [["is there meat in it?", "what is it", "where was it bought"]]
    assert result.stdout.splitlines() == [
        "is there meat in it?  no (100.0%), yes (0.0%)",
        "what is it  tomato (50.0%), rice (50.0%)",
        "where was it bought  tomato (50.0%), rice (50.0%)",
        "  The model can't answer this: it doesn't know 'where', 'was', 'bought'. The answers are guesses; "
        "ask in other words.",
    ]


@pytest.mark.usefixtures("reasoner")
def test_answers_as_json(tastespace: Tastespace, photo: Path) -> None:
    result = tastespace("ask", photo, "is there rice in it?", "🍝", " ", "--json", "--top-k", 1)
    assert result.exit_code == 1, result.output
    known, wordless, blank = json.loads(result.stdout)
    assert known == {
        "question": "is there rice in it?",
        "answers": [{"answer": "yes", "probability": 1.0}],
        "known": True,
        "unknown_words": [],
        "question_type": "ingredient",
    }
    assert (wordless["known"], "no words" in wordless["note"]) == (False, True)
    assert blank == {"question": " ", "error": "the question is empty; ask something about the photo"}
    assert "the question is empty" in result.stderr


def test_what_can_not_be_a_question_stops_no_other(
    tastespace: Tastespace, reasoner: ColourReasoner, photo: Path, tmp_path: Path
) -> None:
    result = tastespace("ask", photo, "", "what is it", "x" * 5000)
    assert result.exit_code == 1
    assert reasoner.batches == [["what is it"]]
    assert "what is it  tomato" in result.stdout
    assert "5000 characters; at most 500" in result.stderr
    figure = tmp_path / "figure.png"
    assert tastespace("ask", photo, "", "--figure", figure).exit_code == 1
    assert not figure.exists()


@pytest.mark.usefixtures("reasoner")
def test_the_figure_has_a_panel_for_each_question(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    result = tastespace("ask", photo, "is there tomato in it", "is there rice in it", "--figure", target)
    assert result.exit_code == 0, result.output
    assert f"the figure is in {target}" in result.stdout
    with Image.open(target) as figure:
        assert figure.format == "PNG"
        assert figure.size == (8 + 3 * 408, 8 + 200 + 2 * 34 + 8)
        red = np.asarray(figure.convert("RGB"))[8 + 100, [8 + place * 408 + 125 for place in (1, 2)], 0]
    assert red[0] > 150 > 60 > red[1]


@pytest.mark.usefixtures("reasoner")
def test_wrong_options_are_named(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    assert ask.MAX_ANSWERS == MAX_ANSWERS
    for wrong, name in (
        (("--top-k", 0), "--top-k"),
        (("--top-k", 51), "--top-k"),
        (("--figure", tmp_path / "figure.jpg"), "--figure"),
        (("--figure", tmp_path / "none" / "figure.png"), "--figure"),
    ):
        result = tastespace("ask", photo, "what is it", *wrong)
        assert result.exit_code == 2, result.output
        assert name in result.stderr
    assert tastespace("ask", photo).exit_code == 2


def test_what_can_not_be_done_is_one_sentence(
    tastespace: Tastespace, reasoner: ColourReasoner, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tastespace("ask", tmp_path / "missing.jpg", "what is it")
    assert (result.exit_code, "No such file" in result.stderr) == (1, True)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no more")
    result = tastespace("ask", broken, "what is it")
    assert (result.exit_code, "truncated or corrupt" in result.stderr) == (1, True)
    reasoner.info = replace(REASONER, grid=None)
    result = tastespace("ask", photo, "what is it", "--figure", tmp_path / "figure.png")
    assert (result.exit_code, "fake-answers has no attention maps" in result.stderr) == (1, True)
    monkeypatch.setenv("TASTESPACE_REASONER", "none")
    result = tastespace("ask", photo, "what is it")
    assert result.exit_code == 1
    assert "TASTESPACE_REASONER" in result.stderr
    assert "--reasoner" in result.stderr


def test_a_real_reasoner_from_its_folder(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    save_small(tmp_path / "weights")
    figure = tmp_path / "figure.png"
    for spec in (tmp_path / "weights", f"attend:{tmp_path / 'weights'}"):
        result = tastespace(
            "ask",
            photo,
            "is it rice?",
            "what is it?",
            "--reasoner",
            spec,
            "--figure",
            tmp_path / "figure.png",
            "--json",
        )
        assert result.exit_code == 0, result.output
        assert all(record["answers"] for record in json.loads(result.stdout))
        assert figure.stat().st_size > 1000
    result = tastespace("ask", photo, "what is it?", "--reasoner", "nonsense")
    assert (result.exit_code, "no reasoner is called 'nonsense'" in result.stderr) == (1, True)
