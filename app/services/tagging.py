"""A photo in, ranked tags out: by the trained head, or zero-shot by any vocabulary."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from app.engine.types import Done, Operation
from app.problems import field_problem, place_problem
from app.services.operands import Operands
from app.services.query import Item, Photo, QueryTerm
from app.services.resources import Resources
from app.services.timings import Timings
from models.tagging.scoring import rank_tags
from models.tagging.types import Tagger, TagScore
from models.tagging.vocabulary import TagVocabulary, built_in_vocabulary
from models.tagging.zero_shot import ZeroShotCalibration, ZeroShotTagger
from models.types import Float32Array

#: Text vectors that are kept: a few whole vocabularies, some megabytes.
CACHED_TEXTS = 4096
_TEXTS_A_CALL = 64  # a request's share of the queue stays small


class TagMethod(StrEnum):
    HEAD = "head"
    ZERO_SHOT = "zero-shot"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRequest:
    """Which tags of which photo. ``method`` None: zero-shot for a vocabulary, else the head."""

    photo: Photo | Item
    vocabulary: TagVocabulary | None = None
    method: TagMethod | None = None
    k: int = 10
    min_probability: float = 0.0
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """Tags, best first. ``calibrated``: whether the probabilities were fitted for this encoder; ``model`` gave them."""

    tags: tuple[TagScore, ...]
    method: TagMethod
    calibrated: bool
    model: str
    timings: Timings


class Tagging:
    """Tags photos. Safe to call from many tasks of one event loop."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._operands = Operands(resources)
        self._texts: OrderedDict[str, Float32Array] = OrderedDict()
        self._default: ZeroShotCalibration | None = None

    async def tag(self, request: TagRequest) -> TagAnswer:
        """Rank the tags of a photo.

        Raises:
            UnknownItemError: the photo is not there.
            TaggerUnavailableError: the head was asked for and there is none for this encoder.
            PictureError: the file is no picture.
            EngineError: the model is at capacity, late, or not there.
            Problem: 422: head and vocabulary were both asked for, or the model refused a photo or tag.
            TimeoutError: it took longer than a request may.
        """
        method = request.method or (TagMethod.HEAD if request.vocabulary is None else TagMethod.ZERO_SHOT)
        if method is TagMethod.HEAD and request.vocabulary is not None:
            raise field_problem("method", "the head has tags of its own; leave out vocabulary, or choose zero-shot")
        timings = Timings()
        async with asyncio.timeout(self._resources.settings.request_timeout_s):
            # First, so that nothing is decoded in vain.
            head = self._resources.taggers.head() if method is TagMethod.HEAD else None
            term = (await self._operands.resolve([QueryTerm(operand=request.photo)], timings)).terms[0]
            tagger, calibrated = (head, True) if head else await self._zero_shot(request.vocabulary, timings)
        with timings.stage("tag"):
            tags = rank_tags(
                tagger,
                term.vector,
                k=request.k,
                min_probability=request.min_probability,
                groups=request.groups,
            )
        for name, seconds in timings.seconds.items():
            self._resources.metrics.observe_stage(name, seconds)
        model = "tastespace-tags" if head else self._resources.engine.encoder.name
        return TagAnswer(tuple(tags), method, calibrated, model, timings)

    async def _zero_shot(self, vocabulary: TagVocabulary | None, timings: Timings) -> tuple[Tagger, bool]:
        wanted = vocabulary or built_in_vocabulary()
        with timings.stage("vocabulary"):
            calibration = self._resources.taggers.calibration or await self._default_calibration()
            vectors = await self._vectors(wanted.names)
        return ZeroShotTagger(wanted, vectors, calibration), calibration.fitted

    async def _default_calibration(self) -> ZeroShotCalibration:
        if self._default is None:
            self._default = ZeroShotCalibration.of_reference(await self._vectors(built_in_vocabulary().names))
        return self._default

    async def _vectors(self, names: Sequence[str]) -> Float32Array:
        """(names, dim), from the cache where they are there."""
        found = {name: self._texts[name] for name in names if name in self._texts}
        missing = [name for name in names if name not in found]
        for start in range(0, len(missing), _TEXTS_A_CALL):
            part = missing[start : start + _TEXTS_A_CALL]
            outcomes = await self._resources.engine.submit(
                Operation.ENCODE_TEXT, part, timeout_s=self._resources.settings.request_timeout_s
            )
            for name, outcome in zip(part, outcomes, strict=True):
                if not isinstance(outcome, Done):
                    raise place_problem("encoding-failed", f"the tag {name!r}: {outcome.detail}", "vocabulary")
                found[name] = outcome.value
                # At once, so that a call that ends too early leaves less to do to the next.
                self._keep(name, outcome.value)
        for name in names:
            self._keep(name, found[name])
        return np.stack([found[name] for name in names])

    def _keep(self, name: str, vector: Float32Array) -> None:
        self._texts[name] = vector
        self._texts.move_to_end(name)
        while len(self._texts) > CACHED_TEXTS:
            self._texts.popitem(last=False)
