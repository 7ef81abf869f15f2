"""The process's side of :class:`app.engine.process.ProcessWorker`, and what travels between the two."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Any, Final, Literal, NoReturn, TypeAlias

from app.engine.isolation import is_out_of_memory
from app.engine.types import ModelInfo
from app.engine.workers import ItemError, ModelSpec, SelfTestError, Worker, WorkerDiedError
from models.types import ModelError

_logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_ORPHANED: Final = 1
_TEXT_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

#: Prepares the process, its logging above all, before anything else; picklable.
SetUp: TypeAlias = Callable[[], None]
FailureKind: TypeAlias = Literal["item", "memory", "model", "self-test", "died", "other"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as plain data: the other side may lack its class, and its traceback stays in the log."""

    kind: FailureKind
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    value: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a worker says of itself once it is loaded."""

    info: ModelInfo | None
    device: str


class RemoteError(Exception):
    """Any other exception of the process; its class is named as that one's was."""


class _Headed(logging.Filter):
    """Each line's logger is headed by the name of the process."""

    def __init__(self, head: str) -> None:
        super().__init__()
        self._head = head

    def filter(self, record: logging.LogRecord) -> bool:
        record.name = f"{self._head}/{record.name}"
        return True


def serve(spec: ModelSpec, pipe: Connection, set_up: SetUp | None) -> None:
    """Answer calls until the pipe closes; the main function of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a ctrl-C is the service's, which ends this process in order
    _die_with_parent()
    if set_up is not None:
        set_up()
    logging.basicConfig(format=_TEXT_FORMAT)  # to standard error, unless it was set up
    for handler in logging.getLogger().handlers:
        handler.addFilter(_Headed(spec.name))
    worker = spec.build()
    try:
        for method, arguments in _calls(pipe):
            _send(pipe, _answer(worker, method, arguments))
    except BrokenPipeError:
        return  # nobody waits for the answer
    finally:
        worker.close()


def raise_failure(failure: Failure) -> NoReturn:
    """The exception that ``failure`` stands for, as the lane tells them apart."""
    match failure.kind:
        case "item":
            raise ItemError(failure.message)
        case "memory":
            raise MemoryError(failure.message)
        case "self-test":
            raise SelfTestError(failure.message)
        case "died":
            raise WorkerDiedError(failure.message)
        case "model":
            known = {each.__name__: each for each in _subclasses(ModelError)}
            raise known.get(failure.name, ModelError)(failure.message)
        case "other":
            raise type(failure.name, (RemoteError,), {})(failure.message)


def _calls(pipe: Connection) -> Iterator[tuple[str, tuple[Any, ...]]]:
    while True:
        try:
            yield pipe.recv()
        except (EOFError, ConnectionResetError):
            return


def _answer(worker: Worker, method: str, arguments: tuple[Any, ...]) -> Answer:
    # Only an Exception is an answer: a SystemExit out of native code ends the process, and its parent sees that.
    try:
        if method == "load":
            worker.load()
            return Answer(Loaded(worker.info, worker.device))
        if method == "self_test":
            worker.self_test()
            return Answer()
        return Answer(worker.run(*arguments))
    except Exception as error:  # noqa: BLE001 - travels to the parent, whatever it is
        return Answer(failure=_failure(error))


def _failure(error: Exception) -> Failure:
    kind: FailureKind = "other"
    if is_out_of_memory(error):
        kind = "memory"
    else:
        classes: dict[FailureKind, type[Exception]] = {
            "item": ItemError,
            "model": ModelError,
            "self-test": SelfTestError,
            "died": WorkerDiedError,
        }
        kind = next((name for name, each in classes.items() if isinstance(error, each)), "other")
    if kind == "other":
        _logger.warning("a call failed", exc_info=error)
    return Failure(kind, type(error).__name__, str(error))


def _send(pipe: Connection, answer: Answer) -> None:
    try:
        pipe.send(answer)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the answer can't be pickled, and nothing of it was written yet
        pipe.send(Answer(failure=_failure(error)))


def _die_with_parent() -> None:
    """Closing the pipe ends an idle process; this ends a busy one too, where the system can.

    The signal comes when the thread that started the process ends: the lane's own, which lives as long as its worker.
    """
    parent = parent_process()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent.pid:  # it died before that
        os._exit(_ORPHANED)


def _subclasses(base: type[ModelError]) -> Iterator[type[ModelError]]:
    yield base
    for each in base.__subclasses__():
        yield from _subclasses(each)
