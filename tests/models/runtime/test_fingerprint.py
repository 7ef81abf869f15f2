from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from models.runtime import fingerprint
from models.runtime.fingerprint import cache_key

HERE: dict[str, Any] = {"processor": "A", "capabilities": ["FP32", "BF16"]}


def test_the_key_is_stable_and_does_not_know_the_order_of_capabilities() -> None:
    key = cache_key("f", **HERE)
    assert len(key) == 64
    assert key == cache_key("f", processor="A", capabilities=["BF16", "FP32"])


@pytest.mark.parametrize(
    "other",
    [
        {"fingerprint": "g"},
        {"processor": "B"},
        {"capabilities": ["FP32"]},
    ],
)
def test_weights_and_processor_change_the_key(other: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"fingerprint": "f", **HERE, **other}
    assert cache_key(**asked) != cache_key("f", **HERE)


@pytest.mark.parametrize("package", ["openvino", "torch", "timm", "transformers", "open_clip_torch"])
def test_versions_change_the_key(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key("f", **HERE)
    monkeypatch.setattr(fingerprint, "version", lambda name: "0" if name == package else version(name))
    assert cache_key("f", **HERE) != before


def test_format_and_code_change_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cache_key("f", **HERE)
    monkeypatch.setattr(fingerprint, "FORMAT", fingerprint.FORMAT + 1)
    changed = cache_key("f", **HERE)
    for room in ("joint", "runtime"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "__file__", str(tmp_path / "runtime" / "fingerprint.py"))
    small = cache_key("f", **HERE)
    (tmp_path / "joint" / "a.py").write_text("x = 2\n")
    assert len({before, changed, small, cache_key("f", **HERE)}) == 4


def test_a_package_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_PACKAGES", ("no-such-package",))
    assert len(cache_key("f", **HERE)) == 64
