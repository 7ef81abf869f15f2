"""Putting the HTTP service together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import __version__
from app.api import (
    answers,
    captions,
    docs,
    files,
    generation,
    images,
    ingredients,
    jobs,
    links,
    recipes,
    search,
    system,
    tags,
)
from app.api.deps import require_key
from app.api.imports import imports_router
from app.api.openapi import TAGS, install_openapi
from app.engine.types import Engine, EngineError
from app.metrics import Metrics
from app.middleware import DisconnectMiddleware, EncodedSlashMiddleware, FaultMiddleware
from app.observability import RequestContextMiddleware
from app.opening import Opening
from app.problems import install_problem_handlers
from app.settings import Settings
from index.types import IndexRoomError

logger = logging.getLogger(__name__)

_DESCRIPTION = """A joint embedding space for food: photos, recipes and tags, each searchable by any other.

Errors are RFC 9457 problem details (`application/problem+json`); their `type` leads to what it means.
Ids are yours to choose: 1 to 128 characters of any script, without `/`."""


class Service(FastAPI):
    """The app with one middleware outside of everything, also of the framework's own error answers."""

    def build_middleware_stack(self) -> ASGIApp:
        return _StartFailure(RequestContextMiddleware(super().build_middleware_stack(), self._metrics))

    def _metrics(self) -> Metrics | None:
        opening: Opening = self.state.opening
        return opening.opened.metrics if opening.opened is not None else None


def create_app(settings: Settings, *, engine: Engine | None = None) -> FastAPI:
    """The HTTP service. The lifespan has the :class:`app.runtime.Runtime` opened; ``engine`` replaces the one the
    settings ask for."""
    opening = Opening(settings, engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with opening.running():
            yield

    app = Service(
        title="Tastespace",
        version=__version__,
        summary="One joint embedding space for food.",
        description=_DESCRIPTION,
        openapi_tags=[dict(tag) for tag in TAGS],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        max_body_size=settings.max_body_bytes,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.opening = opening
    # The last one added is the outermost.
    app.add_middleware(DisconnectMiddleware)
    app.add_middleware(EncodedSlashMiddleware)
    app.add_middleware(FaultMiddleware)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "Preference-Applied", "Server-Timing", "X-Request-ID", "Retry-After"],
        )
    install_problem_handlers(app)
    app.include_router(system.open_router)
    app.include_router(_v1(settings))
    install_openapi(app)
    docs.install_docs(app)
    return app


def _v1(settings: Settings) -> APIRouter:
    router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])
    # The addresses of drawn pictures stand before those of photos, of which they would be ids.
    for each in (search, recipes, links, generation, images, files, tags, captions, answers, ingredients, jobs):
        router.include_router(each.router)
    router.include_router(system.models_router)
    router.include_router(imports_router(settings.import_max_bytes))
    return router


class _StartFailure:
    """Answers a failed start with its one sentence instead of a trace, where the cause is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                held.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold)
        except Exception as error:
            if held:
                known = isinstance(error, EngineError | IndexRoomError | ValueError | OSError)
                await send({**held[0], "message": f"Tastespace can't start: {error}"} if known else held[0])
            raise
