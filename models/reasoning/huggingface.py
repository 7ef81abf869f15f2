"""Bigger models that answer questions, of transformers, behind the protocol of reasoners: ViLT and BLIP.

ViLT (Kim et al. 2021) scores the answers of VQA v2; BLIP (Li et al. 2022) writes answers freely, and beam search finds
the likely ones. Neither tells kinds of questions apart, and neither gives maps of where it looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoTokenizer,
    BlipForQuestionAnswering,
    ViltForQuestionAnswering,
)

from models.hub import model_fingerprint, reason
from models.joint.loading import parse_device
from models.joint.towers import check_pixels, normalise_pixels
from models.reasoning.types import (
    AnswerOptions,
    ReasonerInfo,
    ReasonerUnavailableError,
    Reasoning,
    ScoredAnswer,
    check_answer_options,
    check_question,
)
from models.types import EncoderUnavailableError, ImagePreprocess, UInt8Array

_PHOTOS_PER_BATCH = 8
_ANSWER_TOKENS = 10
#: The probability of the best answer below which no answer counts as likely.
_LIKELY = 0.1


class AnswersOf(Protocol):
    """What tells one architecture from another: pixels float32 (n, 3, S, S) and tokens int64 (n, tokens), without
    padding -> for each question, answers with their probabilities, best first."""

    def __call__(self, pixels: Tensor, tokens: Tensor, top_k: int) -> list[list[tuple[str, float]]]: ...


class HuggingFaceReasoner:
    """A model of transformers as a :class:`models.reasoning.types.Reasoner`."""

    def __init__(self, info: ReasonerInfo, tokenizer: Any, most_tokens: int, answers_of: AnswersOf) -> None:
        self._info, self._tokenizer, self._most, self._answers_of = info, tokenizer, most_tokens, answers_of
        self._device = torch.device(info.device)

    @property
    def info(self) -> ReasonerInfo:
        return self._info

    @torch.inference_mode()
    def answer_pixels(self, pixels: UInt8Array, questions: Sequence[str], options: AnswerOptions) -> list[Reasoning]:
        """See :class:`models.reasoning.types.Reasoner`."""
        spec = self._info.preprocess
        check_pixels(pixels, spec.size)
        if len(questions) != len(pixels):
            raise ValueError(f"there are {len(pixels)} pictures, but {len(questions)} questions")
        asked = [check_question(question).lower() for question in questions]
        check_answer_options(self._info, options)
        encoded = self._tokenizer(asked, truncation=True, max_length=self._most)["input_ids"]
        found: dict[int, Reasoning] = {}
        for rows in _equal_lengths(encoded):
            tokens = torch.tensor([encoded[row] for row in rows], device=self._device)
            inputs = normalise_pixels(pixels[rows], spec, self._device)
            answers = self._answers_of(inputs, tokens, options.top_k)
            found |= {row: _reasoning(each) for row, each in zip(rows, answers, strict=True)}
        return [found[row] for row in range(len(asked))]


def load_huggingface_reasoner(name: str, device: str = "cpu") -> HuggingFaceReasoner:
    """Load ViLT or BLIP by its name at the hub, such as ``dandelin/vilt-b32-finetuned-vqa`` or
    ``Salesforce/blip-vqa-base``, or from a folder.

    Raises:
        ReasonerUnavailableError: it is not there, there is no network, or it is another kind of model.
    """
    try:
        where = parse_device(device)
    except EncoderUnavailableError as error:
        raise ReasonerUnavailableError(str(error)) from error
    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type not in ("vilt", "blip"):
            raise ReasonerUnavailableError(
                f"{name!r} is a model of type {config.model_type!r}; questions are answered by vilt and blip"
            )
        tokenizer = AutoTokenizer.from_pretrained(name)
        processor = AutoImageProcessor.from_pretrained(name)
        architecture = ViltForQuestionAnswering if config.model_type == "vilt" else BlipForQuestionAnswering
        model = architecture.from_pretrained(name).eval().requires_grad_(False).to(where)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise ReasonerUnavailableError(
            f"the model {name!r} can't be loaded from the hub or from a folder: {reason(error)}"
        ) from error
    answers_of: AnswersOf
    if config.model_type == "vilt":
        answers_of, size, most = _Vilt(model), config.image_size, config.max_position_embeddings
    else:
        answers_of, size = _Blip(model, tokenizer), config.vision_config.image_size
        most = config.text_config.max_position_embeddings
    preprocess = ImagePreprocess(size, tuple(processor.image_mean), tuple(processor.image_std), "squash")
    info = ReasonerInfo(
        name=f"huggingface:{name}",
        fingerprint=model_fingerprint(model, preprocess, b""),
        preprocess=preprocess,
        grid=None,
        question_types=(),
        answers=len(config.id2label) if config.model_type == "vilt" else 0,
        device=str(where),
        parameters=sum(p.numel() for p in model.parameters()),
        licence="see the model's card",
        description=f"{config.model_type} of transformers",
    )
    return HuggingFaceReasoner(info, tokenizer, most, answers_of)


class _Vilt:
    """Answers by the sigmoids that the model was trained with: each has a probability of its own."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, pixels: Tensor, tokens: Tensor, top_k: int) -> list[list[tuple[str, float]]]:
        # The model shuffles the patches by torch's generator; their order counts for rounding only.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            scores = self._model(pixel_values=pixels, input_ids=tokens).logits
        best = scores.sigmoid().topk(min(top_k, scores.shape[1]), dim=1)
        labels = self._model.config.id2label
        return [
            [(labels[answer], probability) for answer, probability in zip(answers, values, strict=True)]
            for answers, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


class _Blip:
    """Answers by beam search; their probabilities are those of all their tokens."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer

    def __call__(self, pixels: Tensor, tokens: Tensor, top_k: int) -> list[list[tuple[str, float]]]:
        found = self._model.generate(
            pixel_values=pixels,
            input_ids=tokens,
            num_beams=max(3, top_k),
            num_return_sequences=top_k,
            max_new_tokens=_ANSWER_TOKENS,
            # A score is then the sum of the log-probabilities, not their mean.
            length_penalty=0.0,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        texts = self._tokenizer.batch_decode(found.sequences, skip_special_tokens=True)
        probabilities = found.sequences_scores.exp().tolist()
        pairs = list(zip(texts, probabilities, strict=True))
        return [_merged(pairs[start : start + top_k]) for start in range(0, len(pairs), top_k)]


def _equal_lengths(encoded: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Rows in batches without padding, since BLIP's decoder reads the padding of a question as if it were words."""
    by_length: dict[int, list[int]] = {}
    for row, tokens in enumerate(encoded):
        by_length.setdefault(len(tokens), []).append(row)
    for rows in by_length.values():
        for start in range(0, len(rows), _PHOTOS_PER_BATCH):
            yield rows[start : start + _PHOTOS_PER_BATCH]


def _merged(pairs: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Sequences of tokens that read alike are one answer; blank ones are none, where there are others."""
    sums: dict[str, float] = {}
    for text, probability in pairs:
        answer = " ".join(text.split())
        sums[answer] = min(1.0, sums.get(answer, 0.0) + probability)
    if len(sums) > 1:
        sums.pop("", None)
    return sorted(sums.items(), key=lambda pair: -pair[1])


def _reasoning(answers: Sequence[tuple[str, float]]) -> Reasoning:
    scored = tuple(ScoredAnswer(text, probability) for text, probability in answers)
    return Reasoning(answers=scored, known=scored[0].probability >= _LIKELY)
