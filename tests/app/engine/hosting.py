"""A worker host in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.engine.host import WorkerHost
from app.engine.placement import WorkerAddress
from tests.app.engine.fakes import PATIENCE_S

KEY = b"open sesame, open"


@contextmanager
def hosting(port: int = 0, **options: Any) -> Iterator[WorkerHost]:
    with WorkerHost("127.0.0.1", port, KEY, **({"grace_s": 0.05} | options)) as host:
        thread = threading.Thread(target=host.serve, name="worker-host")
        thread.start()
        try:
            yield host
        finally:
            host.stop()
            thread.join(PATIENCE_S)
    assert not thread.is_alive(), "a host that was told to stop returns"


def nowhere() -> WorkerAddress:
    """Where nothing listens, and what lately was free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return WorkerAddress(*server.getsockname())
