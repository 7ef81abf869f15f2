import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.captioning.style import StyleGate
from models.captioning.types import CaptionerUnavailableError
from models.captioning.vocabulary import CaptionVocabulary
from models.captioning.weights import VOCABULARY_FILE, load_captioner_weights, save_captioner_weights
from models.weight_folder import MANIFEST_FILE, WEIGHTS_FILE
from tests.models.captioning.samples import DECODER, VOCABULARY, save_small, small_decoder, small_manifest

TOWER = {"conv_head.weight": torch.full((2, 2), 0.1).half().float()}


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, tied: bool) -> None:
    config = replace(DECODER, tied=tied)
    state = small_decoder(config).state_dict()
    save_captioner_weights(tmp_path, state, TOWER, VOCABULARY, small_manifest(decoder=config))
    weights = load_captioner_weights(tmp_path)
    assert weights.manifest.decoder == config
    assert weights.manifest.vision == small_manifest().vision
    assert weights.manifest.search == small_manifest().search
    assert weights.vocabulary.words == VOCABULARY.words
    assert weights.vocabulary.styles == VOCABULARY.styles
    assert weights.decoder.keys() == state.keys()
    for name, tensor in weights.decoder.items():
        torch.testing.assert_close(tensor, state[name].half().float(), atol=0, rtol=0)
    torch.testing.assert_close(dict(weights.tower), TOWER, atol=0, rtol=0)
    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 80_000


def test_a_gate_travels_with_the_weights(tmp_path: Path) -> None:
    save_small(tmp_path)
    assert load_captioner_weights(tmp_path).gate is None
    weight = np.linspace(-2, 2, DECODER.features, dtype=np.float32)
    save_small(tmp_path, gate=StyleGate(weight, 0.5))
    gate = load_captioner_weights(tmp_path).gate
    assert gate is not None
    assert gate.bias == 0.5
    np.testing.assert_array_equal(gate.weight, weight.astype(np.float16).astype(np.float32))


@pytest.mark.fault
def test_a_gate_of_another_map_is_refused(tmp_path: Path) -> None:
    save_small(tmp_path, gate=StyleGate(np.zeros(7, dtype=np.float32), 0.0))
    with pytest.raises(CaptionerUnavailableError, match=r"gate of the shapes .*\(7,\).* the map has 1280 channels"):
        load_captioner_weights(tmp_path)


@pytest.mark.fault
@pytest.mark.parametrize("file", [WEIGHTS_FILE, VOCABULARY_FILE])
def test_changed_and_missing_files_are_refused(tmp_path: Path, file: str) -> None:
    save_small(tmp_path)
    with (tmp_path / file).open("ab") as stream:
        stream.write(b"x\n")
    with pytest.raises(CaptionerUnavailableError, match=f"{file} has sha256 .* the file changed"):
        load_captioner_weights(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(CaptionerUnavailableError, match=f"{file} is missing, though"):
        load_captioner_weights(tmp_path)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(CaptionerUnavailableError, match=r"holds no captioner: .*tastespace train captioner"):
        load_captioner_weights(tmp_path)


def _edit(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"backbones": {"tf_efficientnet_lite0": "0" * 64}}, "needs the backbones .*0000"),
        ({"backbones": {}}, "needs the backbones"),
        ({"tower": "abc"}, r"needs the tuned vision tower abc, its weights hold \(none\)"),
        ({"styles": ["dish"]}, "makes a vocabulary of 7, the decoder has one of 8"),
        ({"styles": ["poem"]}, "styles must be"),
        ({"decoder": {"features": 1}}, "is not a manifest of a captioner"),
        ({"vision": {"vision": "resnet50"}}, "no map is called 'resnet50'"),
        ({"search": {"beams": 0}}, "beams must be 1 or more"),
        ({"files": []}, "must be objects"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    save_small(tmp_path)
    _edit(tmp_path, changes)
    with pytest.raises(CaptionerUnavailableError, match=message):
        load_captioner_weights(tmp_path)


def test_the_words_lie_one_a_line(tmp_path: Path) -> None:
    save_small(tmp_path)
    assert (tmp_path / VOCABULARY_FILE).read_text() == "a\ndog\n's\n"
    assert CaptionVocabulary.from_text("", ("dish",)).words == ()
