"""The engine as the rest of the app sees it: typed work in, one outcome per item out. No torch in here.

A handler never calls a model: it submits work and awaits. What runs the work (a thread of this process, a worker
process per GPU, a cluster) stands behind :class:`Engine` and is chosen by settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar, get_args, overload

from models.captioning.types import Caption, CaptionerInfo, CaptionOptions
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest
from models.reasoning.types import AnswerOptions, ReasonerInfo, Reasoning
from models.types import EncoderInfo, Float32Array, RecipeText, UInt8Array

V_co = TypeVar("V_co", covariant=True)


class Operation(StrEnum):
    """What a model can be asked. Payload -> value of one item:

    ``ENCODE_PIXELS``: uint8 (size, size, 3) from :func:`models.preprocess.to_pixels` -> float32 (dim,)
    ``ENCODE_TEXT``: non-blank ``str`` -> float32 (dim,)
    ``ENCODE_RECIPE``: :class:`models.types.RecipeText` -> float32 (dim,)
    ``CAPTION``: :class:`PhotoToCaption` -> tuple of :class:`models.captioning.types.Caption`, best first
    ``ANSWER``: :class:`PhotoToAsk` -> :class:`models.reasoning.types.Reasoning`
    ``DRAW``: :class:`models.generation.types.PictureRequest` -> :class:`models.generation.types.DrawnPicture`
    """

    ENCODE_PIXELS = "encode_pixels"
    ENCODE_TEXT = "encode_text"
    ENCODE_RECIPE = "encode_recipe"
    CAPTION = "caption"
    ANSWER = "answer"
    DRAW = "draw"


EncodeOperation: TypeAlias = Literal[Operation.ENCODE_PIXELS, Operation.ENCODE_TEXT, Operation.ENCODE_RECIPE]
#: What the joint encoder does; without them there is no search.
ENCODE_OPERATIONS: Final[frozenset[Operation]] = frozenset(get_args(EncodeOperation))


@dataclass(frozen=True, slots=True, eq=False)
class PhotoToCaption:
    """uint8 (size, size, 3) from :func:`models.preprocess.to_pixels` by the captioner's own preprocessing."""

    pixels: UInt8Array
    options: CaptionOptions


@dataclass(frozen=True, slots=True, eq=False)
class PhotoToAsk:
    """uint8 (size, size, 3) from :func:`models.preprocess.to_pixels` by the reasoner's own preprocessing, and a
    question that :func:`models.reasoning.types.check_question` takes."""

    pixels: UInt8Array
    question: str
    options: AnswerOptions


EncodePayload: TypeAlias = "UInt8Array | str | RecipeText"
Payload: TypeAlias = "EncodePayload | PhotoToCaption | PhotoToAsk | PictureRequest"
Value: TypeAlias = "Float32Array | tuple[Caption, ...] | Reasoning | DrawnPicture"
ModelInfo: TypeAlias = "EncoderInfo | CaptionerInfo | ReasonerInfo | GeneratorInfo"


class Priority(IntEnum):
    """Interactive work overtakes bulk work (imports) at every batch."""

    INTERACTIVE = 0
    BULK = 1


@dataclass(frozen=True, slots=True)
class Done(Generic[V_co]):
    value: V_co


@dataclass(frozen=True, slots=True)
class Failed:
    """This item failed on its own; its neighbours in the batch did not. ``detail`` is safe to show a client."""

    detail: str


#: ``Outcome[Float32Array]`` and so on; what an operation's value is, :class:`Operation` says.
Outcome: TypeAlias = Done[V_co] | Failed


class EngineError(Exception):
    """Base of what :meth:`Engine.submit` raises for a call as a whole."""


class SaturatedError(EngineError):
    """The lane's queue is full. HTTP: 503 with ``Retry-After``."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"the service is at capacity; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class DeadlineError(EngineError):
    """The work did not finish in time. HTTP: 504."""


class UnavailableError(EngineError):
    """The model is not loaded, failed to load, or its worker died. HTTP: 503."""


class LaneState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """True health: ``ready`` only while the lane's worker thread lives and its last self-test answered."""

    lane: str
    state: LaneState
    detail: str
    queued_items: int
    running_items: int
    completed_items: int
    failed_items: int
    device: str


@dataclass(frozen=True, slots=True)
class EngineHealth:
    ready: bool
    lanes: tuple[LaneHealth, ...]


class Engine(Protocol):
    """Runs models. Implementations: :class:`app.engine.local.LocalEngine`."""

    async def start(self) -> None:
        """Load every lane's model and run a self-test. Raises UnavailableError with one clear sentence."""
        ...

    async def stop(self) -> None:
        """Finish the running batch, fail what is queued with UnavailableError, release the models."""
        ...

    @property
    def encoder(self) -> EncoderInfo:
        """The joint encoder behind the ``ENCODE_*`` operations. Raises UnavailableError before start."""
        ...

    @property
    def captioner(self) -> CaptionerInfo | None:
        """The captioner behind ``CAPTION``; None where the settings ask for none. Raises as :attr:`encoder`."""
        ...

    @property
    def reasoner(self) -> ReasonerInfo | None:
        """The reasoner behind ``ANSWER``; None where the settings ask for none. Raises as :attr:`encoder`."""
        ...

    @property
    def generator(self) -> GeneratorInfo | None:
        """The generator behind ``DRAW``; None where the settings ask for none. Raises as :attr:`encoder`."""
        ...

    @overload
    async def submit(
        self,
        operation: EncodeOperation,
        items: Sequence[EncodePayload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[Float32Array]]: ...

    @overload
    async def submit(
        self,
        operation: Literal[Operation.CAPTION],
        items: Sequence[PhotoToCaption],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[tuple[Caption, ...]]]: ...

    @overload
    async def submit(
        self,
        operation: Literal[Operation.ANSWER],
        items: Sequence[PhotoToAsk],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[Reasoning]]: ...

    @overload
    async def submit(
        self,
        operation: Literal[Operation.DRAW],
        items: Sequence[PictureRequest],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[DrawnPicture]]: ...

    async def submit(
        self,
        operation: Operation,
        items: Sequence[Any],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[Any]]:
        """Run ``items`` (in batches shared with other callers); outcomes in the order of items.

        Cancelling the awaiting task drops whatever of it has not started. Raises SaturatedError,
        DeadlineError (after ``timeout_s`` seconds; unstarted items are dropped), UnavailableError.
        """
        ...

    def health(self) -> EngineHealth: ...
