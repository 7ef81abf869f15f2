"""How good the answers of a network in training are, and the calibration that fits them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from models.captioning.vision import MapTower
from models.reasoning.calibration import (
    Calibration,
    answer_probabilities,
    expected_calibration_error,
    fit_calibration,
)
from models.reasoning.network import ReasoningNetwork, narrowing
from models.reasoning.vocabulary import ReasoningVocabulary
from models.training.caption_validation import finished
from models.training.feature_maps import MapTable
from models.training.reasoner_data import QuestionSet

_QUESTIONS_PER_BATCH = 512


class ReasonerValidation:
    """Questions that are held back.

    Args:
        held: the questions, those that can't be answered included.
        maps: of its photos.
    """

    def __init__(self, held: QuestionSet, maps: MapTable, tower: MapTower, vocabulary: ReasoningVocabulary) -> None:
        self._held, self._maps, self._tower, self._vocabulary = held, maps, tower, vocabulary
        self._targets = held.targets(np.arange(len(held)))

    def measure(self, network: ReasoningNetwork) -> tuple[dict[str, float], Calibration]:
        """Metrics, and the calibration fitted on these questions. The network must be in evaluation mode.

        ``accuracy`` is the mean score of the best answer, ``NAME_accuracy`` that of a type; ``type_accuracy`` the
        share of questions whose type is told; ``ece`` the calibration error with the calibration, and
        ``ece_uncalibrated`` without.
        """
        scores, types = self._scores(network)
        asked = zip(self._held.questions, types.tolist(), strict=True)
        read = partial(narrowing, network.config.inputs)
        candidates = np.stack([self._vocabulary.candidates(read(each.question), kind) for each, kind in asked])
        kinds = len(self._vocabulary.types)
        calibration = fit_calibration(scores, types, self._targets, candidates, kinds)
        best, right = self._best(answer_probabilities(scores, types, candidates, calibration))
        raw, raw_right = self._best(answer_probabilities(scores, types, candidates, Calibration.none(kinds)))
        names = np.array([question.type for question in self._held.questions])
        by_type = {f"{name}_accuracy": float(right[names == name].mean()) for name in sorted(set(names.tolist()))}
        metrics = {
            "accuracy": float(right.mean()),
            "type_accuracy": float((types == self._held.types).mean()),
            "ece": expected_calibration_error(best, right),
            "ece_uncalibrated": expected_calibration_error(raw, raw_right),
        }
        return by_type | metrics, calibration

    def _best(self, probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """The probability of the best answer to each question, and its score."""
        rows, answers = np.arange(len(probabilities)), probabilities.argmax(axis=1)
        return probabilities[rows, answers], self._targets[rows, answers]

    @torch.inference_mode()
    def _scores(self, network: ReasoningNetwork) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        device = next(network.parameters()).device
        scores = np.zeros_like(self._targets)
        types = np.zeros(len(self._held), dtype=np.int64)
        for rows in self._held.in_order(_QUESTIONS_PER_BATCH):
            batch = self._held.batch(rows)
            memory = network.memory(finished(self._tower, torch.from_numpy(self._maps.gather(batch.photos))))
            question = network.read(batch.words.to(device), batch.lengths)
            found = network(memory, batch.places.to(device), question)
            scores[rows] = found.answers.float().cpu().numpy()
            types[rows] = found.types.argmax(dim=1).cpu().numpy()
        return scores, types
