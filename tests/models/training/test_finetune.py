import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from models.checkpoint import MANIFEST_FILE, WEIGHTS_FILE
from models.evaluation.retrieval import evaluate_retrieval
from models.joint.lite import LiteConfig
from models.registry import load_encoder
from models.training.finetune import FinetuneConfig, finetune_joint
from models.training.joint import JointTrainingConfig, TrainingProgress, train_joint
from models.training.run_folder import RunFolderError

pytestmark = pytest.mark.weights
SMALL = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_heads=2, image_size=64)


@pytest.fixture(scope="module")
def config(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneConfig:
    folder = tmp_path_factory.mktemp("runs")
    heads = JointTrainingConfig(
        data=collection,
        out=folder / "heads",
        cache=folder / "features",
        epochs=5,
        batch_size=8,
        views=("whole",),
        model=SMALL,
        min_tag=2,
        min_word=2,
    )
    train_joint(heads)
    return FinetuneConfig(
        data=collection,
        out=folder / "run",
        init=folder / "heads",
        cache=folder / "features",
        epochs=2,
        batch_size=8,
        min_tag=2,
        min_word=2,
        train_size=64,
        frozen_stages=5,
    )


def _weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(str(folder / WEIGHTS_FILE))


def _same(left: Path, right: Path) -> bool:
    a, b = _weights(left), _weights(right)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_it_changes_tower_and_heads_and_leaves_an_encoder(config: FinetuneConfig) -> None:
    seen: list[TrainingProgress] = []
    result = finetune_joint(config, seen.append)
    lines = [json.loads(line) for line in (config.out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert {"loss", "pairs", "semantic", "i2r_r10", "score"} <= lines[0].keys()
    assert {"steps", "epochs"} <= {progress.stage for progress in seen}
    weights = _weights(config.out)
    stages = {name.split(".")[4] for name in weights if name.startswith("clip.visual.trunk.blocks.")}
    assert stages == {"5", "6"}
    encoder = load_encoder(f"lite:{result.folder}", runtime="torch")
    assert encoder.info.preprocess.size == 64
    # The exported encoder is the network that was measured, but for bfloat16 in its tower.
    measured = evaluate_retrieval(encoder, config.data).to_json()
    assert measured["image_to_recipe"]["r10"] == pytest.approx(result.metrics["i2r_r10"], abs=25)
    manifest = json.loads((config.out / MANIFEST_FILE).read_text())
    assert manifest["training"]["settings"]["frozen_stages"] == 5
    assert manifest["training"]["start"]["examples"] == 16
    assert str(config.out.parent) not in json.dumps(manifest)


def test_tuning_goes_on_from_a_tuned_tower(config: FinetuneConfig, tmp_path: Path) -> None:
    """With rates of 0, what comes out is what went in."""
    once = replace(config, out=tmp_path / "once", epochs=1)
    finetune_joint(once)
    again = replace(once, out=tmp_path / "again", init=once.out, tower_rate=0.0, head_rate=0.0, weight_decay=0.0)
    finetune_joint(again)
    assert _same(once.out, again.out)


def test_a_seed_decides_the_weights(config: FinetuneConfig, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        finetune_joint(replace(config, out=tmp_path / name, seed=seed, epochs=1))
    assert _same(tmp_path / "a", tmp_path / "b")
    assert not _same(tmp_path / "a", tmp_path / "c")


@pytest.mark.fault
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(config: FinetuneConfig, tmp_path: Path) -> None:
    straight = replace(config, out=tmp_path / "straight")
    finetune_joint(straight)

    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "epochs":
            raise KeyboardInterrupt

    broken = replace(config, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        finetune_joint(broken, interrupt)
    with pytest.raises(RunFolderError, match="holds a run already"):
        finetune_joint(broken)
    finetune_joint(replace(broken, resume=True))
    assert _same(straight.out, broken.out)
    lines = (broken.out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_weights_of_the_average_are_those_that_ship(config: FinetuneConfig) -> None:
    state = torch.load(config.out / "state.pt", weights_only=True)
    name = "tower.trunk.conv_head.weight"
    assert not torch.equal(state["network"][name], state["average"][name])
