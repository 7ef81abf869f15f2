"""What each lane's worker is made from: picklable, and plain until :meth:`build`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from app.engine.answer_worker import AnswerWorker
from app.engine.caption_worker import CaptionWorker
from app.engine.encoder_worker import EncoderWorker
from app.engine.generator_worker import GeneratorWorker
from app.engine.workers import ModelSpec
from models.runtime.types import RuntimeChoice


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The recipe of an encoder worker; a :class:`app.engine.workers.ModelSpec`.

    ``encoder``, ``runtime`` and ``cache`` are those of :func:`models.registry.load_encoder`. ``threads`` bounds the
    model's threads in the worker's process (0: the runtime's own choice).
    """

    name: str
    encoder: str
    device: str = "cpu"
    threads: int = 0
    runtime: RuntimeChoice = "auto"
    cache: Path | None = None

    def build(self) -> EncoderWorker:
        return EncoderWorker(self.encoder, self.device, self.threads, runtime=self.runtime, cache=self.cache)


@dataclass(frozen=True, slots=True)
class CaptionerSpec:
    """The recipe of a caption worker; ``captioner`` is that of :func:`models.captioning.loading.load_captioner`."""

    name: str
    captioner: str
    device: str = "cpu"
    threads: int = 0

    def build(self) -> CaptionWorker:
        return CaptionWorker(self.captioner, self.device, self.threads)


@dataclass(frozen=True, slots=True)
class ReasonerSpec:
    """The recipe of an answer worker; ``reasoner`` is that of :func:`models.reasoning.loading.load_reasoner`."""

    name: str
    reasoner: str
    device: str = "cpu"
    threads: int = 0

    def build(self) -> AnswerWorker:
        return AnswerWorker(self.reasoner, self.device, self.threads)


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """The recipe of a generator worker; ``generator`` is that of :func:`models.generation.loading.load_generator`."""

    name: str
    generator: str
    device: str = "cpu"
    threads: int = 0

    def build(self) -> GeneratorWorker:
        return GeneratorWorker(self.generator, self.device, self.threads)


def on_this_machine(spec: ModelSpec, *, threads: int, cache: Path) -> ModelSpec:
    """What a worker host makes of a service's ``spec``: cores and folders are its own affair."""
    if isinstance(spec, EncoderSpec):
        return replace(spec, threads=threads, cache=cache)
    if isinstance(spec, CaptionerSpec | ReasonerSpec | GeneratorSpec):
        return replace(spec, threads=threads)
    return spec
