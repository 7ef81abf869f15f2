from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from models.runtime.convert import convert
from tests.models.runtime.networks import network
from tests.paths import REPOSITORY


def test_conversion_leaves_torch_as_it_was() -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    for enabled in (True, False):
        torch.backends.mha.set_fastpath_enabled(enabled)
        convert(network().parts["mean"])
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    torch.backends.mha.set_fastpath_enabled(before)


def test_free_dimensions_stay_free() -> None:
    (port,) = convert(network().parts["mean"]).inputs
    assert str(port.get_partial_shape()) == "[?,?,4]"


PROGRAM = """
import sys

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("CALLED", event, args)

sys.addaudithook(watch)
from models.runtime.openvino import load_openvino
from tests.models.runtime.networks import network
load_openvino(network, fingerprint="f")
telemetry = sys.modules.get("openvino_telemetry")
print("SILENT", telemetry is None or telemetry.Telemetry._SingletonMetaClass__single_instance is None)
"""


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    """In a process of its own, with an empty home: no connection, no file of consent or statistics."""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("CI", None)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "SILENT True\n"
    assert not (tmp_path / "intel").exists()


def test_the_watch_sees_the_converter_that_reports(tmp_path: Path) -> None:
    """The same watch over OpenVINO's own entry, held back from the network: else its silence would prove nothing."""
    loud = (
        PROGRAM.replace(
            'load_openvino(network, fingerprint="f")',
            "import torch\nopenvino.convert_model(torch.nn.ReLU(), example_input=torch.zeros(1))",
        )
        .replace("from models.runtime.openvino import load_openvino", "import openvino")
        .replace('print("CALLED", event, args)', 'print("CALLED", event); raise OSError("held back")')
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("CI", None)
    run = subprocess.run(
        [sys.executable, "-c", loud], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert "CALLED" in run.stdout, run.stderr
    assert (tmp_path / "intel").exists()
