import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from models.captioning.tell import load_tell
from models.captioning.types import CaptionOptions
from models.checkpoint import Manifest, save_checkpoint
from models.data import DataError
from models.joint.lite import LiteConfig
from models.photos import open_photo
from models.preprocess import to_pixels
from models.training.captioner import CaptionerTrainingConfig, train_captioner
from models.training.joint import TrainingProgress
from models.training.run_folder import RunFolderError
from models.weight_folder import MANIFEST_FILE, WEIGHTS_FILE
from tests.models.training.caption_world import COLOURS, write_captions

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def config(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> CaptionerTrainingConfig:
    """Both styles, both stages, seconds."""
    folder = tmp_path_factory.mktemp("captions")
    write_captions(folder)
    return CaptionerTrainingConfig(
        out=folder / "run",
        captions=folder,
        recipes=collection,
        cache=folder / "maps",
        epochs=2,
        self_critical_epochs=2,
        batch_size=8,
        self_critical_batch=8,
        samples=2,
        views=("whole", "whole-flip"),
        min_count=2,
        max_words=8,
        image_size=64,
        values=24,
        hidden=24,
        embedding=24,
        attention=16,
        scheduled_sampling=0.2,
    )


def _weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(str(folder / WEIGHTS_FILE))


def _state(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return state


def _same(left: Path, right: Path) -> bool:
    """The weights that ship, those in training and those of the average."""
    a, b = _weights(left), _weights(right)
    states = [_state(folder) for folder in (left, right)]
    return all(np.array_equal(a[name], b[name]) for name in a.keys() | b.keys()) and all(
        torch.equal(states[0][part][name], states[1][part][name])
        for part in ("decoder", "average")
        for name in states[0][part]
    )


def _lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_leaves_a_captioner_with_metrics_and_a_manifest(config: CaptionerTrainingConfig) -> None:
    seen: list[TrainingProgress] = []
    result = train_captioner(config, seen.append)
    assert [progress.stage for progress in seen if progress.stage != "steps"][-4:] == ["epochs"] * 4
    assert {"maps", "steps", "epochs"} == {progress.stage for progress in seen}
    assert any("words/s" in progress.detail for progress in seen)
    lines = _lines(config.out)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    measured = {
        f"{style}_{name}" for style in ("general", "dish") for name in ("bleu4", "cider", "perplexity", "words")
    }
    assert {"loss", "nats", "coverage", "score"} | measured <= lines[0].keys()
    assert {"loss", "reward", "score"} | measured <= lines[3].keys()
    assert result.metrics["score"] == max(line["score"] for line in lines)
    assert lines[result.epoch - 1]["score"] == result.metrics["score"]
    captioner = load_tell(result.folder)
    assert captioner.info.styles == ("general", "dish")
    assert captioner.info.preprocess.size == 64
    manifest = json.loads((config.out / MANIFEST_FILE).read_text())
    assert manifest["training"]["captions"] == {"general": 32, "dish": 16}
    assert manifest["training"]["settings"]["samples"] == 2
    assert manifest["metrics"]["val, during training"] == dict(result.metrics)
    assert str(config.out.parent) not in json.dumps(manifest)
    assert captioner.gate is not None
    measured_gate = manifest["metrics"]["automatic style, val"]
    assert measured_gate.keys() == {"general_accuracy", "dish_accuracy"}
    assert min(measured_gate.values()) >= 0.5


@pytest.mark.parametrize("rewarded", [0, 1])
def test_a_run_that_ended_without_a_gate_is_given_one(
    config: CaptionerTrainingConfig, tmp_path: Path, rewarded: int
) -> None:
    """Resumed after its end, or given a second stage: what decides the captions stays, the gate comes with it."""
    short = replace(config, out=tmp_path, epochs=1, self_critical_epochs=0)
    train_captioner(short)
    straight = _weights(tmp_path)
    kept = {name: tensor for name, tensor in straight.items() if not name.startswith("gate.")}
    save_file(kept, str(tmp_path / WEIGHTS_FILE))
    train_captioner(replace(short, resume=True, self_critical_epochs=rewarded))
    resumed = _weights(tmp_path)
    assert resumed.keys() == straight.keys() > {"gate.weight", "gate.bias"}
    for name in ("gate.weight", "gate.bias"):
        np.testing.assert_array_equal(resumed[name], straight[name])


def test_it_learns_what_the_photos_show(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    """Plates of colours that it has not seen the photos of."""
    longer = replace(
        config, out=tmp_path / "run", recipes=None, epochs=40, self_critical_epochs=0, learning_rate=5e-3,
        scheduled_sampling=0.0, ema_decay=0.9, dropout=0.1,
    )  # fmt: skip
    result = train_captioner(longer)
    assert result.metrics["general_cider"] > 5
    captioner = load_tell(result.folder)
    assert captioner.info.styles == ("general",)
    assert captioner.gate is None
    photos = [open_photo(config.out.parent / f"{i}.png") for i in range(16, 24)]
    pixels = np.stack([to_pixels(photo, captioner.info.preprocess) for photo in photos])
    found = captioner.caption_pixels(pixels, CaptionOptions(beams=2, attention=True))
    right = [COLOURS[i % 4] in captions[0].text for i, captions in enumerate(found)]
    assert sum(right) >= 6
    assert len(found[0][0].words) >= 5


def test_a_seed_decides_the_weights(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_captioner(replace(config, out=tmp_path / name, seed=seed, epochs=1, self_critical_epochs=1))
    assert _same(tmp_path / "a", tmp_path / "b")
    assert not _same(tmp_path / "a", tmp_path / "c")


@pytest.mark.fault
@pytest.mark.parametrize("kill_after", [2, 3])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    config: CaptionerTrainingConfig, tmp_path: Path, kill_after: int
) -> None:
    """Killed between the two stages, and in the second; the run of the first test went straight."""
    if not (config.out / "state.pt").exists():
        train_captioner(config)

    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "epochs" and progress.done == kill_after:
            raise KeyboardInterrupt

    broken = replace(config, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train_captioner(broken, interrupt)
    # What was best until then is a captioner already.
    assert load_tell(broken.out).info.vocabulary > 0
    with pytest.raises(RunFolderError, match="holds a run already"):
        train_captioner(broken)
    train_captioner(replace(broken, resume=True))
    assert _same(config.out, broken.out)
    timeless = [
        [{k: v for k, v in line.items() if k != "seconds"} for line in _lines(f)] for f in (config.out, broken.out)
    ]
    assert timeless[0] == timeless[1]


def test_a_finished_run_can_be_given_a_second_stage(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    if not (config.out / "state.pt").exists():
        train_captioner(config)
    later = replace(config, out=tmp_path / "later", resume=True)
    train_captioner(replace(later, self_critical_epochs=0))
    assert len(_lines(later.out)) == 2
    train_captioner(later)
    assert _same(config.out, later.out)
    with pytest.raises(RunFolderError, match="in its second stage with other settings"):
        train_captioner(replace(later, self_critical_epochs=3))
    with pytest.raises(RunFolderError, match=r"other settings .*dropout"):
        train_captioner(replace(later, dropout=0.1))


def test_it_looks_through_a_tuned_tower(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    tuned = {"clip.visual.trunk.conv_head.weight": torch.full((1280, 320, 1, 1), 0.25)}
    shape = LiteConfig(image_size=96)
    save_checkpoint(tmp_path / "encoder", tuned, Manifest(model="x", config=shape, licence="none"))
    short = replace(
        config, out=tmp_path / "run", init=tmp_path / "encoder", image_size=None, epochs=1, self_critical_epochs=0
    )
    train_captioner(short)
    captioner = load_tell(short.out)
    assert captioner.info.preprocess.size == 96
    assert (captioner.tower.trunk.conv_head.weight == 0.25).all()
    assert captioner.info.grid == (3, 3)


def test_without_photos_to_choose_by_the_last_epoch_is_taken(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    write_captions(tmp_path, photos=8, held=0)
    alone = replace(
        config, out=tmp_path / "run", captions=tmp_path, recipes=None, self_critical_epochs=0, stage="stages"
    )
    result = train_captioner(alone)
    assert (result.epoch, dict(result.metrics)) == (2, {})
    assert load_tell(result.folder).tower.width == 320


def test_nothing_to_train_on_is_said(config: CaptionerTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no caption to train on"):
        train_captioner(replace(config, out=tmp_path, captions=None, recipes=None))
    write_captions(tmp_path, photos=4, held=4)
    with pytest.raises(DataError, match="split is 'train'"):
        train_captioner(replace(config, out=tmp_path / "run", captions=tmp_path))
