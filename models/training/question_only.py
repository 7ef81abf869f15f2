"""A question-only branch that takes what the question alone gives away (RUBi; Cadene et al. 2019)."""

from __future__ import annotations

from torch import Tensor, nn

from models.training.reasoner_loss import AnswerLoss, answer_loss


class QuestionOnlyBranch(nn.Module):
    """Scores of the answers from the question's vector alone, while training; at inference it is left out.

    Its sigmoid multiplies the scores of the whole model: where the question alone gives the answer away, the masked
    scores are right already, and little is left to be learned from it (section 3.2, equations 2 to 5). The question's
    vector is detached, so that the question stream doesn't learn to give away more; and the branch's own loss goes
    through one more layer, as published.
    """

    def __init__(self, question: int, answers: int) -> None:
        super().__init__()
        self.mask = nn.Sequential(
            nn.Linear(question, question),
            nn.ReLU(),
            nn.Linear(question, question),
            nn.ReLU(),
            nn.Linear(question, answers),
        )
        self.answer = nn.Linear(answers, answers)

    def losses(
        self, question: Tensor, scores: Tensor, targets: Tensor, candidates: Tensor, loss: AnswerLoss
    ) -> tuple[Tensor, Tensor]:
        """The loss of the masked scores, and that of the branch itself; their sum is descended.

        Args:
            question: (n, question). scores, targets, candidates: (n, answers), of the whole model.
        """
        alone = self.mask(question.detach())
        masked = answer_loss(scores * alone.sigmoid(), targets, candidates, loss)
        return masked, answer_loss(self.answer(alone), targets, candidates, loss)
