"""Running a batch so that one bad item costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any, TypeAlias

from app.engine.types import Failed, Outcome, Payload, Value
from app.engine.workers import ItemError, WorkerDiedError
from models.types import ModelError

_logger = getLogger(__name__)

Check: TypeAlias = Callable[[Value], Outcome[Value]]


@dataclass(slots=True)
class IsolatedRun:
    """Outcomes in the order of the payloads, and what the lane learns from how they came about.

    ``fits`` is the largest batch size left to try after running out of memory (None: memory sufficed).
    ``unexplained`` counts failures that were not the item's own doing as far as the worker could say.
    """

    outcomes: list[Outcome[Any]] = field(default_factory=list)
    fits: int | None = None
    unexplained: int = 0


def run_isolated(
    run: Callable[[Sequence[Payload]], Sequence[Value]], payloads: Sequence[Payload], check: Check
) -> IsolatedRun:
    """Run ``payloads``; halve a batch that fails until each bad item stands alone as :class:`Failed`.

    Args:
        run: one call of the worker, payloads in, as many values out.
        payloads: at least one.
        check: one value as it was promised, or why it isn't.

    Raises:
        WorkerDiedError: the worker is gone; no item can be blamed. Raised for any BaseException that isn't an
            Exception too (``SystemExit`` out of a native library, say).
    """
    result = IsolatedRun()
    pieces = [list(payloads)]
    while pieces:
        piece = pieces.pop()
        failed: Failed | None = None
        try:
            values = _run_whole(run, piece)
        except WorkerDiedError:
            raise
        except Exception as error:  # noqa: BLE001 - any failure is an outcome here; _explain logs it
            failed = _explain(error, len(piece), result)
        except BaseException as error:
            raise WorkerDiedError(f"the worker died of {type(error).__name__}") from error
        else:
            outcomes = [check(value) for value in values]
            result.outcomes += outcomes
            result.unexplained += sum(isinstance(each, Failed) for each in outcomes)
        # Outside of the except clause: its traceback would keep the failed batch's tensors alive.
        if failed is None:
            continue
        if len(piece) == 1:
            result.outcomes.append(failed)
        else:
            middle = len(piece) // 2
            pieces += [piece[middle:], piece[:middle]]
    return result


def _run_whole(run: Callable[[Sequence[Payload]], Sequence[Value]], piece: list[Payload]) -> Sequence[Value]:
    values = run(piece)
    if len(values) != len(piece):
        raise RuntimeError(f"the worker gave {len(values)} values for {len(piece)} items")
    return values


def is_out_of_memory(error: BaseException) -> bool:
    """MemoryError, or torch's out of memory on any device; by name, since torch isn't imported here."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))
    )


def _explain(error: Exception, size: int, result: IsolatedRun) -> Failed:
    """What a client may read of ``error``: the words of errors made for clients, nothing of any other."""
    if is_out_of_memory(error):
        result.fits = min(result.fits or size, max(1, size // 2))
        result.unexplained += size == 1
        return Failed("there is not enough memory for this item")
    if isinstance(error, ItemError | ModelError):
        return Failed(str(error))
    if size == 1:
        result.unexplained += 1
        _logger.warning("an item failed in the worker", exc_info=error)
    return Failed(f"the model failed on this item ({type(error).__name__})")
