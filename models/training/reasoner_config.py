"""What decides the training of a reasoner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from models.captioning.vision import MapStage
from models.joint.towers import Vision
from models.reasoning.network import Fusion, Inputs
from models.training.reasoner_loss import AnswerLoss
from models.training.run_folder import FREE_SETTINGS, run_settings
from models.training.views import PLAIN_VIEWS

Balance: TypeAlias = Literal["none", "ogm_ge", "rubi"]


@dataclass(frozen=True, slots=True)
class ReasonerTrainingConfig:
    """Everything that decides a run.

    Attributes:
        out: run folder; it ends up holding the reasoner.
        data: folder with ``questions.jsonl``, whose split ``train`` teaches and whose split ``val`` chooses the epoch,
            by the mean score of the best answer, and fits the calibration; without any, the last epoch is taken.
        epochs: every question is read once in each.
        batch_size: questions in a step, those about one photo side by side.
        learning_rate: the highest one.
        ema_decay: of the average of the weights that is kept; 0: the weights themselves are.
        loss: of the answers (see :mod:`models.training.reasoner_loss`). type_weight: of telling types of questions.
        word_dropout: the chance that a word is read as an unknown one.
        views: of each photo, one drawn at each step (see :mod:`models.training.views`).
        min_words, min_answers: how many questions must have a word, or an answer.
        vision, stage, image_size: see :class:`models.captioning.vision.VisionConfig`; ``image_size`` None is that of
            ``init``, or 224.
        init: folder of a trained encoder whose vision tower is looked through, in place of the pretrained one.
        embedding, hidden, values, attention, joint, fusion, inputs: see
            :class:`models.reasoning.network.NetworkConfig`.
        balance: against one modality doing all the work: ``ogm_ge`` (:mod:`models.training.gradient_modulation`) or
            ``rubi`` (:mod:`models.training.question_only`).
        space: begin with what the encoder ``init`` knows of photos, words and answers
            (:mod:`models.reasoning.space`); inputs ``question`` take its words only.
        modulation: alpha of ``ogm_ge``.
        bfloat16: steps compute in it where torch's autocast does.
        cache: where maps are kept; None: ``maps`` beside the run folder.
        resume: go on with an interrupted run of the same settings.
        command, description, licence: for the manifest.

    Raises:
        ValueError: a balance is asked of a network that sees one modality only; or the joint space without an encoder,
            or over a map that the encoder doesn't pool.
    """

    out: Path
    data: Path
    seed: int = 0
    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    dropout: float = 0.3
    ema_decay: float = 0.99
    loss: AnswerLoss = "bce"
    type_weight: float = 0.5
    word_dropout: float = 0.05
    views: tuple[str, ...] = PLAIN_VIEWS
    min_words: int = 2
    min_answers: int = 1
    vision: Vision = "tf_efficientnet_lite0"
    stage: MapStage = "head"
    image_size: int | None = None
    embedding: int = 256
    hidden: int = 512
    values: int = 512
    attention: int = 256
    joint: int = 512
    fusion: Fusion = "gated"
    inputs: Inputs = "both"
    balance: Balance = "none"
    modulation: float = 0.3
    space: bool = False
    bfloat16: bool = False
    init: Path | None = None
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train reasoner"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def __post_init__(self) -> None:
        if self.balance != "none" and self.inputs != "both":
            raise ValueError(f"balance {self.balance} needs inputs both: {self.inputs} alone leaves nothing to balance")
        if self.space and self.init is None:
            raise ValueError("the joint space is that of a trained encoder; name its folder with init")
        if self.space and self.stage != "head":
            raise ValueError(f"the joint space needs maps of stage head, which the encoder pools, not of {self.stage}")

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        settings = run_settings(self, FREE_SETTINGS)
        # A run that began before there was this setting is one without.
        return settings if self.space else {name: value for name, value in settings.items() if name != "space"}
