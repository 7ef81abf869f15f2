"""Workers that a test sends into a process. Texts are their language, as :class:`FakeWorker`'s."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.engine.types import ENCODE_OPERATIONS, Operation, Payload, Value
from app.engine.workers import ItemError, SelfTestError, Worker, WorkerDiedError
from models.captioning.types import CaptionOptionError
from models.types import EncoderInfo, EncoderUnavailableError, Float32Array, ModelError
from tests.app.engine.fakes import OutOfMemoryError, info
from tests.app.fakes import FakeEngine, text_vector


class UnheardOfError(ModelError):
    """A model's error that its lane's process need not know."""


@dataclass(frozen=True, slots=True)
class ScriptedSpec:
    """``fifo``: the worker holds its writing end open for as long as its process lives, and writes a byte when a
    batch comes in that says ``hang`` or ``slow`` (0.2 s). ``broken``: what loading and testing does. ``http``: answers
    as the service's fake engine does."""

    fifo: Path | None = None
    broken: str = ""
    http: bool = False
    name: str = "encoder"

    def build(self) -> ScriptedWorker:
        return ScriptedWorker(self)


class ScriptedWorker(Worker):
    def __init__(self, spec: ScriptedSpec) -> None:
        self._spec = spec
        self._fifo: int | None = None
        self._info: EncoderInfo | None = None

    @property
    def operations(self) -> frozenset[Operation]:
        return ENCODE_OPERATIONS

    @property
    def device(self) -> str:
        return "scripted:1" if self._info is not None else "scripted"

    @property
    def info(self) -> EncoderInfo | None:
        return self._info

    def load(self) -> None:
        if self._spec.fifo is not None:
            self._fifo = os.open(self._spec.fifo, os.O_WRONLY)
        if self._spec.broken == "load":
            raise EncoderUnavailableError("the weights are missing; run make weights")
        if self._spec.broken == "exit":
            os._exit(7)
        logging.getLogger("app.scripted").warning("loaded by the script")
        self._info = FakeEngine().info if self._spec.http else info()

    def self_test(self) -> None:
        if self._spec.broken == "self-test":
            raise SelfTestError("it answers wrongly")

    def close(self) -> None:
        self._info = None

    def run(self, operation: Operation, payloads: Sequence[Payload]) -> Sequence[Value]:
        return [self._answer(str(each)) for each in payloads]

    def _answer(self, text: str) -> Any:
        match text.split()[0]:
            case "hang":
                assert self._fifo is not None
                os.write(self._fifo, b"!")
                signal.pause()
            case "slow":
                assert self._fifo is not None
                os.write(self._fifo, b"!")
                time.sleep(0.2)
            case "exit":
                os._exit(7)
            case "system-exit":
                raise SystemExit(3)
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            case "unfit":
                raise ItemError("the text is unfit")
            case "memory":
                raise OutOfMemoryError("no room for a map")
            case "option":
                raise CaptionOptionError("no such style")
            case "unheard-of":
                raise UnheardOfError("a model's own words")
            case "unloaded":
                raise WorkerDiedError("the encoder is not loaded")
            case "raise":
                raise ZeroDivisionError("a bug")
            case "unpicklable":
                return lambda: None
            case "pid":
                return np.array([os.getpid(), 0, 0, 0], np.float32)
        return text_vector(text) if self._spec.http else _vector(text)


def _vector(text: str) -> Float32Array:
    return np.array([len(text), 1, 2, 3], np.float32)
