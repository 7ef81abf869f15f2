"""What decides the training of a generator of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.generation.flow import FlowSampling
from models.generation.generator_weights import Backend
from models.training.run_folder import FREE_SETTINGS, run_settings

#: What the contact sheet shows: dishes that a person tells apart at a glance.
PROMPTS = (
    "tomato soup",
    "green salad with cucumber",
    "chocolate layer cake",
    "grilled steak",
    "spaghetti with basil",
    "blueberry muffins",
    "roast chicken with potatoes",
    "a cocktail with lime",
)


@dataclass(frozen=True, slots=True)
class ConditionMix:
    """What the generator is told of a photo, by chance.

    Attributes:
        text, recipe, photo: shares of the vectors of its title, its whole recipe (its title, where it has no more)
            and of the photo itself.
        noise: deviation of what is added to each number of the vector, which has a deviation of 1.

    Raises:
        ValueError: a value is out of its range.
    """

    text: float = 0.5
    recipe: float = 0.3
    photo: float = 0.2
    noise: float = 0.2

    def __post_init__(self) -> None:
        if min(self.text, self.recipe, self.photo, self.noise) < 0 or self.text + self.recipe + self.photo <= 0:
            raise ValueError("shares of conditions and their noise must not be negative, nor all shares 0")


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """Of the training of a flow.

    Attributes:
        widths, blocks, attention: see :class:`models.generation.flow.FlowConfig`.
        forget: share of examples that are not told anything.
        sampling: how the flow is followed.
        align: weight of the alignment of inner features with those of a pretrained network (see
            :mod:`models.training.generator_alignment`); 0: none.

    Raises:
        ValueError: ``align`` is negative.
    """

    widths: tuple[int, ...] = (48, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 2)
    attention: tuple[bool, ...] = (False, True, True)
    forget: float = 0.1
    sampling: FlowSampling = field(default_factory=FlowSampling)
    align: float = 0.0

    def __post_init__(self) -> None:
        if self.align < 0:
            raise ValueError(f"align must not be negative, it is {self.align}")


@dataclass(frozen=True, slots=True)
class GanOptions:
    """Of adversarial training.

    Attributes:
        widths, noise, critic: see :class:`models.generation.gan.GanConfig`.
        critic_rate: its rate, relative to the generator's.
        matching: weight of what the matching head finds of drawn pictures, beside what the discriminator does.
        parts: share of the steps that look at a quarter of each picture at its full resolution, not at the whole of it
            at half.
        variety: weight of what pictures of the same condition lack in difference (see
            :func:`models.training.generator_gan.sameness`).

    Raises:
        ValueError: a value is out of its range.
    """

    widths: tuple[int, ...] = (256, 160, 96)
    noise: int = 64
    critic: int = 48
    critic_rate: float = 1.0
    matching: float = 1.0
    parts: float = 0.33
    variety: float = 2.0

    def __post_init__(self) -> None:
        if min(self.critic_rate, self.matching, self.parts, self.variety) < 0 or self.parts > 1:
            raise ValueError("critic_rate, matching and variety must not be negative, and parts must be within 0 and 1")


@dataclass(frozen=True, slots=True)
class GeneratorTrainingConfig:
    """Everything that decides a run.

    Attributes:
        data: folder with ``recipes.jsonl``; the photos of split ``train`` are learned from.
        out: run folder; it ends up holding the generator.
        autoencoder: folder of a trained autoencoder; None: that of ``init``.
        encoder: the joint encoder whose vectors the generator is told.
        backend: ``flow`` or ``gan``; an ``init`` must be of the same.
        epochs: of ``steps`` steps each; after each one the run is measured, drawn and can be resumed.
        views: of each photo, whose latents are kept: the middle, its mirror image, and squares near the middle.
        prompts, sheet_seeds: rows and columns of the contact sheet.
        val_pictures: drawn after each epoch from titles of ``val`` (or of ``train``, where there are none).
        val_steps: of the solver, for those pictures alone.
        least_spread: the run stops where drawn pictures differ less than this share of what photos differ by, for
            ``patience`` epochs in a row.
        bfloat16: steps compute in it where torch's autocast does.
        init: folder of a trained generator to start from, whose shape then counts.
        cache: where small pictures, latents and vectors are kept; None: ``pictures`` beside the run folder.

    Raises:
        ValueError: a gan is to be aligned.
    """

    data: Path
    out: Path
    autoencoder: Path | None = None
    encoder: str = "tastespace-lite"
    backend: Backend = "flow"
    flow: FlowOptions = field(default_factory=FlowOptions)
    gan: GanOptions = field(default_factory=GanOptions)
    mix: ConditionMix = field(default_factory=ConditionMix)
    seed: int = 0
    epochs: int = 30
    steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup: float = 0.02
    ema_decay: float = 0.999
    views: int = 6
    prompts: tuple[str, ...] = PROMPTS
    sheet_seeds: int = 6
    val_pictures: int = 256
    val_steps: int = 8
    least_spread: float = 0.1
    patience: int = 5
    bfloat16: bool = False
    init: Path | None = None
    cache: Path | None = None
    resume: bool = False
    device: str = "cpu"
    command: str = "tastespace train generator"
    description: str = "the user's own data"
    licence: str = "that of the training data"

    def __post_init__(self) -> None:
        if self.backend != "flow" and self.flow.align:
            raise ValueError(f"only a flow can be aligned: leave align at 0 for a {self.backend}, or use the flow")

    def settings(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON values."""
        settings = run_settings(self, FREE_SETTINGS)
        if not self.flow.align:  # so that runs begun before there was any can be resumed
            del settings["flow"]["align"]
        return settings
