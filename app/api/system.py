"""Health, models, metrics, problem types, and the root."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from app import __version__
from app.api.deps import RuntimeDep, require_key
from app.api.openapi import problems
from app.engine.types import EngineHealth, LaneState, ModelInfo
from app.metrics import Metrics
from app.problems import PROBLEM_TYPES, Problem
from app.runtime import Runtime, if_loaded
from app.schemas.system import Alive, Captioner, Encoder, Generator, Lane, Models, Ready, Reasoner, Service
from index.types import IndexRoomError
from models.captioning.types import CaptionerInfo
from models.generation.types import GeneratorInfo
from models.reasoning.types import ReasonerInfo
from models.types import EncoderInfo

open_router = APIRouter(tags=["system"])
models_router = APIRouter(prefix="/models", tags=["system"])


@open_router.get("/", summary="What this is and where to go", response_model=Service)
async def root(request: Request) -> Service:
    """The addresses to start from."""
    prefix = request.scope.get("root_path", "").rstrip("/")
    paths = {
        "docs": "/docs",
        "openapi": "/openapi.json",
        "recipes": "/v1/recipes",
        "images": "/v1/images",
        "search_recipes": "/v1/search/recipes",
        "search_images": "/v1/search/images",
        "tags": "/v1/tags",
        "imports": "/v1/imports",
        "jobs": "/v1/jobs",
        "models": "/v1/models",
        "health": "/healthz",
        "ready": "/readyz",
        "metrics": "/metrics",
    }
    links = {name: f"{prefix}{path}" for name, path in paths.items()}
    return Service(name="tastespace", version=__version__, links=links)


@open_router.get("/healthz", summary="Does the process live?", response_model=Alive)
@open_router.head("/healthz", include_in_schema=False)
async def healthz() -> Alive:
    """Answers as long as the event loop runs."""
    return Alive()


@open_router.get(
    "/readyz", summary="Do models and index answer?", response_model=Ready, responses=problems("unavailable")
)
@open_router.head("/readyz", include_in_schema=False)
async def readyz(runtime: RuntimeDep) -> Ready:
    """503 with the failed checks, when the encoder, the catalogue or the index does not answer.

    Other models stand in `checks` too, but one that is down answers 503 to its own requests alone.
    """
    health = runtime.engine.health()
    lanes = {lane.lane: "ok" if lane.state is LaneState.READY else lane.detail or lane.state for lane in health.lanes}
    stores = {
        "catalogue": await _check(runtime, runtime.catalogue.head),
        "index": await _check(runtime, runtime.replica.sync),
    }
    checks = lanes | stores
    if not health.ready or any(value != "ok" for value in stores.values()):
        bad = "; ".join(f"{name}: {value}" for name, value in checks.items() if value != "ok")
        raise Problem("unavailable", f"Not ready ({bad}).", headers={"Retry-After": "5"}, checks=checks)
    return Ready(checks=checks)


@open_router.get(
    "/metrics",
    summary="Prometheus metrics",
    dependencies=[Depends(require_key)],
    response_class=Response,
    responses={
        200: {
            "description": "The text exposition format.",
            "content": {"text/plain": {"example": "tastespace_http_in_flight 1.0"}},
        },
        **problems(),
    },
)
async def metrics(runtime: RuntimeDep) -> Response:
    """Requests, latencies, model batches and queues, items."""
    text = await runtime.executors.database(runtime.metrics.render)
    return Response(text, media_type=Metrics.content_type)


@open_router.get("/problems", summary="The types of problems", responses=problems())
async def list_problems() -> dict[str, Any]:
    """Every `type` that an error of this service can have."""
    return {
        slug: {"type": f"/problems/{slug}", "title": kind.title, "status": kind.status}
        for slug, kind in PROBLEM_TYPES.items()
    }


@open_router.get("/problems/{slug}", summary="A type of problem", responses=problems("not-found"))
async def get_problem(slug: str) -> dict[str, Any]:
    """What the `type` of an error leads to."""
    kind = PROBLEM_TYPES.get(slug)
    if kind is None:
        raise Problem("not-found", "There is no problem type of this name; /problems lists them.")
    return {"type": f"/problems/{slug}", "title": kind.title, "status": kind.status}


@models_router.get("", summary="The models that are loaded", response_model=Models, responses=problems("unavailable"))
async def list_models(runtime: RuntimeDep) -> Models:
    """The joint encoder, the models beside it, and the lanes that run them.

    A model is null where the settings ask for none, or until its worker host was reached, as its lane then tells.
    """
    engine = runtime.engine
    captioner = if_loaded(lambda: engine.captioner)
    reasoner = if_loaded(lambda: engine.reasoner)
    generator = if_loaded(lambda: engine.generator)
    return Models(
        encoder=_encoder(engine.encoder),
        captioner=_captioner(captioner) if captioner is not None else None,
        reasoner=_reasoner(reasoner) if reasoner is not None else None,
        generator=_generator(generator) if generator is not None else None,
        lanes=_lanes(engine.health()),
    )


def _common(info: ModelInfo) -> dict[str, Any]:
    """What is told of every model."""
    return {
        "name": info.name,
        "fingerprint": info.fingerprint,
        "device": info.device,
        "parameters": info.parameters,
        "licence": info.licence,
        "description": info.description,
    }


def _encoder(info: EncoderInfo) -> Encoder:
    return Encoder(
        dim=info.dim,
        image_size=info.preprocess.size,
        runtime=info.runtime,
        **_common(info),
    )


def _captioner(info: CaptionerInfo) -> Captioner:
    return Captioner(
        styles=list(info.styles),
        grid=info.grid,
        vocabulary=info.vocabulary,
        image_size=info.preprocess.size,
        **_common(info),
    )


def _reasoner(info: ReasonerInfo) -> Reasoner:
    return Reasoner(
        question_types=list(info.question_types),
        answers=info.answers,
        grid=info.grid,
        image_size=info.preprocess.size,
        **_common(info),
    )


def _generator(info: GeneratorInfo) -> Generator:
    return Generator(
        encoder=info.encoder,
        sizes=[f"{side}x{side}" for side in info.sizes],
        conditions=info.conditions,
        negative=info.negative,
        **_common(info),
    )


def _lanes(health: EngineHealth) -> list[Lane]:
    return [
        Lane(
            lane=lane.lane,
            state=lane.state.value,
            detail=lane.detail,
            device=lane.device,
            queued_items=lane.queued_items,
            running_items=lane.running_items,
            completed_items=lane.completed_items,
            failed_items=lane.failed_items,
        )
        for lane in health.lanes
    ]


async def _check(runtime: Runtime, call: Any) -> str:
    try:
        await runtime.executors.database(call)
    except IndexRoomError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return f"does not answer ({type(error).__name__})"
    return "ok"
