from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.data import DataError
from models.evaluation.labelled import evaluate_labelled, read_labelled
from models.evaluation.tag_baselines import NEIGHBOURS, _votes
from models.evaluation.tags import evaluate_tags
from models.tagging.types import TaggerUnavailableError
from models.training.tags import TagTrainingConfig, train_tags
from tests.models.tag_world import ColourEncoder, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and weights trained on it."""
    folder = tmp_path_factory.mktemp("world")
    data = write_world(folder / "data")
    train_tags(TagTrainingConfig(data=data, out=folder / "tags", min_positives=5), ColourEncoder())
    return data, folder / "tags"


def test_the_head_beats_the_prior(world: tuple[Path, Path]) -> None:
    data, weights = world
    report = evaluate_tags(ColourEncoder(), data, weights=weights, min_positives=5)
    record = json.loads(json.dumps(report.to_json()))
    assert {"map", "f1", "ece", "per_tag"} <= record.keys()
    assert set(record["per_tag"]) == set(record["tags"]) == {"Tomato", "Pasta", "Salad", "Blini"}
    assert record["method"] == "head"
    assert record["map"] == pytest.approx(np.mean(list(record["per_tag"].values())))
    assert record["map"] > record["baselines"]["prior"]["map"] + 0.2
    assert record["f1"] > record["baselines"]["prior"]["f1"]
    assert 0 <= record["ece"] <= 1
    assert sum(each["count"] for each in record["reliability"]) == record["photos"] * 4
    assert set(record["per_group"]) == {"ingredient", "dish", "other"}
    assert set(record["methods"]) == {"head", "zero-shot"}
    assert record["methods"]["zero-shot"]["map"] > record["baselines"]["prior"]["map"] + 0.2


def test_photos_without_tags_do_not_take_part(world: tuple[Path, Path]) -> None:
    data, weights = world
    report = evaluate_tags(ColourEncoder(), data, weights=weights, min_positives=5)
    lines = [json.loads(line) for line in (data / "recipes.jsonl").read_text().splitlines()]
    assert report.photos == sum(bool(line["tags"]) for line in lines if line["split"] == "val")


def test_the_prior_of_a_tag_is_its_share(world: tuple[Path, Path]) -> None:
    data, weights = world
    report = evaluate_tags(ColourEncoder(), data, weights=weights, min_positives=5)
    for tag, positives in report.tags.items():
        assert report.baselines["prior"].per_tag[tag] == pytest.approx(positives / report.photos)


def test_zero_shot_needs_no_weights_and_the_head_does(world: tuple[Path, Path], tmp_path: Path) -> None:
    data, _ = world
    with pytest.raises(TaggerUnavailableError, match="tastespace train tags"):
        evaluate_tags(ColourEncoder(), data, weights=tmp_path, min_positives=5)
    report = evaluate_tags(ColourEncoder(), data, methods=["zero-shot"], weights=tmp_path, min_positives=5)
    assert report.to_json()["method"] == "zero-shot"


def test_data_without_a_training_split_has_no_baselines(world: tuple[Path, Path], tmp_path: Path) -> None:
    _, weights = world
    only = write_world(tmp_path, train=0, val=30)
    report = evaluate_tags(ColourEncoder(), only, weights=weights, min_positives=3)
    assert report.baselines == {}
    assert report.to_json()["map"] > 0.5


def test_training_photos_without_a_tag_of_the_vocabulary_give_no_baselines(
    world: tuple[Path, Path], tmp_path: Path
) -> None:
    _, weights = world
    data = write_world(tmp_path)
    lines = [json.loads(line) for line in (data / "recipes.jsonl").read_text().splitlines()]
    for line in lines:
        line["tags"] = ["Kosher"] if line["split"] == "train" else line["tags"]
    (data / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert evaluate_tags(ColourEncoder(), data, weights=weights, min_positives=5).baselines == {}


def test_rare_tags_are_not_measured(world: tuple[Path, Path]) -> None:
    data, weights = world
    with pytest.raises(DataError, match="--min-positives"):
        evaluate_tags(ColourEncoder(), data, weights=weights, min_positives=100)


def test_votes_are_those_of_the_nearest() -> None:
    known = np.eye(6, dtype=np.float32)
    targets = np.arange(6)[:, None] < 2
    asked = np.array([[0.9, 0.8, 0.7, 0.1, 0.05, 0.0]], dtype=np.float32)
    assert _votes(asked, known, targets)[5].tolist() == [[pytest.approx(2 / 5)]]
    own = _votes(known, known, targets, excluded=np.eye(6, dtype=bool))
    assert own[5][:, 0].tolist() == pytest.approx([1 / 5, 1 / 5, 2 / 5, 2 / 5, 2 / 5, 2 / 5])


@pytest.mark.weights
def test_neighbours_by_frozen_features_are_a_baseline(world: tuple[Path, Path], tmp_path: Path) -> None:
    data, weights = world
    report = evaluate_tags(ColourEncoder(), data, weights=weights, cache=tmp_path, min_positives=5)
    neighbours = report.baselines["knn_frozen_features"]
    assert neighbours.notes["k"] in NEIGHBOURS
    assert neighbours.map > report.baselines["prior"].map
    assert report.to_json()["baselines"]["knn_frozen_features"]["k"] == neighbours.notes["k"]


def _labelled(folder: Path, *lines: object) -> Path:
    write_world(folder, train=8, val=0)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "labels.jsonl").write_text(text + "\n")
    return folder


def test_a_labelled_folder_is_ranked_zero_shot(tmp_path: Path) -> None:
    data = write_world(tmp_path, train=60, val=0)
    records = [json.loads(line) for line in (data / "recipes.jsonl").read_text().splitlines()]
    single = [(each["image"], each["tags"][0]) for each in records if len(each["tags"]) == 2]
    lines = [json.dumps({"image": image, "label": label}) for image, label in single]
    (data / "labels.jsonl").write_text("\n".join(lines))
    record = evaluate_labelled(ColourEncoder(), data, weights=tmp_path / "none").to_json()
    assert record["photos"] == len(single)
    assert record["top5"] == 100.0
    assert 30 < record["top1"] <= 100
    assert sum(each["photos"] for each in record["per_label"].values()) == len(single)


def test_labels_differ_by_more_than_case(tmp_path: Path) -> None:
    data = _labelled(tmp_path, {"image": "0.png", "label": "Pasta"}, {"image": "2.png", "label": "pasta"})
    record = evaluate_labelled(ColourEncoder(), data, weights=tmp_path / "none").to_json()
    assert (record["labels"], record["top1"], list(record["per_label"])) == (1, 100.0, ["Pasta"])
    data = _labelled(tmp_path, {"image": "0.png", "label": "hot pot"}, {"image": "2.png", "label": "hot_pot"})
    with pytest.raises(DataError, match="read the same"):
        evaluate_labelled(ColourEncoder(), data, weights=tmp_path / "none")


def test_a_line_ends_at_its_end_alone(tmp_path: Path) -> None:
    """Unicode has other ends of lines, which JSON allows within a text."""
    data = _labelled(tmp_path, '{"image": "0.png", "label": "Pasta\u2028al forno\x85"}')
    assert [each.label for each in read_labelled(data)] == ["Pasta\u2028al forno"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"labels\.jsonl:2: not JSON"),
        ("[]", r"labels\.jsonl:2: expected a JSON object, found list"),
        ({"image": "0.png"}, r"labels\.jsonl:2: label must be a non-empty text"),
        ({"image": "", "label": "x"}, r"labels\.jsonl:2: image must be"),
        ({"image": "0.png", "label": 3}, r"labels\.jsonl:2: label must be"),
        ({"image": "../0.png", "label": "x"}, r"labels\.jsonl:2: image must be a path inside"),
        ({"image": "nobody.png", "label": "x"}, r"labels\.jsonl:2: there is no file"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    data = _labelled(tmp_path, {"image": "0.png", "label": "Pasta"}, line)
    with pytest.raises(DataError, match=message):
        read_labelled(data)


@pytest.mark.fault
def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no labels\.jsonl"):
        read_labelled(tmp_path)
    (tmp_path / "labels.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="has no lines"):
        read_labelled(tmp_path)
