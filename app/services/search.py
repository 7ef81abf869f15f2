"""Queries in, hits out: encode, filter, search, fetch, each in its place and timed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from app.engine.types import Done, Operation, Outcome, Payload
from app.pictures import PictureLimits, decode
from app.problems import Problem, field_problem
from app.services.drafts import recipe_text
from app.services.resources import Resources
from index.algebra import Term, contributions, weighted_sum
from index.types import Filter, Float32Array, Hit, Kind, Recipe, StoredImage, StoredRecipe
from models.preprocess import to_pixels
from models.types import ImagePreprocess, UInt8Array

_FETCH_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture that is not stored, as the file's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """A stored item; it is left out of the answer."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class WholeRecipe:
    """A recipe that is not stored, whole or in part."""

    recipe: Recipe


@dataclass(frozen=True, slots=True)
class TagSum:
    """Tags with weights, positive to add and negative to subtract."""

    tags: tuple[tuple[str, float], ...]


Source: TypeAlias = "Photo | Item | Text | WholeRecipe | TagSum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to find: the ``k`` items of ``kind`` nearest to ``source`` that pass ``filter``, after ``offset`` others."""

    kind: Kind
    source: Source
    k: int = 10
    offset: int = 0
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class TermShare:
    """What a term gave to the score of a hit. The shares of a hit add up to its score, within rounding."""

    term: str
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Found:
    item: StoredRecipe | StoredImage
    score: float
    terms: tuple[TermShare, ...] | None = None


@dataclass(slots=True)
class Timings:
    """Seconds by stage, in the order in which the stages ran."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def header(self) -> str:
        """The value of a ``Server-Timing`` header (W3C), in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in self.seconds.items())

    def milliseconds(self) -> dict[str, float]:
        return {name: round(seconds * 1e3, 2) for name, seconds in self.seconds.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    hits: tuple[Found, ...]
    timings: Timings


class Search:
    """Searches recipes and photos. Safe to call from many tasks."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def find(self, query: Query) -> Answer:
        """Run a query.

        Raises:
            UnknownItemError: the reference item is not there.
            CancelledOutError: the tags cancel out.
            PictureError: the photo is none.
            EngineError: the model is at capacity, late, or not there.
            Problem: 422: a condition of the filter is wrong, or the model refused the query.
            TimeoutError: it took longer than a request may.
        """
        timings = Timings()
        async with asyncio.timeout(self._resources.settings.request_timeout_s):
            terms = await self._terms(query.source, timings)
            hits = await self._resources.executors.database(self._hits, query, terms, timings)
        for name, seconds in timings.seconds.items():
            self._resources.metrics.observe_stage(name, seconds)
        return Answer(tuple(hits), timings)

    # --- the query's vectors ----------------------------------------------------------------------------

    async def _terms(self, source: Source, timings: Timings) -> list[Term]:
        match source:
            case Photo(data):
                return [Term(await self._encode_photo(data, timings), 1.0, "photo")]
            case Text(text):
                return [Term((await self._encode(Operation.ENCODE_TEXT, [text], timings))[0], 1.0, text)]
            case WholeRecipe(recipe):
                try:
                    content = recipe_text(recipe)
                except ValueError as error:
                    raise field_problem("recipe", str(error)) from None
                return [Term((await self._encode(Operation.ENCODE_RECIPE, [content], timings))[0], 1.0, "recipe")]
            case TagSum(tags):
                vectors = await self._encode(Operation.ENCODE_TEXT, [tag for tag, _ in tags], timings)
                return [Term(vector, weight, tag) for vector, (tag, weight) in zip(vectors, tags, strict=True)]
            case Item(kind, item_id):
                with timings.stage("fetch"):
                    vector = await self._resources.executors.database(self._vector_of, kind, item_id)
                return [Term(vector, 1.0, f"@{item_id}")]

    async def _encode_photo(self, data: bytes, timings: Timings) -> Float32Array:
        resources = self._resources
        with timings.stage("decode"):
            pixels = await resources.executors.decode(
                _pixels, data, resources.picture_limits, resources.engine.encoder.preprocess
            )
        return (await self._encode(Operation.ENCODE_PIXELS, [pixels], timings))[0]

    async def _encode(self, operation: Operation, payloads: Sequence[Payload], timings: Timings) -> list[Float32Array]:
        with timings.stage("encode"):
            outcomes = await self._resources.engine.submit(
                operation, payloads, timeout_s=self._resources.settings.request_timeout_s
            )
        return [_value(outcome) for outcome in outcomes]

    def _vector_of(self, kind: Kind, item_id: str) -> Float32Array:
        pk = self._resources.catalogue.get(kind, item_id).pk
        vectors = self._resources.replica.vectors_of([pk])
        if pk not in vectors:
            raise Problem("unavailable", f"The {kind} {item_id!r} has no vector yet; try again.")
        return vectors[pk]

    # --- the hits, in a thread --------------------------------------------------------------------------

    def _hits(self, query: Query, terms: Sequence[Term], timings: Timings) -> list[Found]:
        """Search and fetch at one go: each change of threads would cost a query more than its SQL."""
        wanted = query.filter
        if isinstance(query.source, Item) and query.source.kind is query.kind:
            wanted = replace(wanted, exclude_ids=(*wanted.exclude_ids, query.source.id))
        vector = weighted_sum(terms)
        hits: list[Hit] = []
        items: dict[int, StoredRecipe | StoredImage] = {}
        for _ in range(_FETCH_ATTEMPTS):
            with timings.stage("search"):
                hits = self._search(query, wanted, vector)
            with timings.stage("fetch"):
                items = {item.pk: item for item in self._resources.catalogue.get_many(query.kind, _pks(hits))}
            # What was deleted between the two steps makes room for what comes next.
            if len(items) == len(hits):
                break
        with timings.stage("fetch"):
            shares = self._shares(query.source, terms, hits)
        return [
            Found(items[hit.pk], min(1.0, max(-1.0, hit.score)), shares.get(hit.pk)) for hit in hits if hit.pk in items
        ]

    def _search(self, query: Query, wanted: Filter, vector: Float32Array) -> list[Hit]:
        try:
            selection = None if wanted.is_empty else self._resources.catalogue.select(query.kind, wanted)
        except ValueError as error:
            raise field_problem("filter", str(error)) from None
        found = self._resources.replica.search(query.kind, vector, query.offset + query.k, selection)
        return found[query.offset :]

    def _shares(self, source: Source, terms: Sequence[Term], hits: Sequence[Hit]) -> dict[int, tuple[TermShare, ...]]:
        """What each tag gave, by pk; empty for queries of one term."""
        if not isinstance(source, TagSum) or not hits:
            return {}
        vectors = self._resources.replica.vectors_of(_pks(hits))
        if not vectors:
            return {}
        rows = contributions(terms, np.stack(list(vectors.values())))
        return {
            pk: tuple(TermShare(term.label, term.weight, float(part)) for term, part in zip(terms, row, strict=True))
            for pk, row in zip(vectors, rows, strict=True)
        }


def _pks(hits: Sequence[Hit]) -> list[int]:
    return [hit.pk for hit in hits]


def _pixels(data: bytes, limits: PictureLimits, spec: ImagePreprocess) -> UInt8Array:
    return to_pixels(decode(data, limits, target_side=spec.size).image, spec)


def _value(outcome: Outcome) -> Float32Array:
    if isinstance(outcome, Done):
        return outcome.value
    raise Problem("encoding-failed", outcome.detail)
