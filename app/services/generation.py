"""A text or a recipe in, pictures out: condition, draw, score, choose, write files that say where they come from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from app.engine.types import Done, Operation, Priority
from app.problems import Problem
from app.services.drawing import SWITCHED_OFF, Candidate, Drawing, check_drawing, chosen, recipe_prompt
from app.services.drawn_answers import DrawingAnswer, FinishedPicture, read_answer
from app.services.drawn_files import DrawnFiles
from app.services.ingest import Ingest
from app.services.items import PictureItem
from app.services.operands import Operands
from app.services.query import Item, QueryTerm, Text, WholeRecipe
from app.services.resources import Resources
from app.services.timings import Timings
from index.types import Kind, Recipe
from models.generation.provenance import PictureFormat, Provenance, encode_picture
from models.generation.types import (
    DrawnPicture,
    GeneratorInfo,
    GeneratorUnavailableError,
    PictureRequest,
    check_request,
)
from models.preprocess import to_pixels
from models.types import Float32Array, ImagePreprocess, UInt8Array

_LONGEST_TITLE = 500  # of a stored photo


class DrawingCancelledError(Exception):
    """Who asked for the pictures doesn't want them any more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Condition:
    """``vector``: what pictures are scored by; ``request``: what all of them have in common."""

    vector: Float32Array
    request: PictureRequest
    prompt: str


