"""What decides the training of a captioner."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.captioning.search import SearchSettings
from models.captioning.types import CaptionStyle
from models.captioning.vision import MapStage
from models.joint.towers import Vision
from models.training.caption_loss import CaptionLossWeights
from models.training.run_folder import FREE_SETTINGS, run_settings
from models.training.views import PLAIN_VIEWS, wide_views

_SECOND_STAGE = ("self_critical_epochs", "self_critical_batch", "self_critical_rate", "samples")


@dataclass(frozen=True, slots=True)
class CaptionerTrainingConfig:
    """Everything that decides a run.

    Attributes:
        out: run folder; it ends up holding the captioner.
        captions: folder with ``captions.jsonl``, whose split ``train`` teaches general captions; or None.
        recipes: folder with ``recipes.jsonl``, whose titles of split ``train`` teach names of dishes; or None.
        epochs, self_critical_epochs: of the two stages. In the first one every general caption is read once an epoch
            (with recipes alone, every title), in the second one every photo is.
        batch_size: captions in a step of the first stage. ``self_critical_batch``: photos in one of the second, which
            draws ``samples`` captions of each, at least two.
        learning_rate, self_critical_rate: the highest ones.
        scheduled_sampling: the chance of reading one's own word, rising from 0 to this in the first stage.
        dish_share: of the captions of a batch, where there are both styles.
        views: of each photo, one drawn at each step (see :mod:`models.training.views`).
        min_count: how often a style must use a word.
        max_words: longer captions are not trained on.
        vision, stage, image_size: see :class:`models.captioning.vision.VisionConfig`; ``image_size`` None is that of
            ``init``, or 224.
        init: folder of a trained encoder whose vision tower is looked through, in place of the pretrained one.
        val_photos: of each style's split ``val``, at most so many choose the epoch, by CIDEr-D; without any, the last
            epoch is taken.
        search: how captions are searched for, in validation and by the captioner; names of dishes with a
            ``dish_length_alpha`` of their own, since they are short and the model keeps to what is sure.
        bfloat16: steps compute in it where torch's autocast does.
        cache: where maps are kept; None: ``maps`` beside the run folder.
        resume: go on with an interrupted run of the same settings.
        command, description, licence: for the manifest.
    """

    out: Path
    captions: Path | None = None
    recipes: Path | None = None
    seed: int = 0
    epochs: int = 20
    self_critical_epochs: int = 0
    batch_size: int = 64
    self_critical_batch: int = 32
    samples: int = 5
    learning_rate: float = 1e-3
    self_critical_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup: float = 0.05
    dropout: float = 0.4
    scheduled_sampling: float = 0.0
    ema_decay: float = 0.999
    dish_share: float = 0.25
    views: tuple[str, ...] = (*PLAIN_VIEWS, *wide_views(2))
    min_count: int = 5
    max_words: int = 24
    vision: Vision = "tf_efficientnet_lite0"
    stage: MapStage = "head"
    image_size: int | None = None
    values: int = 512
    hidden: int = 512
    embedding: int = 512
    attention: int = 512
    tied: bool = True
    loss: CaptionLossWeights = field(default_factory=CaptionLossWeights)
    search: SearchSettings = field(default_factory=lambda: SearchSettings(beams=3))
    dish_length_alpha: float = 2.0
    val_photos: int = 500
    bfloat16: bool = False
    init: Path | None = None
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train captioner"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def search_of(self, style: CaptionStyle) -> SearchSettings:
        """How captions of a style are searched for."""
        return replace(self.search, length_alpha=self.dish_length_alpha) if style == "dish" else self.search

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values. The second stage is left out: a run that has
        finished the first one may be given a second one later."""
        return run_settings(self, (*FREE_SETTINGS, *_SECOND_STAGE))

    def second_stage(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed within its second stage."""
        values = run_settings(self, FREE_SETTINGS)
        return {name: values[name] for name in _SECOND_STAGE}
