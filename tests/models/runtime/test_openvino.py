from __future__ import annotations

import logging
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.runtime import openvino as runtime
from models.runtime.network import Network
from models.runtime.openvino import OpenVinoBackend, UnfaithfulError, load_openvino
from models.runtime.torch_backend import TorchBackend
from tests.models.runtime.networks import Mean, Untraceable, inputs, network
from tests.paths import REPOSITORY


def refuse() -> Network:
    raise AssertionError("the network must not be built again")


def reference(module: torch.nn.Module | None = None) -> TorchBackend:
    return TorchBackend(network(module), torch.device("cpu"))


def test_rows_are_those_of_torch_for_any_free_dimension() -> None:
    backend = load_openvino(network, fingerprint="f")
    exact = reference()
    assert (backend.runtime, exact.runtime) == ("openvino", "torch")
    assert backend.parameters == exact.parameters == 15
    for n in range(1, 18):
        for length in (1, 2, 7, 128):
            batch = inputs(n, length, seed=n)
            np.testing.assert_allclose(backend.run("mean", *batch), exact.run("mean", *batch), atol=1e-5)


def test_rows_are_arrays_of_their_own_and_do_not_depend_on_their_neighbours() -> None:
    backend = load_openvino(network, fingerprint="f")
    (batch,) = inputs(17, 6)
    together = backend.run("mean", batch)
    kept = together.copy()
    alone = np.concatenate([backend.run("mean", batch[i : i + 1]) for i in range(17)])
    np.testing.assert_array_equal(together, kept)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(backend.run("mean", batch), together)
    np.testing.assert_array_equal(backend.run("mean", np.asfortranarray(batch)), together)
    assert together.dtype == np.float32


def test_input_that_does_not_fit_is_an_ordinary_error_and_the_backend_lives_on() -> None:
    backend = load_openvino(network, fingerprint="f")
    for wrong in (
        [np.zeros((2, 3, 5), np.float32)],
        [np.zeros((2, 4), np.float32)],
        [*inputs(1, 1), *inputs(1, 1)],
        [],
    ):
        with pytest.raises(ValueError, match="mean takes"):
            backend.run("mean", *wrong)
    with pytest.raises(KeyError):
        backend.run("nothing", *inputs(1, 1))
    assert backend.run("mean", *inputs(2, 3)).shape == (2, 3)


def test_a_conversion_that_computes_something_else_is_refused() -> None:
    with pytest.raises(UnfaithfulError, match=r"its mean vectors have cosine .* to those of torch"):
        load_openvino(lambda: network(Untraceable()), fingerprint="f")


def test_rows_that_are_not_finite_are_refused() -> None:
    broken = Mean()
    torch.nn.init.constant_(broken.linear.weight, float("nan"))
    with pytest.raises(UnfaithfulError, match="cosine nan"):
        load_openvino(lambda: network(broken), fingerprint="f")


def test_what_rounding_does_to_photos_is_not_taken_for_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor may compute in less than it is asked for: this is the cosine of photos in bfloat16."""
    monkeypatch.setattr(runtime, "_agreement", lambda *_: 0.9944)
    with pytest.raises(UnfaithfulError, match=r"cosine 0\.99440 to those of torch, where 0\.9999 is the least"):
        load_openvino(network, fingerprint="f")


def test_the_second_load_takes_it_from_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = load_openvino(network, fingerprint="f", cache=tmp_path / "models")
    second = load_openvino(refuse, fingerprint="f", cache=tmp_path / "models", threads=1)
    assert second.parameters == first.parameters
    assert second.precision == first.precision == {"mean": "f32"}
    batch = inputs(5, 9)
    np.testing.assert_allclose(first.run("mean", *batch), second.run("mean", *batch), atol=1e-6)
    assert not caplog.records


def test_other_weights_are_another_entry(tmp_path: Path) -> None:
    load_openvino(network, fingerprint="f", cache=tmp_path)
    other = load_openvino(lambda: network(Mean(seed=1)), fingerprint="g", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    batch = inputs(3, 4)
    np.testing.assert_allclose(other.run("mean", *batch), reference(Mean(seed=1)).run("mean", *batch), atol=1e-5)


def _truncate(folder: Path) -> None:
    os.truncate(folder / "mean.bin", 10)


def _swap_listed(name: str, content: bytes) -> Callable[[Path], None]:
    """Damage that the listing doesn't know of: the file was written like that."""

    def damage(folder: Path) -> None:
        import hashlib
        import json

        (folder / name).write_bytes(content)
        listing = json.loads((folder / "files.json").read_text())
        listing[name] = hashlib.sha256(content).hexdigest()
        (folder / "files.json").write_text(json.dumps(listing))

    return damage


@pytest.mark.fault
@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _swap_listed("mean.bin", b""),
        _swap_listed("mean.bin", b"\xff" * 60),
        _swap_listed("mean.xml", b"<net"),
        _swap_listed("probes.npz", b"PK"),
        _swap_listed("record.json", b"{}"),
    ],
)
def test_a_damaged_entry_is_made_anew(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_openvino(network, fingerprint="f", cache=tmp_path)
    (folder,) = tmp_path.iterdir()
    damage(folder)
    backend = load_openvino(network, fingerprint="f", cache=tmp_path)
    assert "it is made anew" in caplog.text
    batch = inputs(3, 4)
    np.testing.assert_allclose(backend.run("mean", *batch), reference().run("mean", *batch), atol=1e-5)
    caplog.clear()
    load_openvino(refuse, fingerprint="f", cache=tmp_path)
    assert not caplog.records


@pytest.mark.fault
def test_without_a_cache_that_can_be_written_it_works_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    backend = load_openvino(network, fingerprint="f", cache=tmp_path / "file" / "models")
    assert backend.run("mean", *inputs(1, 1)).shape == (1, 3)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


PROGRAM = """
import sys
from pathlib import Path
from models.runtime.openvino import load_openvino
from tests.models.runtime.networks import inputs, network
print(load_openvino(network, fingerprint="f", cache=Path(sys.argv[1])).run("mean", *inputs(1, 1)).shape)
"""


@pytest.mark.fault
def test_a_disk_that_is_full_leaves_no_half_entry(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: OpenVINO's own writer does not notice."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40)),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "(1, 3)\n", run.stderr
    assert "can't be kept" in run.stderr
    assert list(tmp_path.iterdir()) == []


def _load(may_round: bool, cache: Path | None = None) -> OpenVinoBackend:
    return load_openvino(lambda: network(may_round=may_round), fingerprint="f", cache=cache)


def test_rounding_is_for_parts_that_may_and_processors_that_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16")
    monkeypatch.setattr(runtime, "FASTER", float("inf"))
    assert _load(may_round=False).precision == {"mean": "f32"}
    rounded = _load(may_round=True, cache=tmp_path)
    assert rounded.precision == {"mean": "bf16"}
    np.testing.assert_allclose(rounded.run("mean", *inputs(3, 4)), reference().run("mean", *inputs(3, 4)), atol=2e-2)
    monkeypatch.setattr(runtime, "FASTER", 0.0)
    assert _load(may_round=True).precision == {"mean": "f32"}
    assert _load(may_round=True, cache=tmp_path).precision == {"mean": "bf16"}, "measured once, then kept"
    monkeypatch.setattr(runtime, "FASTER", float("inf"))
    monkeypatch.setattr(runtime, "FAITHFUL_ROUNDED", 1.1)
    assert _load(may_round=True).precision == {"mean": "f32"}
