from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.checkpoint import WEIGHTS_FILE
from models.joint.lite import LiteConfig
from models.training.finetune import FinetuneConfig
from models.training.joint import JointTrainingConfig, TrainingProgress, train_joint
from models.training.pipeline import train_encoder
from models.training.run_folder import RunFolderError

pytestmark = pytest.mark.weights
SMALL = LiteConfig(dim=16, hidden=16, recipe_width=24, recipe_heads=2, image_size=32)


def _configs(collection: Path, out: Path) -> tuple[JointTrainingConfig, FinetuneConfig]:
    heads = JointTrainingConfig(
        data=collection, out=out, epochs=2, batch_size=8, views=("whole",), model=SMALL, min_tag=2, min_word=2
    )
    tuning = FinetuneConfig(
        data=collection, out=out, init=out, epochs=1, batch_size=8, min_tag=2, min_word=2, train_size=32,
        frozen_stages=6,
    )  # fmt: skip
    return heads, tuning


def test_heads_come_first_and_are_not_trained_again_on_resuming(collection: Path, tmp_path: Path) -> None:
    heads, tuning = _configs(collection, tmp_path / "run")
    seen: list[TrainingProgress] = []
    train_encoder(heads, tuning, seen.append)
    assert [p.total for p in seen if p.stage == "epochs"] == [2, 2, 1]
    weights = load_file(str(tmp_path / "run" / WEIGHTS_FILE))
    assert any(name.startswith("clip.visual.trunk.blocks.6") for name in weights)
    seen.clear()
    train_encoder(replace(heads, resume=True), replace(tuning, resume=True), seen.append)
    assert [p for p in seen if p.stage == "epochs"] == []
    with pytest.raises(RunFolderError, match=r"heads was started with other settings \(dropout\)"):
        train_encoder(replace(heads, resume=True, dropout=0.1), replace(tuning, resume=True))


def test_without_tuning_heads_are_all(collection: Path, tmp_path: Path) -> None:
    heads, _ = _configs(collection, tmp_path / "run")
    train_encoder(heads, None)
    assert all(name.startswith("heads.") for name in load_file(str(tmp_path / "run" / WEIGHTS_FILE)))


def test_heads_over_a_tuned_tower_keep_it(collection: Path, tmp_path: Path) -> None:
    heads, tuning = _configs(collection, tmp_path / "run")
    train_encoder(heads, tuning)
    again = replace(heads, init=tmp_path / "run", out=tmp_path / "again", learning_rate=0.0, weight_decay=0.0)
    train_joint(again)
    before, after = (load_file(str(tmp_path / name / WEIGHTS_FILE)) for name in ("run", "again"))
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_tuning_alone_starts_from_weights(collection: Path, tmp_path: Path) -> None:
    heads, tuning = _configs(collection, tmp_path / "run")
    train_encoder(heads, tuning)
    seen: list[TrainingProgress] = []
    more = replace(tuning, init=tmp_path / "run", out=tmp_path / "more")
    train_encoder(replace(heads, epochs=0, out=tmp_path / "more"), more, seen.append)
    assert [p.total for p in seen if p.stage == "epochs"] == [1]
