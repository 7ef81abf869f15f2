import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.checkpoint import MANIFEST_FILE, WEIGHTS_FILE
from models.data import DataError
from models.evaluation.retrieval import evaluate_retrieval
from models.joint.lite import LiteConfig
from models.registry import load_encoder
from models.training.joint import JointTrainingConfig, TrainingProgress, train_joint
from models.training.objective import LossWeights
from models.training.run_folder import RunFolderError

pytestmark = pytest.mark.weights
SMALL = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_layers=1, recipe_heads=2)


@pytest.fixture(scope="module")
def config(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> JointTrainingConfig:
    folder = tmp_path_factory.mktemp("runs")
    return JointTrainingConfig(
        data=collection,
        out=folder / "run",
        cache=folder / "features",
        epochs=3,
        batch_size=8,
        views=("whole", "crop-0"),
        model=SMALL,
        loss=LossWeights(cosine=0.1),
        min_tag=2,
        min_word=2,
        learning_rate=3e-3,
        dropout=0.1,
    )


def _weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(str(folder / WEIGHTS_FILE))


def _same(left: Path, right: Path) -> bool:
    a, b = _weights(left), _weights(right)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_a_run_learns_reports_and_leaves_an_encoder(config: JointTrainingConfig) -> None:
    seen: list[TrainingProgress] = []
    result = train_joint(replace(config, epochs=30), seen.append)
    lines = [json.loads(line) for line in (config.out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert lines[-1]["pairs"] < lines[0]["pairs"]
    assert {"loss", "pairs", "text", "cosine", "semantic", "tags", "i2r_r10"} <= lines[0].keys()
    assert {progress.stage for progress in seen} == {"features", "epochs"}
    assert (seen[-1].done, seen[-1].total) == (30, 30)
    best = max(lines, key=lambda line: line["score"])
    assert result.metrics["score"] == best["score"]
    encoder = load_encoder(f"lite:{result.folder}", runtime="torch")
    assert encoder.info.dim == 32
    # Two photos of each dish look alike, so half of the partners come first at best.
    measured = evaluate_retrieval(encoder, config.data).to_json()
    assert measured["image_to_recipe"]["medr"] <= 2
    assert measured["image_to_recipe"]["r1"] == pytest.approx(result.metrics["i2r_r1"], abs=25)
    manifest = json.loads((config.out / MANIFEST_FILE).read_text())
    assert manifest["training"]["seed"] == 0
    assert manifest["training"]["examples"] == 16
    assert str(config.data.parent) not in json.dumps(manifest)


def test_a_seed_decides_the_weights(config: JointTrainingConfig, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_joint(replace(config, out=tmp_path / name, seed=seed, epochs=2))
    assert _same(tmp_path / "a", tmp_path / "b")
    assert not _same(tmp_path / "a", tmp_path / "c")


@pytest.mark.fault
def test_an_interrupted_run_ends_as_if_it_had_not_been(config: JointTrainingConfig, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop_after_two(progress: TrainingProgress) -> None:
        if progress.stage == "epochs" and progress.done == 2:
            raise StopError

    train_joint(replace(config, out=tmp_path / "straight"))
    with pytest.raises(StopError):
        train_joint(replace(config, out=tmp_path / "broken"), stop_after_two)
    assert not (tmp_path / "broken" / WEIGHTS_FILE).exists()
    with (tmp_path / "broken" / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({"epoch": 3}) + '\n{"epo')  # logged, then killed before the state was saved
    train_joint(replace(config, out=tmp_path / "broken", resume=True))
    assert _same(tmp_path / "straight", tmp_path / "broken")
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("straight", "broken")]
    assert logs[0] == logs[1]


def test_a_folder_holds_one_run(config: JointTrainingConfig, tmp_path: Path) -> None:
    run = replace(config, out=tmp_path / "run", epochs=1)
    train_joint(run)
    with pytest.raises(RunFolderError, match="holds a run already; resume it or choose another folder"):
        train_joint(run)
    with pytest.raises(RunFolderError, match=r"started with other settings \(learning_rate\)"):
        train_joint(replace(run, resume=True, learning_rate=0.5))


def test_a_warm_start_begins_where_the_weights_ended(config: JointTrainingConfig, tmp_path: Path) -> None:
    first = train_joint(replace(config, out=tmp_path / "first", epochs=1))
    frozen = replace(
        config, out=tmp_path / "second", epochs=1, learning_rate=0.0, init=first.folder, model=LiteConfig()
    )
    train_joint(frozen)
    assert _same(tmp_path / "first", tmp_path / "second")


def test_photoless_recipes_are_learned_from(config: JointTrainingConfig, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        "\n".join(
            json.dumps({"id": str(i), "title": f"dish {i}", "ingredients": [f"{i} eggs"], "instructions": ["Mix."]})
            for i in range(6)
        )
    )
    train_joint(replace(config, out=tmp_path / "run", epochs=1, text_corpus=corpus))
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert line["corpus"] > 0


def test_without_a_val_split_the_last_epoch_is_kept(config: JointTrainingConfig, tmp_path: Path) -> None:
    lines = (config.data / "recipes.jsonl").read_text().splitlines()
    for path in config.data.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "recipes.jsonl").write_text("\n".join(line for line in lines if '"train"' in line))
    result = train_joint(replace(config, data=tmp_path, out=tmp_path / "run", epochs=2))
    assert (result.epoch, result.metrics) == (2, {})
    assert load_encoder(f"lite:{result.folder}", runtime="torch").info.dim == 32


def test_data_without_photos_is_refused(config: JointTrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "recipes.jsonl").write_text(json.dumps({"id": "a", "title": "Soup", "split": "train"}))
    with pytest.raises(DataError, match="has no line with a photo and split 'train'"):
        train_joint(replace(config, data=tmp_path, out=tmp_path / "run"))


@pytest.mark.fault
def test_a_broken_photo_is_named(config: JointTrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"not a picture")
    line = {"id": "a", "title": "Soup", "image": "x.png", "split": "train"}
    (tmp_path / "recipes.jsonl").write_text(json.dumps(line))
    with pytest.raises(DataError, match=r"x\.png can't be read as a picture"):
        train_joint(replace(config, data=tmp_path, out=tmp_path / "run"))
