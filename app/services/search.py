"""Queries in, hits out: encode, filter, search, fetch, each in its place and timed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.problems import field_problem
from app.services.filtering import resolve
from app.services.operands import Operands, Resolved
from app.services.query import Combination, Photo, Query, TagSum, combination_of
from app.services.resources import Resources
from app.services.text_mean import TextMean
from app.services.timings import Timings
from index.algebra import CENTRES_TEXTS, Modality, Plan, plan
from index.types import Filter, Hit, Kind, StoredImage, StoredRecipe

_FETCH_ATTEMPTS = 3


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


@dataclass(frozen=True, slots=True)
class Answer:
    """``expanded``: what each ingredient of the filter stood for, None where that was not asked."""

    hits: tuple[Found, ...]
    timings: Timings
    expanded: Mapping[str, tuple[str, ...]] | None = None


class Search:
    """Searches recipes and photos. Safe to call from many tasks."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._operands = Operands(resources)
        self._text_mean = TextMean(resources.engine)

    async def find(self, query: Query) -> Answer:
        """Run a query.

        Raises:
            UnknownItemError: the reference item is not there.
            CancelledOutError: the terms cancel out.
            NegativeOnlyError: the terms are all subtracted, and the strategy needs one that is not.
            PictureError: the photo is none.
            EngineError: the model is at capacity, late, or not there.
            Problem: 422: a condition of the filter is wrong, or the model refused the query; what is wrong with one of
                several terms, with its place.
            TimeoutError: it took longer than a request may.
        """
        timings = Timings()
        combination = combination_of(query.source)
        async with asyncio.timeout(self._resources.settings.request_timeout_s):
            resolved = await self._operands.resolve(combination.terms, timings)
            planned = await self._plan(combination, resolved, timings)
            with timings.stage("search"):
                widened = await resolve(query.filter, self._resources, expand=query.expand_ingredients)
            query = replace(query, filter=widened.filter)
            hits = await self._resources.executors.database(self._hits, query, planned, resolved, timings)
        for name, seconds in timings.seconds.items():
            self._resources.metrics.observe_stage(name, seconds)
        return Answer(tuple(hits), timings, widened.names)

    async def _plan(self, combination: Combination, resolved: Resolved, timings: Timings) -> Plan:
        text_mean = None
        if combination.strategy in CENTRES_TEXTS and any(term.modality is Modality.TEXT for term in resolved.terms):
            with timings.stage("encode"):
                text_mean = await self._text_mean.get()
        return plan(combination.strategy, resolved.terms, balance=combination.balance, text_mean=text_mean)

    # --- the hits, in a thread --------------------------------------------------------------------------

    def _hits(self, query: Query, planned: Plan, resolved: Resolved, timings: Timings) -> list[Found]:
        """Search and fetch at one go: each change of threads would cost a query more than its SQL."""
        wanted = replace(query.filter, exclude_ids=(*query.filter.exclude_ids, *self._references(query, resolved)))
        hits: list[Hit] = []
        items: dict[int, StoredRecipe | StoredImage] = {}
        for _ in range(_FETCH_ATTEMPTS):
            with timings.stage("search"):
                hits = self._search(query, wanted, planned)
            with timings.stage("fetch"):
                items = {item.pk: item for item in self._resources.catalogue.get_many(query.kind, _pks(hits))}
            # What was deleted between the two steps makes room for what comes next.
            if len(items) == len(hits):
                break
        with timings.stage("fetch"):
            shares = self._shares(query, planned, resolved, hits)
        return [
            Found(items[hit.pk], min(1.0, max(-1.0, hit.score)), shares.get(hit.pk)) for hit in hits if hit.pk in items
        ]

    def _references(self, query: Query, resolved: Resolved) -> list[str]:
        """The ids of the searched kind that the query was asked with."""
        found = [item_id for kind, item_id in resolved.references if kind is query.kind]
        if query.kind is Kind.IMAGE and isinstance(query.source, Combination):
            photos = [term.operand.data for term in query.source.terms if isinstance(term.operand, Photo)]
            if photos:
                names = [hashlib.sha256(data).hexdigest() for data in photos]
                found += self._resources.catalogue.images_of_blobs(names)
        return found

    def _search(self, query: Query, wanted: Filter, planned: Plan) -> list[Hit]:
        resources = self._resources
        try:
            selection = None if wanted.is_empty else resources.catalogue.select(query.kind, wanted)
        except ValueError as error:
            raise field_problem("filter", str(error)) from None
        most = query.offset + query.k
        if planned.vector is not None:
            found = resources.replica.search(query.kind, planned.vector, most, selection)
        else:
            found = resources.replica.search_scored(query.kind, planned.scores, most, selection)
        return found[query.offset :]

    def _shares(
        self, query: Query, planned: Plan, resolved: Resolved, hits: Sequence[Hit]
    ) -> dict[int, tuple[TermShare, ...]]:
        """What each term gave, by pk; empty for queries that are one operand."""
        if not isinstance(query.source, TagSum | Combination) or not hits:
            return {}
        vectors = self._resources.replica.vectors_of(_pks(hits))
        if not vectors:
            return {}
        rows = planned.contributions(np.stack(list(vectors.values())))
        return {
            pk: tuple(
                TermShare(term.label, term.weight, float(part)) for term, part in zip(resolved.terms, row, strict=True)
            )
            for pk, row in zip(vectors, rows, strict=True)
        }


def _pks(hits: Sequence[Hit]) -> list[int]:
    return [hit.pk for hit in hits]
