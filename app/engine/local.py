"""The engine that runs its lanes in threads of this process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future
from functools import partial
from logging import getLogger
from types import MappingProxyType
from typing import Any, Self, TypeVar

from app.engine.agreement import Agreement
from app.engine.lane import Lane
from app.engine.limits import LaneLimits
from app.engine.observe import EngineObserver
from app.engine.types import (
    ENCODE_OPERATIONS,
    DeadlineError,
    EngineHealth,
    LaneState,
    Operation,
    Outcome,
    Payload,
    Priority,
    UnavailableError,
)
from app.engine.workers import ModelSpec
from models.captioning.types import CaptionerInfo
from models.generation.types import GeneratorInfo
from models.reasoning.types import ReasonerInfo
from models.types import EncoderInfo

_logger = getLogger(__name__)
_Beside = TypeVar("_Beside", CaptionerInfo, ReasonerInfo, GeneratorInfo)
_ALIKE: Mapping[str, LaneLimits] = MappingProxyType({})


class LocalEngine:
    """Routes work to lanes of this process; implements :class:`app.engine.types.Engine`.

    Where several lanes offer an operation (one for each GPU, say), the ready one with the least before it gets the
    work. :meth:`start` and :meth:`stop` belong to one event loop, that of the app; :meth:`submit` may be awaited
    from any loop, since results travel by ``call_soon_threadsafe`` to the loop that waits.
    """

    def __init__(self, lanes: Sequence[Lane], *, stop_timeout_s: float = 30.0, watch_every_s: float = 1.0) -> None:
        """Lanes are owned by the engine from here on.

        Args:
            lanes: at least one, with distinct names.
            stop_timeout_s: how long :meth:`stop` waits for running batches.
            watch_every_s: how often hanging batches are looked for.
        """
        if not lanes or len({lane.name for lane in lanes}) < len(lanes):
            raise ValueError("an engine needs at least one lane, and lanes with distinct names")
        self._lanes = tuple(lanes)
        self._stop_timeout_s = stop_timeout_s
        self._watch_every_s = watch_every_s
        self._watchdog: asyncio.Task[None] | None = None

    @classmethod
    def from_specs(
        cls,
        specs: Sequence[ModelSpec],
        *,
        limits: LaneLimits | None = None,
        own_limits: Mapping[str, LaneLimits] = _ALIKE,
        observer: EngineObserver | None = None,
    ) -> Self:
        """One lane for each spec, with ``own_limits`` where they have its name, and ``limits`` elsewhere."""
        return cls(
            [Lane(spec.name, spec.build(), own_limits.get(spec.name, limits), observer=observer) for spec in specs]
        )

    async def start(self) -> None:
        """Load every lane's model at once, each in its own thread, and test it.

        A lane whose worker can't be reached is not waited for: it says so in :meth:`health`, and goes on trying.

        Raises:
            UnavailableError: a lane failed, in one clear sentence; all the others are stopped again.
        """
        agreement = Agreement({lane.name: lane.operations for lane in self._lanes})
        loading = [asyncio.wrap_future(lane.start(partial(agreement.admit, lane.name))) for lane in self._lanes]
        try:
            results = await asyncio.gather(*loading, return_exceptions=True)
        except asyncio.CancelledError:
            await self.stop()
            raise
        failure = next((each for each in results if isinstance(each, BaseException)), None)
        if failure is not None:
            await self.stop()
            raise failure
        self._watchdog = asyncio.create_task(self._watch(), name="engine-watchdog")

    async def stop(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        ended = await asyncio.gather(*(asyncio.to_thread(lane.stop, self._stop_timeout_s) for lane in self._lanes))
        for lane, end in zip(self._lanes, ended, strict=True):
            if not end:
                _logger.error("lane %s did not stop within %g s", lane.name, self._stop_timeout_s)

    @property
    def encoder(self) -> EncoderInfo:
        for lane in self._lanes:
            if isinstance(lane.info, EncoderInfo):
                return lane.info
        raise self._not_loaded("encoder", ENCODE_OPERATIONS)

    @property
    def captioner(self) -> CaptionerInfo | None:
        return self._beside(CaptionerInfo, Operation.CAPTION, "captioner")

    @property
    def reasoner(self) -> ReasonerInfo | None:
        return self._beside(ReasonerInfo, Operation.ANSWER, "reasoner")

    @property
    def generator(self) -> GeneratorInfo | None:
        return self._beside(GeneratorInfo, Operation.DRAW, "generator")

    async def submit(
        self,
        operation: Operation,
        items: Sequence[Payload],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> list[Outcome[Any]]:
        """See :meth:`app.engine.types.Engine.submit`; queueing as :meth:`app.engine.lane.Lane.submit` says.

        Raises:
            SaturatedError, DeadlineError, UnavailableError: for the submission as a whole.
            ValueError: ``timeout_s`` is NaN, or an interactive submission is larger than the whole queue.
        """
        if timeout_s is not None and math.isnan(timeout_s):
            raise ValueError("timeout_s must be a number of seconds, not NaN")
        if not items:
            return []
        if timeout_s is not None and timeout_s <= 0:
            raise DeadlineError("the time for this work is over before it started")
        future = self._lane_for(operation).submit(operation, items, timeout_s=timeout_s, priority=priority)
        return await _outcomes(future, timeout_s)

    def health(self) -> EngineHealth:
        """Ready while each operation of the encoder has a lane that is: of two GPUs one may be down, or the captioner,
        and the service still searches."""
        lanes = tuple(lane.health() for lane in self._lanes)
        served = frozenset[Operation]().union(
            *(lane.operations for lane, each in zip(self._lanes, lanes, strict=True) if each.state is LaneState.READY)
        )
        return EngineHealth(ready=served >= ENCODE_OPERATIONS, lanes=lanes)

    def _beside(self, kind: type[_Beside], operation: Operation, role: str) -> _Beside | None:
        """A model beside the encoder; None where no lane offers its operation."""
        for lane in self._lanes:
            if isinstance(lane.info, kind):
                return lane.info
        if any(operation in lane.operations for lane in self._lanes):
            raise self._not_loaded(role, {operation})
        return None

    def _not_loaded(self, role: str, operations: Set[Operation]) -> UnavailableError:
        details = (lane.health() for lane in self._lanes if lane.operations & operations)
        reason = next((each.detail for each in details if each.state is LaneState.FAILED), None)
        return UnavailableError(reason or f"the {role} is not loaded")

    def _lane_for(self, operation: Operation) -> Lane:
        lanes = [lane for lane in self._lanes if operation in lane.operations]
        if not lanes:
            raise UnavailableError(f"no model of this service can {operation.value}")
        return min(lanes, key=lambda lane: (not lane.is_ready, lane.occupancy))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_every_s)
            for lane in self._lanes:
                lane.check()


async def _outcomes(future: Future[list[Outcome[Any]]], timeout_s: float | None) -> list[Outcome[Any]]:
    # Cancelling (by the caller or by the timeout) reaches the future, and through it the lane drops the work.
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise DeadlineError(f"the work did not finish within {timeout_s:g} s") from None
