from __future__ import annotations

import json
import logging
import sys

import pytest

from app.observability import JsonFormatter, configure_logging
from tests.app.conftest import Service


@pytest.mark.anyio
async def test_a_request_id_is_taken_over_or_made(service: Service) -> None:
    given = await service.client.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"})
    assert given.headers["x-request-id"] == "abc-1.2_3"
    for bad in ("with space", "x" * 65, "a\tb"):
        made = await service.client.get("/healthz", headers={"X-Request-ID": bad})
        assert len(made.headers["x-request-id"]) == 32


@pytest.mark.anyio
async def test_the_access_log_has_fields_and_no_bodies(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="app.access"):
        await service.client.post("/v1/search/recipes", json={"text": "my private dinner"})
    (record,) = [record for record in caplog.records if record.name == "app.access"]
    fields = vars(record)
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/v1/search/recipes", 200)
    assert fields["route"] == "/v1/search/recipes"
    assert fields["duration_ms"] > 0
    assert fields["bytes"] > 0
    assert "private" not in JsonFormatter().format(record)


@pytest.mark.anyio
async def test_security_headers_are_on_every_answer(service: Service) -> None:
    for path in ("/healthz", "/nothing", "/v1/recipes/none", "/v1/recipes/a%2Fb"):
        headers = (await service.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-request-id"]


def test_json_lines_hold_extras_and_traces() -> None:
    try:
        raise ValueError("inside")
    except ValueError:
        info = sys.exc_info()
    record = logging.LogRecord("app.x", logging.WARNING, "f.py", 1, "hello %s", ("world",), info)
    record.job = "j1"
    record.request_id = "r1"
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["logger"], line["message"]) == ("warning", "app.x", "hello world")
    assert (line["job"], line["request_id"]) == ("j1", "r1")
    assert "inside" in line["exception"]
    assert line["time"].endswith("+00:00")


def test_logging_is_configured_once_for_ours_and_uvicorns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        configure_logging("info", as_json=True)
        configure_logging("info", as_json=True)
        logging.getLogger("app.x").info("ours")
        logging.getLogger("app.x").debug("too fine")
        logging.getLogger("uvicorn.error").info("theirs")
        logging.getLogger("elsewhere").info("not asked for")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in ("app", "index", "models", "uvicorn.error"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger("uvicorn.access").disabled = False
    assert [line["message"] for line in lines] == ["ours", "theirs"]
