"""Health, models, metrics, problem types, and the root."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from app import __version__
from app.api.deps import RuntimeDep, require_key
from app.api.openapi import problems
from app.metrics import Metrics
from app.problems import PROBLEM_TYPES, Problem
from app.runtime import Runtime
from app.schemas.system import Alive, Encoder, Lane, Models, Ready, Service
from index.types import IndexRoomError

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
    """503 with the failed checks, when a model, the catalogue or the index does not answer."""
    checks = await _checks(runtime)
    if any(value != "ok" for value in checks.values()):
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
    """The joint encoder, and the lanes that run models."""
    info = runtime.engine.encoder
    return Models(
        encoder=Encoder(
            name=info.name,
            fingerprint=info.fingerprint,
            dim=info.dim,
            image_size=info.preprocess.size,
            device=info.device,
            runtime=info.runtime,
            parameters=info.parameters,
            licence=info.licence,
            description=info.description,
        ),
        lanes=[
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
            for lane in runtime.engine.health().lanes
        ],
    )


async def _checks(runtime: Runtime) -> dict[str, str]:
    checks = {lane.lane: "ok" if lane.state == "ready" else lane.detail or lane.state for lane in _lanes(runtime)}
    checks["catalogue"] = await _check(runtime, runtime.catalogue.head)
    checks["index"] = await _check(runtime, runtime.replica.sync)
    return checks


def _lanes(runtime: Runtime) -> Any:
    return runtime.engine.health().lanes


async def _check(runtime: Runtime, call: Any) -> str:
    try:
        await runtime.executors.database(call)
    except IndexRoomError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return f"does not answer ({type(error).__name__})"
    return "ok"
