"""Inner middleware: unforeseen errors become problems, work of clients that left is cancelled, odd paths refused."""

from __future__ import annotations

import asyncio
import logging

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import Problem, as_problem, on_fault

logger = logging.getLogger(__name__)


class FaultMiddleware:
    """Answers what no handler knew with a 500 problem, inside of CORS so that browsers may read it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if started:
                raise
            problem = as_problem(error)
            if problem is not None:
                # Known, yet no handler's business: the database or the disk is in trouble.
                logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            response = problem.response(scope["path"]) if problem else await on_fault(Request(scope), error)
            await response(scope, receive, send)


class EncodedSlashMiddleware:
    """Refuses ``%2F`` in a path: decoded, ``a%2Ffile`` would be taken for another address than the one meant."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"%2f" in scope.get("raw_path", b"").lower():
            problem = Problem("invalid-id", "No id or name in an address can hold '/', also not as %2F; leave it out.")
            await problem.response(scope["path"])(scope, receive, send)
            return
        await self.app(scope, receive, send)


class DisconnectMiddleware:
    """Cancels the work of a request whose client has gone, once its body has arrived in full."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        complete, gone = asyncio.Event(), asyncio.Event()

        async def relay() -> Message:
            if complete.is_set():
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                complete.set()
            return message

        async def listen() -> None:
            await complete.wait()
            while not gone.is_set():
                if (await receive())["type"] == "http.disconnect":
                    gone.set()

        work = asyncio.ensure_future(self.app(scope, relay, send))
        listener = asyncio.ensure_future(listen())
        try:
            await asyncio.wait((work, listener), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
            try:
                await work
            except asyncio.CancelledError:
                if not gone.is_set():
                    raise
        finally:
            work.cancel()
            listener.cancel()
