"""ViLT and BLIP with random weights of a few thousand numbers, saved and loaded as the real ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    ViltConfig,
    ViltForQuestionAnswering,
    ViltImageProcessor,
)

from models.reasoning.loading import load_reasoner
from models.reasoning.types import AnswerOptionError, AnswerOptions, QuestionError, ReasonerUnavailableError
from models.types import UInt8Array

_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "what", "is", "it", "?", "rice", "soup", "yes", "no"]
_QUESTIONS = ["What is it?", "is it rice ?", "soup"]


def _tokenizer(folder: Path) -> BertTokenizer:
    (folder / "vocab.txt").write_text("\n".join(_WORDS))
    return BertTokenizer(str(folder / "vocab.txt"))


@pytest.fixture(scope="module")
def vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vilt")
    config = ViltConfig(
        vocab_size=len(_WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=16, max_position_embeddings=12, id2label={0: "rice", 1: "soup", 2: "yes"},
        label2id={"rice": 0, "soup": 1, "yes": 2},
    )  # fmt: skip
    torch.manual_seed(0)
    ViltForQuestionAnswering(config).save_pretrained(folder)
    ViltImageProcessor(size={"shortest_edge": 32}).save_pretrained(folder)
    _tokenizer(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blip")
    text = {
        "vocab_size": len(_WORDS), "hidden_size": 16, "encoder_hidden_size": 16, "intermediate_size": 16,
        "projection_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 20,
        "bos_token_id": 5, "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 16, "projection_dim": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 16,
    }  # fmt: skip
    torch.manual_seed(0)
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=16, image_text_hidden_size=16)
    BlipForQuestionAnswering(config).save_pretrained(folder)
    BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    _tokenizer(folder).save_pretrained(folder)
    return folder


def _pixels(n: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["vilt", "blip"])
def test_they_answer_as_reasoners_do(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    reasoner = load_reasoner(f"huggingface:{folder}")
    assert reasoner.info.preprocess.size == 32
    assert reasoner.info.preprocess.resize_mode == "squash"
    assert (reasoner.info.grid, reasoner.info.question_types) == (None, ())
    assert reasoner.info.answers == (3 if kind == "vilt" else 0)
    pixels = _pixels(3)
    together = reasoner.answer_pixels(pixels, _QUESTIONS, AnswerOptions(top_k=3))
    for found in together:
        probabilities = [answer.probability for answer in found.answers]
        assert 1 <= len(probabilities) <= 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(0 <= probability <= 1 for probability in probabilities)
        assert found.known == (probabilities[0] >= 0.1)
        assert len({answer.text for answer in found.answers}) == len(found.answers)
    for row, question in enumerate(_QUESTIONS):
        (alone,) = reasoner.answer_pixels(pixels[row : row + 1], [question], AnswerOptions(top_k=3))
        assert [each.text for each in alone.answers] == [each.text for each in together[row].answers]
        np.testing.assert_allclose(
            [each.probability for each in alone.answers],
            [each.probability for each in together[row].answers],
            rtol=1e-4,
        )
    assert reasoner.info.fingerprint == load_reasoner(f"huggingface:{folder}").info.fingerprint


def test_probabilities_are_those_of_the_model(vilt: Path) -> None:
    reasoner = load_reasoner(f"huggingface:{vilt}")
    model = ViltForQuestionAnswering.from_pretrained(vilt).eval()
    pixels = _pixels(1)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    tokens = torch.tensor([[2, 6, 7, 8, 9, 3]])
    with torch.inference_mode():
        expected = model(input_ids=tokens, pixel_values=values).logits.sigmoid()[0]
    (found,) = reasoner.answer_pixels(pixels, ["What is it?"], AnswerOptions(top_k=3))
    by_name = {answer.text: answer.probability for answer in found.answers}
    np.testing.assert_allclose([by_name[name] for name in ("rice", "soup", "yes")], expected.numpy(), rtol=1e-4)


def test_long_questions_are_cut_and_bad_ones_refused(vilt: Path) -> None:
    reasoner = load_reasoner(f"huggingface:{vilt}")
    assert reasoner.answer_pixels(_pixels(1), ["rice " * 90], AnswerOptions())
    with pytest.raises(QuestionError, match="empty"):
        reasoner.answer_pixels(_pixels(1), [" "], AnswerOptions())
    with pytest.raises(AnswerOptionError, match="attention"):
        reasoner.answer_pixels(_pixels(1), ["rice"], AnswerOptions(attention=True))
    with pytest.raises(ValueError, match="2 questions"):
        reasoner.answer_pixels(_pixels(1), ["rice", "soup"], AnswerOptions())


@pytest.mark.fault
def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReasonerUnavailableError, match="can't be loaded"):
        load_reasoner(f"huggingface:{tmp_path / 'nothing'}")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ReasonerUnavailableError, match="type 'bert'"):
        load_reasoner(f"huggingface:{tmp_path}")
