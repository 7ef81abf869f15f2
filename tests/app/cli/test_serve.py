"""``tastespace serve``: up, answering, and gone in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.service import free_port
from tests.paths import REPOSITORY


def start(data_dir: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.app.cli.driver", "serve", "--port", str(port), "--data-dir", str(data_dir)],
        cwd=REPOSITORY,
        env={**os.environ, "TASTESPACE_BUILTIN_CATALOGUE": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the service does not get ready")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(tmp_path: Path, how: signal.Signals) -> None:
    port = free_port()
    process = start(tmp_path / "data", port)
    try:
        wait_until_ready(process, port)
        process.send_signal(how)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    port = free_port()
    first = start(tmp_path / "data", port)
    try:
        wait_until_ready(first, port)
        second = start(tmp_path / "other", port)
        _, stderr = second.communicate(timeout=60)
        assert second.returncode == 1
        assert "in use" in stderr
        assert "Traceback" not in stderr
    finally:
        first.kill()
        first.communicate()
