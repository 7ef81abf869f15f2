from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data import DataError
from models.tagging.head import TagHead
from models.tagging.weights import load_tag_weights
from models.tagging.zero_shot import ZeroShotCalibration
from models.training.logistic import fit_logistic, fit_platt, log_loss
from models.training.tag_data import read_tagged, vocabulary_of
from models.training.tags import PENALTIES, TagTrainingConfig, TagTrainingError, _folds, train_tags
from tests.models.tag_world import COLOURS, ColourEncoder, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


def _config(world: Path, out: Path, **changes: object) -> TagTrainingConfig:
    values: dict[str, object] = {"data": world, "out": out, "min_positives": 5, "cache": out.parent / "vectors"}
    return TagTrainingConfig(**values | changes)  # type: ignore[arg-type]


def test_a_head_learns_what_the_encoder_sees(world: Path, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    result = train_tags(_config(world, tmp_path / "tags"), encoder)
    head = TagHead.load(encoder.info, result.folder)
    assert head.names == ("Tomato", "Pasta", "Salad", "Blini")  # built-in tags by group, then others
    assert head.groups == ("ingredient", "dish", "dish", "other")
    assert result.photos == 72  # those without tags are left out
    for name, colour in COLOURS.items():
        pixels = np.broadcast_to(np.array(colour, dtype=np.uint8), (1, 4, 4, 3))
        scores = dict(zip(head.names, head.score(encoder.encode_pixels(pixels))[0].tolist(), strict=True))
        assert max(scores, key=lambda tag: scores[tag]) == name
    assert result.metrics["map"] > 0.7
    assert ZeroShotCalibration.load(encoder.info, result.folder).scale > 1


def test_the_manifest_says_what_was_done_without_paths(world: Path, tmp_path: Path) -> None:
    train_tags(_config(world, tmp_path / "tags", command="tastespace train tags", licence="mine"), ColourEncoder())
    manifest, _ = load_tag_weights(tmp_path / "tags")
    assert (manifest.encoder, manifest.licence) == ("colours", "mine")
    assert manifest.training["command"] == "tastespace train tags"
    assert manifest.training["penalty"] in PENALTIES
    assert str(tmp_path) not in (tmp_path / "tags" / "manifest.json").read_text()
    lines = [json.loads(line) for line in (tmp_path / "tags" / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["penalty"] * len(PENALTIES) + ["head", "zero-shot"]


def test_calibration_can_be_fitted_on_photos_the_encoder_has_not_seen(world: Path, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    train_tags(_config(world, tmp_path / "one"), encoder)
    result = train_tags(_config(world, tmp_path / "two", calibrate_on="val"), encoder)
    assert result.photos == 72
    (one, a), (two, b) = load_tag_weights(tmp_path / "one"), load_tag_weights(tmp_path / "two")
    assert (one.training["calibration"]["on"], two.training["calibration"]["on"]) == ("train, out of fold", "val")
    slope = two.training["calibration"]["slope"] / one.training["calibration"]["slope"]
    np.testing.assert_allclose(b["head.weight"], slope * a["head.weight"], rtol=0.02, atol=0.02)


def test_training_is_deterministic_and_vectors_are_kept(world: Path, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    seen: list[tuple[str, int, int, str]] = []
    train_tags(_config(world, tmp_path / "one"), encoder, lambda *step: seen.append(step))
    assert encoder.photos == 36  # twins are encoded once
    assert [step[:3] for step in seen if step[0] == "photos"] == [("photos", 36, 36)]
    assert seen[-1][1] == seen[-1][2]
    train_tags(_config(world, tmp_path / "two"), encoder)
    assert encoder.photos == 36
    for name in ("model.safetensors", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    train_tags(_config(world, tmp_path / "two"), ColourEncoder(fingerprint="d" * 64))
    assert load_tag_weights(tmp_path / "two")[0].fingerprint == "d" * 64


def test_twins_never_stand_on_both_sides_of_a_fold(world: Path) -> None:
    keys = [bytes([number // 2]) for number in range(40)]
    fold = _folds(keys, 4, seed=0)
    assert (fold[::2] == fold[1::2]).all()
    assert np.bincount(fold).tolist() == [10, 10, 10, 10]


def test_only_frequent_visible_tags_make_the_vocabulary(world: Path) -> None:
    tagged = read_tagged(world, "train")
    assert "kosher" not in {key for keys in tagged.keys for key in keys}
    with pytest.raises(DataError, match="no visible tag is on 1000 photos"):
        vocabulary_of(tagged, world, "train", min_positives=1000)


@pytest.mark.fault
def test_a_split_without_tags_of_the_vocabulary_calibrates_nothing(tmp_path: Path) -> None:
    data = write_world(tmp_path / "data")
    lines = [json.loads(line) for line in (data / "recipes.jsonl").read_text().splitlines()]
    for line in lines:
        line["tags"] = ["Kosher"] if line["split"] == "val" else line["tags"]
    (data / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(TagTrainingError, match="no photo of split 'val' has one of the 4 tags"):
        train_tags(_config(data, tmp_path / "out", calibrate_on="val"), ColourEncoder())
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.fault
def test_too_little_data_is_named(tmp_path: Path) -> None:
    few = write_world(tmp_path / "few", train=8, val=0)
    with pytest.raises(TagTrainingError, match="too few to train on"):
        train_tags(_config(few, tmp_path / "out", min_positives=1), ColourEncoder())
    (few / "3.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"3\.png can't be read"):
        train_tags(_config(few, tmp_path / "out", min_positives=1), ColourEncoder())
    with pytest.raises(DataError, match="no line whose split"):
        read_tagged(few, "val")


def test_the_fit_is_the_minimum_of_its_loss() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    targets = (vectors[:, :2] + rng.normal(size=(60, 2))) > 0.5
    penalty = 0.01
    fit = fit_logistic(vectors, targets, penalty)

    def loss(weight: np.ndarray) -> float:
        scores = (vectors @ weight + fit.bias).astype(np.float32)
        return log_loss(scores, targets) + penalty * float((weight**2).sum())

    best = loss(fit.weight)
    for _ in range(20):
        assert loss(fit.weight + 0.05 * rng.normal(size=fit.weight.shape)) >= best
    again = fit_logistic(vectors, targets, penalty, start=fit)
    np.testing.assert_allclose(again.weight, fit.weight, atol=1e-3)


def test_platt_scaling_finds_the_log_odds_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(4000, 3)).astype(np.float32) * 2
    targets = rng.random(scores.shape) < 1 / (1 + np.exp(-(0.7 * scores - 1.2)))
    slope, offset = fit_platt(scores, targets)
    assert slope == pytest.approx(0.7, abs=0.05)
    assert offset == pytest.approx(-1.2, abs=0.08)


def test_scores_that_mislead_get_next_to_no_slope() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(500, 1)).astype(np.float32)
    slope, _ = fit_platt(scores, scores < 0)
    assert 0 < slope < 0.01
