"""Ctrl-C in the middle of an import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.importers.run import CHUNK_BUNDLES
from tests.app.importers.runtime import import_into
from tests.app.importers.test_kill import counts
from tests.app.importers.test_run import write_source
from tests.paths import REPOSITORY

pytestmark = pytest.mark.fault


def test_an_interrupted_import_ends_cleanly_and_goes_on(tmp_path: Path) -> None:
    count = 6 * CHUNK_BUNDLES
    source, data_dir = write_source(tmp_path / "source", count), tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.cli.driver", "import", str(source), "--data-dir", str(data_dir)],
        cwd=REPOSITORY,
        env={**os.environ, "TASTESPACE_BUILTIN_CATALOGUE": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while counts(data_dir)[0] == 0:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the import does not get on"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Stopped" in stderr
    assert "Traceback" not in stderr
    done = counts(data_dir)[0]
    assert 0 < done < count
    report = import_into(data_dir, source)
    assert (report.recipes.unchanged, report.recipes.created) == (done, count - done)
