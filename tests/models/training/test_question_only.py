"""RUBi held to sums over questions and answers, and to where its gradients go."""

from __future__ import annotations

import math

import pytest
import torch

from models.training.question_only import QuestionOnlyBranch
from models.training.reasoner_loss import AnswerLoss, answer_loss


def _case() -> tuple[QuestionOnlyBranch, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    targets = torch.tensor([[1.0, 0, 0], [0, 0.5, 0.25]])
    return QuestionOnlyBranch(4, 3), torch.randn(2, 4), torch.randn(2, 3), targets


def _all(scores: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(scores, dtype=torch.bool)


def _naive(scores: list[list[float]], targets: list[list[float]], loss: AnswerLoss) -> float:
    total = 0.0
    for row, true in zip(scores, targets, strict=True):
        for score, target in zip(row, true, strict=True):
            if loss == "bce":
                probability = 1 / (1 + math.exp(-score))
                total -= target * math.log(probability) + (1 - target) * math.log(1 - probability)
            else:
                total -= target / sum(true) * (score - math.log(sum(map(math.exp, row))))
    return total / len(scores)


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_the_loss_of_answers_by_hand(loss: AnswerLoss) -> None:
    _, _, scores, targets = _case()
    expected = _naive(scores.tolist(), targets.tolist(), loss)
    assert float(answer_loss(scores, targets, _all(scores), loss)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_answers_that_a_question_can_not_have_teach_nothing(loss: AnswerLoss) -> None:
    scores = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    found = answer_loss(scores, targets, torch.tensor([[True, True, False], [True, False, True]]), loss)
    expected = _naive([[1.0, -2.0], [0.5, -1.0]], [[1.0, 0.0], [0.0, 1.0]], loss)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad[0, 2] == scores.grad[1, 1] == 0


@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_masked_scores_by_hand(loss: AnswerLoss) -> None:
    branch, question, scores, targets = _case()
    branch.requires_grad_(False)
    masked, own = branch.losses(question, scores, targets, _all(scores), loss)
    alone = branch.mask(question)
    by_hand = [
        [float(score) / (1 + math.exp(-float(only))) for score, only in zip(row, shown, strict=True)]
        for row, shown in zip(scores, alone, strict=True)
    ]
    assert float(masked) == pytest.approx(_naive(by_hand, targets.tolist(), loss), rel=1e-5)
    assert float(own) == pytest.approx(_naive(branch.answer(alone).tolist(), targets.tolist(), loss), rel=1e-5)


def test_the_question_stream_learns_nothing_from_the_branch() -> None:
    branch, question, scores, targets = _case()
    question.requires_grad_(True)
    scores.requires_grad_(True)
    masked, own = branch.losses(question, scores, targets, _all(scores), "softmax")
    (masked + own).backward()  # type: ignore[no-untyped-call]
    assert question.grad is None
    assert scores.grad is not None
    assert all(parameter.grad is not None for parameter in branch.parameters())


def test_what_the_question_gives_away_teaches_less() -> None:
    """A branch that is sure of the true answer leaves the whole model a smaller gradient than one that is wrong."""
    targets = torch.tensor([[1.0, 0.0]])
    branch = QuestionOnlyBranch(1, 2)
    last = branch.mask[-1]
    assert isinstance(last, torch.nn.Linear)
    last.weight.data.zero_()
    slopes = []
    for only in ([6.0, -6.0], [-6.0, 6.0]):
        last.bias.data = torch.tensor(only)
        scores = torch.full((1, 2), 2.0, requires_grad=True)
        masked, _ = branch.losses(torch.zeros(1, 1), scores, targets, _all(scores), "softmax")
        masked.backward()  # type: ignore[no-untyped-call]
        assert scores.grad is not None
        slopes.append(scores.grad.norm().item())
    assert slopes[0] < slopes[1]
