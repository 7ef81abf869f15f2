"""A vision tower and a reasoning network as a :class:`models.reasoning.types.Reasoner`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from models.captioning.vision import MapTower
from models.joint.towers import check_pixels
from models.reasoning.calibration import Calibration, answer_probabilities
from models.reasoning.network import ReasoningNetwork, narrowing
from models.reasoning.types import (
    AnswerOptions,
    ReasonerInfo,
    Reasoning,
    ScoredAnswer,
    check_answer_options,
    check_question,
)
from models.reasoning.vocabulary import PAD, ReasoningVocabulary
from models.types import Float32Array, UInt8Array

_QUESTIONS_PER_BATCH = 256


class AttentionReasoner:
    """A frozen vision tower and a network that was trained over its maps.

    Args:
        tower, network: on one device; both are put into evaluation mode.
        calibration: of the network's scores.
        name, fingerprint, licence, description: for ``info``.
    """

    def __init__(
        self,
        tower: MapTower,
        network: ReasoningNetwork,
        vocabulary: ReasoningVocabulary,
        calibration: Calibration,
        *,
        name: str,
        fingerprint: str = "",
        licence: str = "",
        description: str = "",
    ) -> None:
        self.tower, self.network = tower.eval(), network.eval().requires_grad_(False)
        self.vocabulary, self.calibration = vocabulary, calibration
        self._device = next(network.parameters()).device
        head = () if network.space is None else network.space.head.buffers()
        self._info = ReasonerInfo(
            name=name,
            fingerprint=fingerprint,
            preprocess=tower.config.preprocess,
            grid=None if network.config.inputs == "question" else tower.config.grid,
            question_types=vocabulary.types,
            answers=len(vocabulary.answers),
            device=str(self._device),
            parameters=sum(each.numel() for each in chain(tower.parameters(), network.parameters(), head)),
            licence=licence,
            description=description,
            inputs=network.config.inputs,
        )

    @property
    def info(self) -> ReasonerInfo:
        return self._info

    def answer_pixels(self, pixels: UInt8Array, questions: Sequence[str], options: AnswerOptions) -> list[Reasoning]:
        """See :class:`models.reasoning.types.Reasoner`."""
        check_pixels(pixels, self._info.preprocess.size)
        if len(questions) != len(pixels):
            raise ValueError(f"there are {len(pixels)} pictures, but {len(questions)} questions")
        asked = [check_question(question) for question in questions]
        check_answer_options(self._info, options)
        # A photo that is asked several questions is looked at once.
        rows, photos = _distinct(pixels)
        return self.answer_maps(self.feature_maps(pixels[rows]), photos, asked, options)

    def feature_maps(self, pixels: UInt8Array) -> Float32Array:
        """uint8 (n, size, size, 3) -> float32 (n, locations, width): what questions are answered from."""
        return self.tower.maps(pixels)

    @torch.inference_mode()
    def answer_maps(
        self, maps: Float32Array, photos: Sequence[int], questions: Sequence[str], options: AnswerOptions
    ) -> list[Reasoning]:
        """Answers about photos whose maps are there already, any number of questions about each.

        Args:
            maps: float32 (photos, locations, width).
            photos: which row of ``maps`` each question is about.

        Raises:
            QuestionError, AnswerOptionError: as :meth:`answer_pixels`.
        """
        asked = [check_question(question) for question in questions]
        check_answer_options(self._info, options)
        found: list[Reasoning] = []
        for start in range(0, len(asked), _QUESTIONS_PER_BATCH):
            part = slice(start, start + _QUESTIONS_PER_BATCH)
            rows, places = np.unique(np.asarray(photos[part], dtype=np.int64), return_inverse=True)
            found += self._answer(maps[rows], places.reshape(-1), asked[part], options)
        return found

    def _answer(
        self, maps: Float32Array, photos: NDArray[np.int64], questions: Sequence[str], options: AnswerOptions
    ) -> list[Reasoning]:
        numbers = [torch.tensor(self.vocabulary.encode(question)) for question in questions]
        words = pad_sequence(numbers, batch_first=True, padding_value=PAD).to(self._device)
        memory = self.network.memory(torch.from_numpy(maps).to(self._device))
        question = self.network.read(words, torch.tensor([len(each) for each in numbers]))
        scores = self.network(memory, torch.from_numpy(photos).to(self._device), question)
        kinds = scores.types.softmax(dim=-1).cpu().numpy()
        types = kinds.argmax(axis=1)
        read = [narrowing(self.network.config.inputs, each) for each in questions]
        candidates = np.stack([self.vocabulary.candidates(each, kind) for each, kind in zip(read, types, strict=True)])
        probabilities = answer_probabilities(scores.answers.cpu().numpy(), types, candidates, self.calibration)
        attention = scores.attention.cpu().numpy().reshape(-1, *self.tower.config.grid)
        return [
            self._reasoning(
                questions[row], int(types[row]), float(kinds[row, types[row]]), probabilities[row],
                attention[row] if options.attention else None, min(options.top_k, int(candidates[row].sum())),
            )
            for row in range(len(questions))
        ]  # fmt: skip

    def _reasoning(
        self,
        question: str,
        kind: int,
        certainty: float,
        probabilities: NDArray[np.float64],
        attention: Float32Array | None,
        top_k: int,
    ) -> Reasoning:
        vocabulary, calibration = self.vocabulary, self.calibration
        best = np.argsort(-probabilities, kind="stable")[:top_k]
        known = (
            vocabulary.unknown_share(question) <= calibration.unknown_share
            and certainty >= calibration.type_threshold
            and probabilities[best[0]] >= calibration.thresholds[kind]
        )
        return Reasoning(
            answers=tuple(ScoredAnswer(vocabulary.answers[row], float(probabilities[row])) for row in best),
            question_type=vocabulary.types[kind],
            known=bool(known),
            unknown_words=vocabulary.unknown_words(question),
            attention=attention,
        )


def _distinct(pixels: UInt8Array) -> tuple[list[int], list[int]]:
    """The rows of different pictures, each by where it is first; and for every row, which of these it is."""
    places: dict[bytes, int] = {}
    photos = [places.setdefault(hashlib.sha256(each.tobytes()).digest(), len(places)) for each in pixels]
    return [photos.index(place) for place in range(len(places))], photos
