from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.reasoning.attend import load_attention_reasoner
from models.reasoning.loading import load_reasoner
from models.reasoning.types import ReasonerUnavailableError
from models.reasoning.weights import VOCABULARY_FILE, load_reasoner_weights
from models.weight_folder import MANIFEST_FILE, WEIGHTS_FILE
from tests.models.reasoning.samples import CALIBRATION, NETWORK, VISION, VOCABULARY, save_small, small_network

TOWER = {"conv_head.weight": torch.full((2, 2), 0.1).half().float()}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_small(tmp_path, TOWER)
    weights = load_reasoner_weights(tmp_path)
    assert (weights.manifest.network, weights.manifest.vision) == (NETWORK, VISION)
    assert weights.manifest.calibration == CALIBRATION
    assert weights.vocabulary == VOCABULARY
    state = small_network().state_dict()
    assert weights.network.keys() == state.keys()
    for name, tensor in weights.network.items():
        torch.testing.assert_close(tensor, state[name].half().float(), atol=0, rtol=0)
    torch.testing.assert_close(dict(weights.tower), TOWER, atol=0, rtol=0)


@pytest.mark.fault
@pytest.mark.parametrize("file", [WEIGHTS_FILE, VOCABULARY_FILE])
def test_changed_and_missing_files_are_refused(tmp_path: Path, file: str) -> None:
    save_small(tmp_path)
    with (tmp_path / file).open("ab") as stream:
        stream.write(b"x\n")
    with pytest.raises(ReasonerUnavailableError, match=f"{file} has sha256 .* the file changed"):
        load_reasoner_weights(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ReasonerUnavailableError, match=f"{file} is missing, though"):
        load_reasoner_weights(tmp_path)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ReasonerUnavailableError, match=r"holds no reasoner: .*tastespace train reasoner"):
        load_reasoner_weights(tmp_path)


def _edit(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"backbones": {"tf_efficientnet_lite0": "0" * 64}}, "needs the backbones .*0000"),
        ({"backbones": []}, "must be objects"),
        ({"tower": "abc"}, r"needs the tuned vision tower abc, its weights hold \(none\)"),
        ({"network": {"features": 1}}, "no manifest of a reasoner"),
        ({"vision": {"vision": "resnet50"}}, "no map is called 'resnet50'"),
        ({"vision": {"image_size": 96}}, r"maps of \(2, 2\), the tower makes ones of \(3, 3\)"),
        ({"calibration": {"temperatures": [0], "thresholds": [0]}}, "above 0"),
        ({"calibration": {"temperatures": [1], "thresholds": [0]}}, "temperatures number"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_small(tmp_path)
    _edit(tmp_path, changes)
    with pytest.raises(ReasonerUnavailableError, match=message):
        load_reasoner_weights(tmp_path)


@pytest.mark.fault
@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(content)
    with pytest.raises(ReasonerUnavailableError, match="is not a manifest of a reasoner"):
        load_reasoner_weights(tmp_path)


@pytest.mark.weights
def test_a_network_for_another_map_is_refused(tmp_path: Path) -> None:
    save_small(tmp_path, network=replace(NETWORK, features=320))
    with pytest.raises(ReasonerUnavailableError, match="1280 channels, the network takes 320"):
        load_attention_reasoner(tmp_path)
    save_small(tmp_path)
    with pytest.raises(ReasonerUnavailableError, match="device"):
        load_attention_reasoner(tmp_path, device="abacus")


@pytest.mark.parametrize("spec", ["", "attend:", "huggingface:", "blip"])
def test_unknown_names_are_refused(spec: str) -> None:
    with pytest.raises(ReasonerUnavailableError, match="use tastespace-answers, attend:FOLDER or huggingface:NAME"):
        load_reasoner(spec)


@pytest.mark.weights
def test_a_folder_is_a_reasoner(tmp_path: Path) -> None:
    save_small(tmp_path)
    reasoner = load_reasoner(f"attend:{tmp_path}")
    assert reasoner.info.name == "small"
    assert reasoner.info.fingerprint == load_attention_reasoner(tmp_path).info.fingerprint
    _edit(tmp_path, {"calibration": {"temperatures": [1, 1], "thresholds": [0, 0]}})
    assert reasoner.info.fingerprint != load_attention_reasoner(tmp_path).info.fingerprint
    _edit(tmp_path, {"metrics": {"accuracy": 1}})
    assert load_reasoner(f"attend:{tmp_path}").info.licence == "none"
