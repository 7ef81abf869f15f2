"""``/v1/images/generations``: pictures from text, in the shape of OpenAI's Images."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from starlette.requests import Request

from app.api.bodies import JSON, media_type, read_json, unsupported, validated
from app.api.deps import RuntimeDep
from app.api.jobs import JobIdPath, job_out
from app.api.negotiation import prefers
from app.api.openapi import body, json_content, problems
from app.api.present import addresses
from app.ids import check_id
from app.job_runs import DRAWING
from app.problems import Problem, field_problem
from app.runtime import Runtime
from app.schemas.generation import CandidateOut, DrawnPictureOut, DrawnPictures, DrawPictures, ResponseFormat
from app.schemas.jobs import JobOut
from app.services.drawing import Drawing, Subject, check_drawing, count_candidates, new_seed, recipe_prompt, side_of
from app.services.drawn_answers import DrawingAnswer
from app.services.query import Item, Text, WholeRecipe
from index.jobs import JobState
from index.types import Kind, UnknownItemError
from models.generation.types import GeneratorInfo

router = APIRouter(prefix="/images/generations", tags=["generations"])

_RESPOND_ASYNC: Final = "respond-async"
_LONGEST_NAME: Final = 200  # of a job
_MEDIA_TYPES: Final = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
_BYTES: Final[dict[str, Any]] = {
    "schema": {"type": "string", "format": "binary"},
    "example": "(bytes of the picture)",
}


@router.post(
    "",
    summary="Draw pictures",
    response_model=DrawnPictures,
    response_model_exclude_none=True,
    responses={
        202: {"model": JobOut, "description": "A job draws them, as `Prefer: respond-async` asked for."},
        **problems(
            "bad-request",
            "unknown-item",
            "generator-unavailable",
            "too-large",
            "unsupported-media-type",
            "invalid-id",
            "encoding-failed",
            "drawing-failed",
            "at-capacity",
            "unavailable",
            "deadline",
            "no-space",
        ),
    },
    openapi_extra=body(json_content(DrawPictures)),
)
async def draw_pictures(request: Request, runtime: RuntimeDep) -> Response:
    """A text or a recipe -> pictures. The same seed draws the same picture, whatever `n` is. Each file says in its
    metadata that a model drew it: which one, of what, from which seed. With `Prefer: respond-async` the answer is a
    job; when it has succeeded, its `links.result` has what would have been answered here."""
    if media_type(request) != JSON:
        raise unsupported(request, JSON)
    wanted = validated(DrawPictures, await read_json(request))
    drawing = _drawing(wanted, runtime.drawing.generator(), runtime.settings.generator_candidates)
    if prefers(request, _RESPOND_ASYNC):
        return await _queued(request, runtime, drawing)
    answer = await runtime.drawing.draw(drawing)
    headers = {"Server-Timing": answer.timings.header(), "Vary": "Prefer"}
    return _answered(request, answer, wanted.response_format, headers)


@router.get(
    "/results/{job_id}",
    summary="Get the pictures that a job drew",
    response_model=DrawnPictures,
    response_model_exclude_none=True,
    responses=problems("not-found", "unknown-job", "conflict"),
)
async def get_result(
    request: Request,
    runtime: RuntimeDep,
    job_id: JobIdPath,
    response_format: Annotated[ResponseFormat, Query(description="Files, or their addresses.")] = "b64_json",
) -> Response:
    """They are kept for as long as drawn files are."""
    job = await runtime.jobs.get(job_id)
    if job.kind != DRAWING:
        raise Problem("not-found", "This job draws no pictures.")
    if job.state is not JobState.SUCCEEDED:
        detail = f": {job.detail}" if job.state is JobState.FAILED else ""
        raise Problem("conflict", f"The job is {job.state.value}{detail}; there are pictures once it has succeeded.")
    answer = await runtime.drawing.result(job_id)
    if answer is None:
        raise Problem("not-found", "What this job drew is not kept any more; draw it again, by the same seed.")
    return _answered(request, answer, response_format, {})


@router.get(
    "/files/{name}",
    summary="Get a drawn picture's file",
    response_class=Response,
    responses={
        200: {"description": "The picture.", "content": dict.fromkeys(_MEDIA_TYPES.values(), _BYTES)},
        **problems("not-found"),
    },
)
async def get_drawn_file(
    runtime: RuntimeDep,
    name: Annotated[str, Path(max_length=64, examples=["0b6f2f4c8c3e4f0f9d0a8f6f7a1c2d3e.png"])],
) -> Response:
    """What a `url` leads to, until it expires."""
    data = await runtime.executors.database(runtime.drawing.files.read, name)
    if data is None:
        raise Problem("not-found", "There is no drawn picture at this address, or it is not kept any more.")
    headers = {
        "Cache-Control": f"private, max-age={int(runtime.settings.drawn_lifetime_s)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(data, media_type=_MEDIA_TYPES[name.rpartition(".")[2]], headers=headers)


def _drawing(wanted: DrawPictures, generator: GeneratorInfo, per_picture: int) -> Drawing:
    """Raises Problem 422 that names the field which the generator can't do."""
    if wanted.model is not None and wanted.model != generator.name:
        raise field_problem("model", f"this service draws with {generator.name}; name that one, or leave it out")
    drawing = Drawing(
        subject=_subject(wanted),
        n=wanted.n,
        seed=new_seed() if wanted.seed is None else wanted.seed,
        candidates=count_candidates(
            wanted.n, wanted.candidates, per_picture=per_picture, seed_given=wanted.seed is not None
        ),
        size=side_of(wanted.size, generator),
        truncation=wanted.truncation,
        negative=wanted.negative_prompt,
        picture_format=wanted.output_format,
        keep=wanted.response_format == "url",
        store=wanted.store,
    )
    check_drawing(drawing, generator)
    return drawing