class PictureGeneration:
    """Draws pictures. Safe to call from many tasks of one event loop."""

    def __init__(self, resources: Resources, ingest: Ingest) -> None:
        self._resources, self._ingest = resources, ingest
        self._operands = Operands(resources)
        self.files = DrawnFiles(resources.settings.drawn_dir, resources.settings.drawn_lifetime_s)

    def generator(self) -> GeneratorInfo:
        """Raises GeneratorUnavailableError where the settings ask for none."""
        info = self._resources.engine.generator
        if info is None:
            raise GeneratorUnavailableError(SWITCHED_OFF)
        return info

    async def draw(self, drawing: Drawing) -> DrawingAnswer:
        """Draw pictures while a client waits.

        Raises:
            GeneratorUnavailableError: the settings ask for no generator.
            UnknownItemError: the recipe is not there.
            EngineError: a model is at capacity, late, or not there.
            Problem: 422: the generator can't do what is asked, or a model refused it.
            TimeoutError: it took longer than a request may.
        """
        timings = Timings()
        async with asyncio.timeout(self._resources.settings.request_timeout_s):
            condition = await self._condition(drawing, timings, Priority.INTERACTIVE)
            candidates = await self._candidates(condition, drawing.seeds, timings, Priority.INTERACTIVE)
            answer = await self._answer(drawing, condition, candidates, timings)
        for name, seconds in timings.seconds.items():
            self._resources.metrics.observe_stage(name, seconds)
        return answer

    async def draw_in_background(
        self,
        drawing: Drawing,
        job_id: str,
        *,
        on_progress: Callable[[int], None],
        should_cancel: Callable[[], bool],
    ) -> None:
        """Draw a batch at a time, behind whatever clients wait for, and keep the answer under the job's id.

        Drawn again, after a restart say, it is the same and stores the same.

        Raises:
            DrawingCancelledError: it was to be cancelled; nothing is kept.
            Others as :meth:`draw` does.
        """
        timings = Timings()
        condition = await self._condition(drawing, timings, Priority.BULK)
        candidates: list[Candidate] = []
        seeds, step = drawing.seeds, self._resources.settings.generator_batch
        for start in range(0, len(seeds), step):
            if should_cancel():
                raise DrawingCancelledError
            piece = seeds[start : start + step]
            candidates += await self._candidates(condition, piece, timings, Priority.BULK)
            on_progress(len(candidates))
        if should_cancel():
            raise DrawingCancelledError
        answer = await self._answer(replace(drawing, keep=True), condition, candidates, timings, job_id)
        await self._resources.executors.database(self.files.add_result, job_id, answer.to_json())

    async def result(self, job_id: str) -> DrawingAnswer | None:
        """What a job drew; None where there is nothing (any more)."""
        return await self._resources.executors.database(read_answer, self.files, job_id)

    # --- one step each ----------------------------------------------------------------------------------

    async def _condition(self, drawing: Drawing, timings: Timings, priority: Priority) -> _Condition:
        generator = self.generator()
        check_drawing(drawing, generator)
        by_vector = generator.conditions == "vector"
        # The subject's vector is needed in any case: pictures are scored by it.
        terms = [QueryTerm(operand=drawing.subject)]
        if by_vector and drawing.negative:
            terms.append(QueryTerm(operand=Text(drawing.negative), field="negative_prompt"))
        resolved = await self._operands.resolve(terms, timings, priority)
        vectors = [term.vector for term in resolved.terms]
        prompt = await self._prompt(drawing, timings)
        request = PictureRequest(
            text=prompt,
            vector=vectors[0] if by_vector else None,
            modality="text" if isinstance(drawing.subject, Text) else "recipe",
            size=drawing.size,
            truncation=drawing.truncation,
            negative_text=drawing.negative,
            negative_vector=vectors[1] if len(vectors) > 1 else None,
        )
        check_request(generator, request)
        return _Condition(vectors[0], request, prompt)

    async def _prompt(self, drawing: Drawing, timings: Timings) -> str:
        match drawing.subject:
            case Text(text):
                return text
            case WholeRecipe(recipe):
                return recipe_prompt(recipe)
            case Item(id=item_id):
                with timings.stage("fetch"):
                    return recipe_prompt(await self._resources.executors.database(self._recipe, item_id))

    def _recipe(self, item_id: str) -> Recipe:
        return self._resources.catalogue.get(Kind.RECIPE, item_id).recipe

    async def _candidates(
        self, condition: _Condition, seeds: Sequence[int], timings: Timings, priority: Priority
    ) -> list[Candidate]:
        requests = [replace(condition.request, seed=seed) for seed in seeds]
        with timings.stage("draw"):
            drawn = await self._submit_drawings(requests, priority)
        with timings.stage("score"):
            scores = await self._scores([each.pixels for each in drawn], condition.vector, priority)
        return [Candidate(each.seed, score, each.pixels) for each, score in zip(drawn, scores, strict=True)]

    async def _submit_drawings(self, requests: Sequence[PictureRequest], priority: Priority) -> list[DrawnPicture]:
        outcomes = await self._resources.engine.submit(
            Operation.DRAW, requests, timeout_s=self._timeout_s(priority), priority=priority
        )
        drawn = [outcome.value for outcome in outcomes if isinstance(outcome, Done)]
        for outcome in outcomes:
            if not isinstance(outcome, Done):
                raise Problem("drawing-failed", outcome.detail)
        return drawn

    async def _scores(self, pictures: Sequence[UInt8Array], vector: Float32Array, priority: Priority) -> list[float]:
        resources = self._resources
        spec = resources.engine.encoder.preprocess
        seen = await resources.executors.decode(_seen, pictures, spec)
        outcomes = await resources.engine.submit(
            Operation.ENCODE_PIXELS, seen, timeout_s=self._timeout_s(priority), priority=priority
        )
        scores: list[float] = []
        for outcome in outcomes:
            if not isinstance(outcome, Done):
                raise Problem("encoding-failed", outcome.detail)
            scores.append(float(np.clip(outcome.value @ vector, -1, 1)))
        return scores

    async def _answer(
        self,
        drawing: Drawing,
        condition: _Condition,
        candidates: Sequence[Candidate],
        timings: Timings,
        job_id: str | None = None,
    ) -> DrawingAnswer:
        executors, generator = self._resources.executors, self.generator()
        best = chosen(candidates, drawing.n)
        expires_at = self.files.expires_at()  # before they are written: they are there for as long as is said
        with timings.stage("write"):
            files = await executors.decode(_files, best, drawing, condition.request, generator)
            names = await executors.database(self._keep, files, drawing.picture_format) if drawing.keep else None
        ids = await self._store(files, condition.prompt, timings, job_id) if drawing.store else None
        return DrawingAnswer(
            pictures=tuple(
                FinishedPicture(
                    data, each.seed, each.score, names[place] if names else None, ids[place] if ids else None
                )
                for place, (data, each) in enumerate(zip(files, best, strict=True))
            ),
            candidates=tuple((each.seed, each.score) for each in candidates),
            model=generator.name,
            prompt=None if isinstance(drawing.subject, Text) else condition.prompt,
            size=drawing.size,
            picture_format=drawing.picture_format,
            created=int(time.time()),
            expires_at=expires_at,
            timings=timings,
        )

    def _keep(self, files: Sequence[bytes], picture_format: PictureFormat) -> list[str]:
        return [self.files.add(data, picture_format) for data in files]

    async def _store(self, files: Sequence[bytes], prompt: str, timings: Timings, job_id: str | None) -> list[str]:
        items = [
            PictureItem(
                data=data,
                id=None if job_id is None else f"{job_id}-{place}",
                title=prompt[:_LONGEST_TITLE],
                generated=True,
            )
            for place, data in enumerate(files)
        ]
        with timings.stage("store"):
            outcomes = await self._ingest.put_all(items)
        return [outcome.id for outcome in outcomes]

    def _timeout_s(self, priority: Priority) -> float | None:
        return self._resources.settings.request_timeout_s if priority is Priority.INTERACTIVE else None


def _seen(pictures: Sequence[UInt8Array], spec: ImagePreprocess) -> list[UInt8Array]:
    """As the encoder sees them."""
    return [to_pixels(Image.fromarray(pixels), spec) for pixels in pictures]


def _files(
    best: Sequence[Candidate], drawing: Drawing, request: PictureRequest, generator: GeneratorInfo
) -> list[bytes]:
    said = Provenance(
        model=generator.name,
        prompt=request.text,
        seed=request.seed,
        fingerprint=generator.fingerprint,
        negative_prompt=drawing.negative,
        truncation=drawing.truncation,
        modality="text" if request.vector is None else request.modality,
    )
    return [encode_picture(each.pixels, replace(said, seed=each.seed), drawing.picture_format) for each in best]
