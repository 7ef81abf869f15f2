from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.runtime.choice import choose_backend
from models.runtime.network import Network
from models.runtime.types import Backend
from models.types import EncoderUnavailableError
from tests.models.runtime.networks import Untraceable, inputs, network


def choose(build: Any = network, device: str = "cpu", **how: Any) -> Backend:
    return choose_backend(build, name="mini", fingerprint="f", device=torch.device(device), **how)


def test_a_cpu_gets_openvino_and_whoever_insists_gets_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert choose(cache=tmp_path).runtime == "openvino"
    assert choose(runtime="openvino").runtime == "openvino"
    assert choose(runtime="torch", cache=tmp_path / "unused").runtime == "torch"
    assert not (tmp_path / "unused").exists()
    assert not caplog.records


def test_other_devices_get_torch(caplog: pytest.LogCaptureFixture) -> None:
    assert choose(device="meta").runtime == "torch"
    with pytest.raises(
        EncoderUnavailableError, match="openvino computes on the CPU, not on 'meta'; use the runtime auto or torch"
    ):
        choose(device="meta", runtime="openvino")
    assert not caplog.records


def _no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in ("models.runtime.openvino", "models.runtime.convert", "models.runtime.unreported"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def _no_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr("models.runtime.openvino._compile", fail)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("break_it", "reason"), [(_no_openvino, "import of openvino halted"), (_no_compilation, "no kernel for this")]
)
def test_where_openvino_fails_torch_takes_over_with_one_warning(
    break_it: Any, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_it(monkeypatch)
    built = []

    def build() -> Network:
        built.append(1)
        return network()

    backend = choose(build)
    assert backend.runtime == "torch"
    assert backend.run("mean", *inputs(2, 3)).shape == (2, 3)
    assert len(built) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the encoder mini runs on torch" in record.getMessage()
    assert reason in record.getMessage()
    with pytest.raises(EncoderUnavailableError, match=f"the encoder mini can't run on OpenVINO: .*{reason}.*use the"):
        choose(runtime="openvino")


def test_vectors_that_are_not_torchs_are_not_taken(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    backend = choose(lambda: network(Untraceable()), cache=tmp_path)
    assert backend.runtime == "torch"
    assert "its mean vectors have cosine" in caplog.text
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_allclose(np.linalg.norm(backend.run("mean", *inputs(2, 3)), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("asked", ["auto", "openvino", "torch"])
def test_weights_that_cannot_be_read_are_not_openvinos_fault(asked: str, caplog: pytest.LogCaptureFixture) -> None:
    def build() -> Network:
        raise EncoderUnavailableError("the weights are gone")

    with pytest.raises(EncoderUnavailableError, match="the weights are gone"):
        choose(build, runtime=asked)
    assert not caplog.records
