"""Starts, stops and kills the service as its users run it: ``tastespace serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.paths import MODEL_CACHE, REPOSITORY


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment of a child: nothing of ours but the data directory, a shared cache of converted models and
    ``TASTESPACE_<SETTING>``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASTESPACE_")}
    MODEL_CACHE.mkdir(parents=True, exist_ok=True)
    ours = {"TASTESPACE_MODEL_CACHE": str(MODEL_CACHE)}
    ours |= {f"TASTESPACE_{name.upper()}": value for name, value in settings.items()}
    return {**inherited, **ours, "TASTESPACE_DATA_DIR": str(data_dir), "PYTHONPATH": str(REPOSITORY)}


def tastespace(
    data_dir: Path, *arguments: str, timeout: float = 150, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run one command of the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        env=environment(data_dir, **settings),
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Service:
    """One running service on a data directory; its log is in ``log``."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.log = data_dir / "service.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 120) -> None:
        """Start it and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli.main", "serve", "--host", "127.0.0.1", "--port", str(self.port)],
                env=environment(self.data_dir, **self.settings),
                cwd=self.data_dir,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        self._process.kill()
        self._process.wait(timeout=30)
        raise AssertionError(f"the service is not ready:\n{self.log.read_text()[-4000:]}")

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=30)

    def stop(self) -> int:
        """SIGTERM, as an orchestrator does it; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)
