"""A reasoner that knows a few words and three answers."""

from __future__ import annotations

from pathlib import Path

import torch

from models.captioning.vision import VisionConfig
from models.reasoning.calibration import Calibration
from models.reasoning.network import NetworkConfig, ReasoningNetwork
from models.reasoning.questions import Question
from models.reasoning.vocabulary import ReasoningVocabulary
from models.reasoning.weights import ReasonerManifest, save_reasoner_weights

VISION = VisionConfig(image_size=64)
CALIBRATION = Calibration((2.0, 0.5), (0.1, 0.0))
_ASKED = [
    ("is it rice?", {"yes": 1.0}, "yes/no"),
    ("is it soup?", {"no": 1.0}, "yes/no"),
    ("is there rice in it?", {"no": 0.5, "yes": 0.5}, "yes/no"),
    ("what is it?", {"soup": 1.0}, "dish"),
    ("what dish is it?", {"rice": 0.75, "soup": 0.25}, "dish"),
]
QUESTIONS = [
    Question(str(i), Path("a.png"), question, answers, kind, "train")
    for i, (question, answers, kind) in enumerate(_ASKED)
]
VOCABULARY = ReasoningVocabulary.build(QUESTIONS)
NETWORK = NetworkConfig(
    features=1280, grid=(2, 2), vocabulary=VOCABULARY.size, answers=len(VOCABULARY.answers),
    types=len(VOCABULARY.types), embedding=8, hidden=8, values=16, attention=8, joint=8,
)  # fmt: skip


def small_network(config: NetworkConfig = NETWORK, dropout: float = 0.0) -> ReasoningNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ReasoningNetwork(config, dropout=dropout).eval()


def small_manifest(network: NetworkConfig = NETWORK) -> ReasonerManifest:
    return ReasonerManifest(
        model="small",
        vision=VISION,
        network=network,
        calibration=CALIBRATION,
        licence="none",
        training={"data": "none"},
    )


def save_small(folder: Path, tower: dict[str, torch.Tensor] | None = None, network: NetworkConfig = NETWORK) -> None:
    state = small_network(network).state_dict()
    save_reasoner_weights(folder, state, tower or {}, VOCABULARY, small_manifest(network))
