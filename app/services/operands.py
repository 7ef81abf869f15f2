"""From the operands of a query to vectors: stored ones looked up, the others encoded in as few calls as can be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.engine.types import Done, EncodeOperation, EncodePayload, Operation, Priority
from app.pictures import PictureError, PictureLimits, decode
from app.problems import Problem, as_problem, field_problem, place_problem
from app.services.drafts import recipe_text
from app.services.query import Item, Photo, QueryTerm, Text, WholeRecipe
from app.services.resources import Resources
from app.services.timings import Timings
from index.algebra import Modality, Term
from index.types import Float32Array, Kind, Recipe, UnknownItemError
from models.preprocess import to_pixels
from models.types import ImagePreprocess, RecipeText, UInt8Array


@dataclass(frozen=True, slots=True)
class Resolved:
    """The terms of a query in their order, and the stored items among them."""

    terms: tuple[Term, ...]
    references: tuple[tuple[Kind, str], ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    kind: Kind
    id: str
    vector: Float32Array


class Operands:
    """Gives the operands of queries their vectors."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def resolve(
        self, terms: Sequence[QueryTerm], timings: Timings, priority: Priority = Priority.INTERACTIVE
    ) -> Resolved:
        """Raises as :meth:`app.services.search.Search.find` says."""
        items: dict[int, Item] = {}
        photos: dict[int, bytes] = {}
        texts: dict[int, EncodePayload] = {}
        recipes: dict[int, EncodePayload] = {}
        for place, term in enumerate(terms):
            match term.operand:
                case Item():
                    items[place] = term.operand
                case Photo(data):
                    photos[place] = data
                case Text(text):
                    texts[place] = text
                case WholeRecipe(recipe):
                    recipes[place] = _recipe_payload(recipe, term)
        stored: dict[int, _Stored] = {}
        if items:
            with timings.stage("fetch"):
                stored = await self._resources.executors.database(self._stored, items, terms)
        pixels = await self._decode(photos, terms, timings) if photos else {}
        work: dict[EncodeOperation, dict[int, EncodePayload]] = {
            Operation.ENCODE_PIXELS: pixels,
            Operation.ENCODE_TEXT: texts,
            Operation.ENCODE_RECIPE: recipes,
        }
        vectors = {place: item.vector for place, item in stored.items()} | await self._encode(
            work, terms, timings, priority
        )
        images = photos.keys() | {place for place, item in stored.items() if item.kind is Kind.IMAGE}
        return Resolved(
            tuple(
                Term(vectors[place], term.weight, term.label, Modality.IMAGE if place in images else Modality.TEXT)
                for place, term in enumerate(terms)
            ),
            tuple((item.kind, item.id) for item in stored.values()),
        )

    def _stored(self, items: Mapping[int, Item], terms: Sequence[QueryTerm]) -> dict[int, _Stored]:
        pks: dict[int, tuple[int, Kind]] = {}
        for place, item in items.items():
            try:
                pks[place] = self._pk(item)
            except (UnknownItemError, Problem) as error:
                raise _placed(error, terms[place]) from None
        vectors = self._resources.replica.vectors_of({pk for pk, _ in pks.values()})
        for place, (pk, kind) in pks.items():
            if pk not in vectors:
                missing = Problem("unavailable", f"The {kind} {items[place].id!r} has no vector yet; try again.")
                raise _placed(missing, terms[place])
        return {place: _Stored(kind, items[place].id, vectors[pk]) for place, (pk, kind) in pks.items()}

    def _pk(self, item: Item) -> tuple[int, Kind]:
        for kind in (Kind.IMAGE, Kind.RECIPE) if item.kind is None else (item.kind,):
            if found := self._resources.catalogue.ids_to_pks(kind, [item.id]):
                return next(iter(found.values())), kind
        if item.kind is not None:
            raise UnknownItemError(item.kind, item.id)
        raise Problem("unknown-item", f"no photo or recipe has the id {item.id!r}")

    async def _decode(
        self, photos: Mapping[int, bytes], terms: Sequence[QueryTerm], timings: Timings
    ) -> dict[int, EncodePayload]:
        resources = self._resources
        spec = resources.engine.encoder.preprocess
        with timings.stage("decode"):
            found = await asyncio.gather(
                *(
                    resources.executors.decode(_pixels, data, resources.picture_limits, spec)
                    for data in photos.values()
                ),
                return_exceptions=True,
            )
        pixels: dict[int, EncodePayload] = {}
        for place, each in zip(photos, found, strict=True):
            if isinstance(each, PictureError):
                raise _placed(each, terms[place])
            if isinstance(each, BaseException):
                raise each
            pixels[place] = each
        return pixels

    async def _encode(
        self,
        work: Mapping[EncodeOperation, Mapping[int, EncodePayload]],
        terms: Sequence[QueryTerm],
        timings: Timings,
        priority: Priority,
    ) -> dict[int, Float32Array]:
        jobs = {operation: payloads for operation, payloads in work.items() if payloads}
        if not jobs:
            return {}
        with timings.stage("encode"):
            # Bulk work may wait for hours behind other bulk work; nobody holds a connection for it.
            timeout_s = self._resources.settings.request_timeout_s if priority is Priority.INTERACTIVE else None
            running = [
                asyncio.ensure_future(
                    self._resources.engine.submit(
                        operation, list(payloads.values()), timeout_s=timeout_s, priority=priority
                    )
                )
                for operation, payloads in jobs.items()
            ]
            try:
                answers = await asyncio.gather(*running)
            finally:
                # Where one is refused, nobody waits for the others any more.
                for each in running:
                    each.cancel()
        vectors: dict[int, Float32Array] = {}
        for payloads, outcomes in zip(jobs.values(), answers, strict=True):
            for place, outcome in zip(payloads, outcomes, strict=True):
                if not isinstance(outcome, Done):
                    raise _placed(Problem("encoding-failed", outcome.detail), terms[place])
                vectors[place] = outcome.value
        return vectors


def _placed(error: Exception, term: QueryTerm) -> Exception:
    """The error with the place of its term, where the query has several."""
    known = as_problem(error)
    if not term.field or known is None:
        return error
    return place_problem(known.slug, str(error).removesuffix("."), term.field, term.column)


def _recipe_payload(recipe: Recipe, term: QueryTerm) -> RecipeText:
    try:
        return recipe_text(recipe)
    except ValueError as error:
        raise _placed(field_problem("recipe", str(error)), term) from None


def _pixels(data: bytes, limits: PictureLimits, spec: ImagePreprocess) -> UInt8Array:
    return to_pixels(decode(data, limits, target_side=spec.size).image, spec)