def _subject(wanted: DrawPictures) -> Subject:
    if wanted.recipe_id is not None:
        return Item(Kind.RECIPE, check_id(wanted.recipe_id, "recipe_id"))
    if wanted.recipe is not None:
        return WholeRecipe(wanted.recipe.to_recipe())
    return Text(wanted.prompt or "")


async def _queued(request: Request, runtime: Runtime, drawing: Drawing) -> Response:
    job = await runtime.jobs.submit_drawing(drawing, name=(await _name(runtime, drawing.subject))[:_LONGEST_NAME])
    where = addresses(request)
    headers = {"Location": where.job(job.id), "Preference-Applied": _RESPOND_ASYNC, "Vary": "Prefer"}
    return JSONResponse(job_out(job, (), where).model_dump(mode="json"), 202, headers=headers)


async def _name(runtime: Runtime, subject: Subject) -> str:
    """What a job is said to be about. Raises UnknownItemError where a recipe is not there: what can't be drawn is said
    at once, not by a job that fails."""
    match subject:
        case Text(text):
            return text
        case WholeRecipe(recipe):
            return recipe_prompt(recipe)
        case Item(id=item_id):
            if not await runtime.executors.database(runtime.catalogue.ids_to_pks, Kind.RECIPE, [item_id]):
                raise UnknownItemError(Kind.RECIPE, item_id)
            return item_id


def _answered(
    request: Request, answer: DrawingAnswer, response_format: ResponseFormat, headers: dict[str, str]
) -> Response:
    by_url = response_format == "url"
    content = DrawnPictures(
        created=answer.created,
        data=[
            DrawnPictureOut(
                b64_json=None if by_url else base64.b64encode(picture.data).decode("ascii"),
                url=_url(request, picture.name) if by_url and picture.name is not None else None,
                expires_at=answer.expires_at if by_url else None,
                revised_prompt=answer.prompt,
                seed=picture.seed,
                score=picture.score,
                id=picture.id,
            )
            for picture in answer.pictures
        ],
        model=answer.model,
        size=f"{answer.size}x{answer.size}",
        output_format=answer.picture_format,
        candidates=[CandidateOut(seed=seed, score=score) for seed, score in answer.candidates]
        if len(answer.candidates) > len(answer.pictures)
        else None,
        took_ms=answer.timings.milliseconds(),
    )
    return JSONResponse(content.model_dump(mode="json", exclude_none=True), headers=headers)


def _url(request: Request, name: str) -> str:
    """Absolute, since clients of this shape of API fetch it as it is."""
    return f"{request.url.scheme}://{request.url.netloc}{addresses(request).drawn_file(name)}"
