"""Workers: what a lane drives. A worker owns one model and is used by one thread.

A lane and its worker exchange plain, picklable data only (strings, recipes, arrays, captions), and a worker is made
from a picklable :class:`ModelSpec`. So the same worker can run in the lane's thread, in a process of its own
(:mod:`app.engine.process`), on a worker host (:mod:`app.engine.remote`), or in an actor of a cluster, behind a proxy
that has these same methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.engine.types import ModelInfo, Operation, Payload, Value


class ItemError(ValueError):
    """One item can't be worked on, by its own fault; the message is one clear sentence for the client."""


class WorkerDiedError(Exception):
    """The worker can't be used any more and must be loaded anew."""


class WorkerUnreachableError(WorkerDiedError):
    """Where the worker runs can't be reached now. It may come back by itself: a lane waits, at its first load too."""


class SelfTestError(Exception):
    """A worker answers, but wrongly."""


class Worker(Protocol):
    """One loaded model. :meth:`load` may be called again after :meth:`close`, to recover.

    All is called by one thread, but :attr:`is_alive` and :meth:`abort`, which any thread may call at any time. What
    these two do by default is right for a worker that lives in its caller's thread.
    """

    @property
    def operations(self) -> frozenset[Operation]:
        """What it can run; known before :meth:`load`."""
        ...

    @property
    def device(self) -> str: ...

    @property
    def info(self) -> ModelInfo | None:
        """The loaded model; None before :meth:`load`."""
        ...

    @property
    def is_alive(self) -> bool:
        """False once it is known to be gone, so that its next call would raise WorkerDiedError."""
        return True

    def load(self) -> None:
        """Load the model. Raises a ModelError that says what is missing, or whatever the loader does."""
        ...

    def self_test(self) -> None:
        """Run every operation once on built-in input. Raises SelfTestError on a wrong answer."""
        ...

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        """Run one batch: a value for each payload, in order.

        Raises:
            ItemError: a payload is unfit.
            MemoryError (or torch's OutOfMemoryError): the batch is too large.
            WorkerDiedError: the worker is gone.
        """
        ...

    def abort(self) -> bool:
        """End the call under way, which then raises WorkerDiedError. False where that can't be done."""
        return False

    def close(self) -> None:
        """Release the model. Safe to call twice, or before :meth:`load`."""
        ...


class ModelSpec(Protocol):
    """The recipe of a worker; picklable, so that the worker can be made elsewhere. ``name`` is its lane's."""

    @property
    def name(self) -> str: ...

    def build(self) -> Worker:
        """A worker that is not loaded. Imports no torch."""
        ...
