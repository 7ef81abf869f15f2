"""Logging, request ids and the access log."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics
from app.problems import MEDIA_TYPE, TOO_LARGE, problem_of_status

access_log = logging.getLogger("app.access")

#: The id of the request being served, for log lines; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_SAFE_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id"}

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
)

# What the framework answers in plain text, in words of ours.
_PLAIN_ERRORS = MappingProxyType({413: TOO_LARGE, 416: "The asked range lies outside the file; leave Range out."})


class _RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a call passes as ``extra`` becomes members of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if rid := getattr(record, "request_id", ""):
            line["request_id"] = rid
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: str, *, as_json: bool) -> None:
    """Send the logs of this process to standard error, ours and uvicorn's in one format."""
    handler = logging.StreamHandler()
    handler.addFilter(_RequestIdFilter())
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if as_json else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("app", "index", "models", "uvicorn.error"):
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True


def route_template(scope: Scope) -> str:
    """The path template of the matched route, ``unmatched`` where none did: a label of few values."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    for candidate in (context, scope.get("route")):
        path = getattr(candidate, "path", None)
        if isinstance(path, str):
            return path
    return "unmatched"


class RequestContextMiddleware:
    """Outermost: request id, security headers, metrics, access log; a plain-text error becomes a problem.

    The framework answers a too large body with plain text from outside of every exception handler.
    """

    def __init__(self, app: ASGIApp, metrics: Callable[[], Metrics | None]) -> None:
        """``metrics`` are asked for at each request: they belong to the runtime, which is opened later."""
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        rid = offered if _SAFE_ID.fullmatch(offered) else uuid.uuid4().hex
        token = request_id.set(rid)
        exchange = _Exchange(scope, send, rid)
        started = time.perf_counter()
        metrics = self._metrics()
        if metrics is not None:
            metrics.in_flight.inc()
        try:
            await self.app(scope, receive, exchange.send)
        finally:
            seconds = time.perf_counter() - started
            template = route_template(scope)
            if metrics is not None:
                metrics.in_flight.dec()
                metrics.observe_request(scope["method"], template, exchange.status, seconds)
            fields: Mapping[str, Any] = {
                "method": scope["method"],
                "path": scope["path"],
                "route": template,
                "status": exchange.status,
                "duration_ms": round(seconds * 1e3, 2),
                "bytes": exchange.sent,
                "client": (scope.get("client") or ("-",))[0],
            }
            access_log.info("%(method)s %(path)s %(status)s %(duration_ms)s ms", fields, extra=dict(fields))
            request_id.reset(token)


class _Exchange:
    """One response on its way out."""

    def __init__(self, scope: Scope, send: Send, rid: str) -> None:
        self._scope, self._send, self._request_id = scope, send, rid
        self.status = 499  # what is logged when the client left before an answer
        self.sent = 0
        self._replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = await self._start(message)
        elif message["type"] == "http.response.body":
            if self._replaced:
                return
            self.sent += len(message.get("body", b""))
        await self._send(message)

    async def _start(self, message: Message) -> Message:
        self.status = message["status"]
        headers = MutableHeaders(raw=list(message.get("headers", [])))
        if self.status >= 400 and headers.get("content-type", "").startswith("text/plain"):
            return await self._replace(headers)
        return {**message, "headers": self._finish(headers).raw}

    def _finish(self, headers: MutableHeaders) -> MutableHeaders:
        headers["X-Request-ID"] = self._request_id
        for name, value in SECURITY_HEADERS:
            headers.setdefault(name, value)
        return headers

    async def _replace(self, headers: MutableHeaders) -> Message:
        detail = _PLAIN_ERRORS.get(self.status, "The request could not be served.")
        problem = problem_of_status(self.status, detail)
        response = problem.response(self._scope["path"])
        self._replaced = True
        del headers["content-length"]
        headers["content-type"] = MEDIA_TYPE
        headers["content-length"] = str(len(response.body))
        self.sent += len(response.body)
        start = {"type": "http.response.start", "status": self.status, "headers": self._finish(headers).raw}
        await self._send(start)
        return {"type": "http.response.body", "body": bytes(response.body)}
