import json
from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoint import MANIFEST_FILE, WEIGHTS_FILE, Manifest, load_checkpoint, save_checkpoint
from models.joint.lite import LiteConfig
from models.types import EncoderUnavailableError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    manifest = Manifest(
        model="tastespace-lite", config=LiteConfig(dim=8), licence="research", training={"seed": 3}, metrics={"r1": 8.0}
    )
    save_checkpoint(tmp_path, {"heads.w": torch.tensor([[0.5, -2.0]])}, manifest)
    return tmp_path


def _edit(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_saved_is_loaded(folder: Path) -> None:
    manifest, tensors = load_checkpoint(folder)
    assert manifest.config == LiteConfig(dim=8)
    assert (manifest.licence, manifest.training, manifest.metrics) == ("research", {"seed": 3}, {"r1": 8.0})
    assert tensors["heads.w"].dtype == torch.float32
    assert tensors["heads.w"].tolist() == [[0.5, -2.0]]
    assert not list(folder.glob("*.tmp"))


def test_weights_are_kept_as_float16(folder: Path) -> None:
    from safetensors.torch import load_file

    assert load_file(str(folder / WEIGHTS_FILE))["heads.w"].dtype == torch.float16


@pytest.mark.fault
def test_a_flipped_bit_is_refused(folder: Path) -> None:
    path = folder / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(EncoderUnavailableError, match="the file changed"):
        load_checkpoint(folder)


@pytest.mark.fault
@pytest.mark.parametrize("name", [WEIGHTS_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(EncoderUnavailableError, match="is missing"):
        load_checkpoint(folder)


@pytest.mark.fault
def test_weights_over_another_backbone_are_refused(folder: Path) -> None:
    backbones = json.loads((folder / MANIFEST_FILE).read_text())["backbones"]
    _edit(folder, backbones=backbones | {"tf_efficientnet_lite0": "0" * 64})
    with pytest.raises(EncoderUnavailableError, match=r"need the backbone tf_efficientnet_lite0 .*train them anew"):
        load_checkpoint(folder)
    _edit(folder, backbones={})
    with pytest.raises(EncoderUnavailableError, match="need the backbone"):
        load_checkpoint(folder)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"config": {"wings": 2}}, "is not a manifest"),
        ({"config": None}, "is not a manifest"),
        ({"files": {}}, r"doesn't name model\.safetensors"),
        ({"files": None}, "is not a manifest"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    _edit(folder, **changes)
    with pytest.raises(EncoderUnavailableError, match=message):
        load_checkpoint(folder)


@pytest.mark.fault
def test_a_broken_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text("[1, 2")
    with pytest.raises(EncoderUnavailableError, match="is not a manifest"):
        load_checkpoint(folder)
