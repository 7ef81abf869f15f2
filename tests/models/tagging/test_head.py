from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.tagging.head import TagHead
from models.tagging.scoring import rank_tags, sigmoid
from models.tagging.types import TaggerUnavailableError
from models.tagging.weights import MANIFEST_FILE, WEIGHTS_FILE, load_tag_weights
from models.tagging.zero_shot import ZeroShotCalibration
from tests.models.tagging.samples import (
    ENCODER,
    GROUPS,
    NAMES,
    sample_manifest,
    sample_tensors,
    unit_rows,
    write_sample,
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    manifest, tensors = load_tag_weights(write_sample(tmp_path, training={"seed": 3}))
    expected = sample_manifest(training={"seed": 3})
    assert replace(manifest, files={}) == expected
    for name, tensor in sample_tensors().items():
        np.testing.assert_allclose(tensors[name], tensor, atol=2e-3)


def test_the_head_is_a_logistic_regression(tmp_path: Path) -> None:
    head = TagHead.load(ENCODER, write_sample(tmp_path))
    vectors = unit_rows(5, 9)
    tensors = sample_tensors()
    expected = 1 / (1 + np.exp(-(vectors @ tensors["head.weight"] + tensors["head.bias"])))
    np.testing.assert_allclose(head.score(vectors), expected, atol=2e-3)
    assert (head.names, head.groups, head.threshold) == (NAMES, GROUPS, 0.4)


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4], dtype=np.float32)).tolist() == [0.0, 0.5, 1.0]


def test_tags_are_ranked_cut_and_filtered(tmp_path: Path) -> None:
    head = TagHead.load(ENCODER, write_sample(tmp_path))
    vector = unit_rows(1, 4)[0]
    probabilities = dict(zip(NAMES, head.score(vector[None])[0].tolist(), strict=True))
    ranked = rank_tags(head, vector, k=3)
    assert [(each.tag, each.probability) for each in ranked] == sorted(probabilities.items(), key=lambda pair: -pair[1])
    assert rank_tags(head, vector, k=1) == ranked[:1]
    least = ranked[1].probability
    assert rank_tags(head, vector, k=3, min_probability=least) == ranked[:2]
    assert [each.group for each in rank_tags(head, vector, k=3, groups={"dish"})] == ["dish", "dish"]
    assert rank_tags(head, vector, k=3, groups={"diet"}) == []


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(8), np.full((1, 8), np.nan)])
def test_vectors_that_are_none_are_refused(tmp_path: Path, bad: np.ndarray) -> None:
    head = TagHead.load(ENCODER, write_sample(tmp_path))
    with pytest.raises(ValueError, match="vector"):
        head.score(bad.astype(np.float32))


def test_another_encoder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = write_sample(tmp_path)
    other = replace(ENCODER, name="other", fingerprint="b" * 64)
    for load in (TagHead.load, ZeroShotCalibration.load):
        with pytest.raises(TaggerUnavailableError, match=r"not for other .*tastespace train tags"):
            load(other, folder)


@pytest.mark.fault
def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaggerUnavailableError, match="holds no tag weights"):
        TagHead.load(ENCODER, tmp_path)
    folder = write_sample(tmp_path)
    data = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(TaggerUnavailableError, match="the file changed"):
        TagHead.load(ENCODER, folder)
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(TaggerUnavailableError, match="is missing"):
        TagHead.load(ENCODER, folder)


@pytest.mark.fault
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(TaggerUnavailableError, match=r"manifest\.json"):
        TagHead.load(ENCODER, tmp_path)


@pytest.mark.fault
def test_a_manifest_that_does_not_fit_its_weights_is_refused(tmp_path: Path) -> None:
    folder = write_sample(tmp_path)
    record = json.loads((folder / MANIFEST_FILE).read_text())
    changed = {"names": ["Fig", "Pie"], "groups": ["ingredient", "dish"]}
    (folder / MANIFEST_FILE).write_text(json.dumps(record | changed))
    with pytest.raises(TaggerUnavailableError, match="don't fit their own manifest"):
        TagHead.load(ENCODER, folder)
    (folder / MANIFEST_FILE).write_text(json.dumps(record | {"zero_shot": {"scale": 1.0}}))
    with pytest.raises(TaggerUnavailableError, match="hold no calibration"):
        ZeroShotCalibration.load(ENCODER, folder)


def test_tagging_needs_no_torch() -> None:
    code = (
        "import sys, models.tagging.head, models.tagging.zero_shot; assert not {'torch', 'timm'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
