"""Options and questions are checked with the remedy named."""

from __future__ import annotations

import pytest

from models.reasoning.types import (
    AnswerOptionError,
    AnswerOptions,
    QuestionError,
    ReasonerInfo,
    check_answer_options,
    check_question,
)
from models.types import ImagePreprocess


@pytest.mark.parametrize("top_k", [0, 51])
def test_top_k_has_a_range(top_k: int) -> None:
    with pytest.raises(ValueError, match="top_k"):
        AnswerOptions(top_k=top_k)


@pytest.mark.parametrize(("question", "named"), [("", "empty"), (" \n\t", "empty"), ("a" * 501, "501 characters")])
def test_no_reasoner_takes_these(question: str, named: str) -> None:
    with pytest.raises(QuestionError, match=named):
        check_question(question)


def test_a_question_is_stripped() -> None:
    assert check_question("  is it rice? ") == "is it rice?"
    assert len(check_question(f" {'a' * 500} ")) == 500


def test_attention_needs_a_grid() -> None:
    preprocess = ImagePreprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    blind = ReasonerInfo("x", "", preprocess, None, (), 2, "cpu", 1, "")
    check_answer_options(blind, AnswerOptions())
    with pytest.raises(AnswerOptionError, match="attention"):
        check_answer_options(blind, AnswerOptions(attention=True))
