"""Scores of captions as the field reports them: pycocoevalcap's scorers where it is installed, else their equals."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.evaluation.caption_java import ScorerUnavailableError, meteor, ptb_tokenize
from models.evaluation.caption_metrics import CiderD, Tokens, bleu, rouge_l, tokenize_reference, word_f1

PTB_JAVA, PURE_PYTHON = "PTB (Java)", "pure Python"
_FIELD = "pycocoevalcap"


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """Scores of a set of captions, as fractions in [0, 1]; ``cider`` (CIDEr-D) in [0, 10].

    ``bleu`` has the brevity penalty, ``bleu_no_brevity`` has not. ``meteor`` is None where it can't be had.
    """

    bleu: tuple[float, float, float, float]
    bleu_no_brevity: tuple[float, float, float, float]
    rougel: float
    meteor: float | None
    cider: float
    word_f1: float

    def to_json(self) -> dict[str, Any]:
        return {
            **{f"bleu{order}": value for order, value in enumerate(self.bleu, start=1)},
            "bleu_no_brevity": list(self.bleu_no_brevity),
            "rougel": self.rougel,
            "meteor": self.meteor,
            "cider": self.cider,
            "word_f1": self.word_f1,
        }


def scorers_in_use() -> str:
    """What scores BLEU, ROUGE-L and CIDEr-D, for a report."""
    return f"{_FIELD} {importlib.metadata.version(_FIELD)}" if _installed() else "built in"


def tokenize_all(texts: Sequence[str]) -> tuple[list[Tokens], str, str | None]:
    """The words of each text; the tokenizer, :data:`PTB_JAVA` where that runs, else :data:`PURE_PYTHON`; and why."""
    try:
        return ptb_tokenize(texts), PTB_JAVA, None
    except ScorerUnavailableError as error:
        return [tokenize_reference(text) for text in texts], PURE_PYTHON, f"the tokenizer is the built-in one: {error}"


def score_captions(
    references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens]
) -> tuple[CaptionScores, str | None]:
    """All scores, and why METEOR is missing (None where it is there).

    Args:
        references: tokenized references of each caption, at least one.
        hypotheses: tokenized captions, at least one.

    Raises:
        ValueError: nothing to score, numbers that differ, or a caption without a reference.
    """
    plain, f1 = bleu(references, hypotheses, brevity=False), word_f1(references, hypotheses)
    if _installed():
        penalised, rouge, cider = _field_scores(references, hypotheses)
    else:
        penalised, rouge = bleu(references, hypotheses), rouge_l(references, hypotheses)
        cider, _ = CiderD(references).score(hypotheses)
    measured, note = None, None
    try:
        measured = meteor(references, hypotheses)
    except ScorerUnavailableError as error:
        note = f"METEOR is left out: {error}"
    return CaptionScores(penalised, plain, rouge, measured, cider, f1), note


def _installed() -> bool:
    return importlib.util.find_spec(_FIELD) is not None


def _field_scores(
    references: Sequence[Sequence[Tokens]], hypotheses: Sequence[Tokens]
) -> tuple[tuple[float, float, float, float], float, float]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = {number: [" ".join(tokens) for tokens in captions] for number, captions in enumerate(references)}
    given = {number: [" ".join(tokens)] for number, tokens in enumerate(hypotheses)}
    one, two, three, four = Bleu(4).compute_score(truth, given, verbose=0)[0]
    rouge, cider = Rouge().compute_score(truth, given)[0], Cider().compute_score(truth, given)[0]
    return (float(one), float(two), float(three), float(four)), float(rouge), float(cider)
