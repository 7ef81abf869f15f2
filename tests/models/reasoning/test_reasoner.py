from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.captioning.vision import MapTower
from models.reasoning.attend import load_attention_reasoner
from models.reasoning.calibration import Calibration
from models.reasoning.reasoner import AttentionReasoner
from models.reasoning.types import AnswerOptionError, AnswerOptions, QuestionError
from models.types import Float32Array, UInt8Array
from tests.models.reasoning.samples import NETWORK, VISION, VOCABULARY, save_small, small_network

pytestmark = pytest.mark.weights
_QUESTIONS = ["is it rice?", "What dish is it", "is there soup in it?", "🍕", "是米饭吗", "is it tofu?"]


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory: pytest.TempPathFactory) -> AttentionReasoner:
    folder = tmp_path_factory.mktemp("reasoner")
    save_small(folder)
    return load_attention_reasoner(folder)


@pytest.fixture(scope="module")
def pixels() -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


def test_an_answer_does_not_depend_on_its_neighbours(reasoner: AttentionReasoner, pixels: UInt8Array) -> None:
    options = AnswerOptions(top_k=2, attention=True)
    together = reasoner.answer_pixels(pixels, _QUESTIONS, options)
    again = reasoner.answer_pixels(pixels, _QUESTIONS, options)
    for row, found in enumerate(together):
        (alone,) = reasoner.answer_pixels(pixels[row : row + 1], [_QUESTIONS[row]], options)
        assert again[row].answers == found.answers
        assert [each.text for each in alone.answers] == [each.text for each in found.answers]
        assert (alone.known, alone.question_type) == (found.known, found.question_type)
        np.testing.assert_allclose(
            [each.probability for each in alone.answers], [each.probability for each in found.answers], rtol=1e-4
        )
        assert found.attention is not None
        assert alone.attention is not None
        assert found.attention.shape == (2, 2)
        assert found.attention.dtype == np.float32
        assert found.attention.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(alone.attention, found.attention, rtol=1e-4)


def test_answers_are_those_of_the_question_s_type(reasoner: AttentionReasoner, pixels: UInt8Array) -> None:
    for found in reasoner.answer_pixels(pixels, _QUESTIONS, AnswerOptions(top_k=50)):
        allowed = VOCABULARY.allowed[VOCABULARY.types.index(found.question_type)]
        assert {each.text for each in found.answers} == {VOCABULARY.answers[number] for number in allowed}
        assert sum(each.probability for each in found.answers) == pytest.approx(1)
        assert found.attention is None


def test_what_is_not_known_is_said(pixels: UInt8Array) -> None:
    sure = Calibration((1.0, 1.0), (0.0, 0.0), type_threshold=0.0)

    def ask(calibration: Calibration) -> list[bool]:
        reasoner = AttentionReasoner(MapTower(VISION), small_network(), VOCABULARY, calibration, name="x")
        return [each.known for each in reasoner.answer_pixels(pixels, _QUESTIONS, AnswerOptions())]

    assert ask(sure) == [True, True, True, False, False, False]
    assert ask(replace(sure, thresholds=(1.0, 1.0))) == [False] * 6
    assert ask(replace(sure, type_threshold=1.0)) == [False] * 6
    assert ask(replace(sure, unknown_share=1.0)) == [True] * 6


def test_unknown_words_are_named(reasoner: AttentionReasoner, pixels: UInt8Array) -> None:
    found = reasoner.answer_pixels(pixels[:2], ["is it Tofu or rice?", "is it rice?"], AnswerOptions())
    assert [each.unknown_words for each in found] == [("tofu", "or"), ()]


def test_many_questions_about_few_maps(reasoner: AttentionReasoner, pixels: UInt8Array) -> None:
    maps = reasoner.feature_maps(pixels[:2])
    photos = [1, 0, 1]
    found = reasoner.answer_maps(maps, photos, _QUESTIONS[:3], AnswerOptions())
    expected = reasoner.answer_pixels(pixels[photos], _QUESTIONS[:3], AnswerOptions())
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            [each.probability for each in left.answers], [each.probability for each in right.answers], rtol=1e-4
        )


def test_what_it_can_not_take_is_said(reasoner: AttentionReasoner, pixels: UInt8Array) -> None:
    with pytest.raises(QuestionError, match="empty"):
        reasoner.answer_pixels(pixels[:1], [" "], AnswerOptions())
    with pytest.raises(QuestionError, match="5000 characters"):
        reasoner.answer_pixels(pixels[:1], ["a" * 5000], AnswerOptions())
    with pytest.raises(ValueError, match="1 pictures, but 2 questions"):
        reasoner.answer_pixels(pixels[:1], ["a", "b"], AnswerOptions())
    with pytest.raises(ValueError, match="pixels must be uint8"):
        reasoner.answer_pixels(pixels[:, :32], _QUESTIONS, AnswerOptions())


def test_the_question_alone_has_no_map(tmp_path: Path, pixels: UInt8Array) -> None:
    save_small(tmp_path, network=replace(NETWORK, inputs="question"))
    blind = load_attention_reasoner(tmp_path)
    assert blind.info.inputs == "question"
    found = blind.answer_pixels(pixels[:2], ["is it rice?"] * 2, AnswerOptions())
    assert found[0] == found[1]
    with pytest.raises(AnswerOptionError, match="attention"):
        blind.answer_pixels(pixels[:1], ["is it rice?"], AnswerOptions(attention=True))


def test_a_photo_that_is_asked_several_questions_is_looked_at_once(
    reasoner: AttentionReasoner, pixels: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    look = reasoner.feature_maps

    def feature_maps(photos: UInt8Array) -> Float32Array:
        looked.append(len(photos))
        return look(photos)

    monkeypatch.setattr(reasoner, "feature_maps", feature_maps)
    rows = [1, 0, 1, 2, 0, 1]
    options = AnswerOptions(top_k=3, attention=True)
    together = reasoner.answer_pixels(pixels[rows], _QUESTIONS, options)
    assert looked == [3]
    for row, question, found in zip(rows, _QUESTIONS, together, strict=True):
        (alone,) = reasoner.answer_pixels(pixels[row : row + 1], [question], options)
        assert [each.text for each in alone.answers] == [each.text for each in found.answers]
        assert found.attention is not None
        assert alone.attention is not None
        np.testing.assert_allclose(alone.attention, found.attention, rtol=1e-4)
