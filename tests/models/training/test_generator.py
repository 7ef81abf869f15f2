import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from models.data import DataError
from models.generation.flow import FlowSampling
from models.generation.generator_weights import GENERATOR_FILE, TRAINING_FILE, load_generator_weights
from models.generation.types import GeneratorUnavailableError
from models.generation.weights import (
    AUTOENCODER_FILE,
    MANIFEST_FILE,
    load_autoencoder_weights,
    save_autoencoder,
    unpack,
)
from models.training import generator
from models.training.generator import DivergenceError, GeneratorTrainingConfig, train_generator
from models.training.generator_config import FlowOptions, GanOptions
from models.training.joint import TrainingProgress
from models.training.run_folder import RunFolderError
from tests.models.generation.world import DIM, ColourEncoder
from tests.models.training.generator_world import metric_lines, same_weights, write_autoencoder

pytestmark = pytest.mark.weights


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "load_encoder", lambda *_, **__: ColourEncoder())


@pytest.fixture(scope="module")
def flow(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> GeneratorTrainingConfig:
    folder = tmp_path_factory.mktemp("generator")
    write_autoencoder(folder / "autoencoder")
    return GeneratorTrainingConfig(
        data=collection,
        out=folder / "flow",
        autoencoder=folder / "autoencoder",
        cache=folder / "pictures",
        flow=FlowOptions((16, 32), (1, 1), (False, True), sampling=FlowSampling(steps=3)),
        gan=GanOptions(widths=(16, 8), noise=8, critic=8, parts=0.5),
        epochs=3,
        steps=4,
        batch_size=8,
        views=3,
        prompts=("tomato soup", "lemon cake"),
        sheet_seeds=3,
        val_steps=2,
        least_spread=0.0,
    )


@pytest.fixture(params=["flow", "gan"])
def config(request: pytest.FixtureRequest, flow: GeneratorTrainingConfig) -> GeneratorTrainingConfig:
    """Of either backend; its run is there afterwards."""
    chosen = replace(flow, backend=request.param, out=flow.out.parent / request.param)
    if not (chosen.out / "state.pt").exists():
        train_generator(chosen)
    return chosen


def test_it_leaves_a_generator_with_metrics_and_sheets(config: GeneratorTrainingConfig) -> None:
    lines = metric_lines(config.out)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    measured = {"frechet_lite0", "spread", "encoder_rank1", "spread_of_prompt", "samples_per_second"}
    losses = (
        {"loss"}
        if config.backend == "flow"
        else {"real", "drawn", "mismatched", "generator", "real_matching", "drawn_matching", "sameness"}
    )
    assert measured | losses <= {name for line in lines for name in line}
    for epoch in (1, 2, 3):
        with Image.open(config.out / f"sheet-{epoch:04d}.png") as sheet:
            assert sheet.size == (3 * 32, 2 * 32)
    weights = load_generator_weights(config.out)
    assert weights.manifest.backend == config.backend
    assert weights.manifest.encoder == "c" * 64
    assert weights.manifest.training["samples"] == 3 * 4 * 8
    assert weights.means.shape == (3, DIM)
    assert str(config.out.parent) not in (config.out / MANIFEST_FILE).read_text()


@pytest.mark.fault
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(config: GeneratorTrainingConfig, tmp_path: Path) -> None:
    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "epochs" and progress.done == 2:
            raise KeyboardInterrupt

    broken = replace(config, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train_generator(broken, interrupt)
    with pytest.raises(RunFolderError, match="holds a run already"):
        train_generator(broken)
    result = train_generator(replace(broken, resume=True))
    assert same_weights(config.out, broken.out)
    timeless = [
        [{k: v for k, v in line.items() if "second" not in k} for line in metric_lines(f)]
        for f in (config.out, broken.out)
    ]
    assert timeless[0] == timeless[1]
    assert result.metrics["spread"] == pytest.approx(metric_lines(config.out)[-1]["spread"], abs=1e-4)


def test_a_run_starts_from_what_an_earlier_one_exported(config: GeneratorTrainingConfig, tmp_path: Path) -> None:
    later = replace(config, out=tmp_path / "later", init=config.out, autoencoder=None, epochs=1, learning_rate=1e-12)
    train_generator(replace(later, flow=FlowOptions(sampling=config.flow.sampling), gan=GanOptions()))
    before, after = (load_file(str(folder / GENERATOR_FILE)) for folder in (config.out, later.out))
    assert before.keys() == after.keys()
    trained = load_file(str(config.out / TRAINING_FILE))
    kept = load_file(str(later.out / TRAINING_FILE))
    learned = [name for name in trained if "parametrizations" not in name or name.endswith("original")]
    assert all(np.allclose(trained[name], kept[name], atol=2e-3) for name in learned)
    assert load_generator_weights(later.out).manifest.training["samples"] == 4 * 4 * 8


def _write_other_decoder(config: GeneratorTrainingConfig, folder: Path) -> None:
    assert config.autoencoder is not None
    weights = load_autoencoder_weights(config.autoencoder)
    tensors = unpack(weights.data, config.autoencoder)
    other = {name: 2 * tensor if name.startswith("decoder.") else tensor for name, tensor in tensors.items()}
    save_autoencoder(folder, other, weights.manifest)


def test_it_goes_on_only_with_what_belongs_together(
    config: GeneratorTrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = replace(config, out=tmp_path / "later", init=config.out, epochs=1)
    other: Any = {"flow": "gan", "gan": "flow"}[config.backend]
    with pytest.raises(GeneratorUnavailableError, match=f"use --backend {config.backend}"):
        train_generator(replace(later, backend=other))
    write_autoencoder(tmp_path / "other", seed=1)
    with pytest.raises(GeneratorUnavailableError, match="another autoencoder"):
        train_generator(replace(later, autoencoder=tmp_path / "other"))
    _write_other_decoder(config, tmp_path / "decoder")
    train_generator(replace(later, autoencoder=tmp_path / "decoder", out=tmp_path / "decoded"))
    kept, new = (load_generator_weights(folder).autoencoder for folder in (tmp_path / "decoded", config.out))
    assert kept == (tmp_path / "decoder" / AUTOENCODER_FILE).read_bytes() != new
    monkeypatch.setattr(generator, "load_encoder", lambda *_, **__: ColourEncoder("d" * 64))
    with pytest.raises(GeneratorUnavailableError, match="vectors of the encoder cccccccccccc"):
        train_generator(later)
    (tmp_path / "copy").mkdir()
    for path in config.out.glob("*.*"):
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "copy" / TRAINING_FILE).unlink()
    monkeypatch.setattr(generator, "load_encoder", lambda *_, **__: ColourEncoder())
    with pytest.raises(GeneratorUnavailableError, match=r"training\.safetensors is missing"):
        train_generator(replace(later, init=tmp_path / "copy"))


def test_it_stops_where_it_leads_nowhere(config: GeneratorTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match="lower --learning-rate"):
        train_generator(replace(config, out=tmp_path / "rate", learning_rate=1e30))
    with pytest.raises(DivergenceError, match="collapsed: for 2 epochs"):
        train_generator(replace(config, out=tmp_path / "spread", least_spread=1e9, patience=2))
    assert len(metric_lines(tmp_path / "spread")) == 2


def test_it_needs_an_autoencoder_and_photos(flow: GeneratorTrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(GeneratorUnavailableError, match="name its folder with --autoencoder"):
        train_generator(replace(flow, out=tmp_path / "a", autoencoder=None))
    (tmp_path / "recipes.jsonl").write_text(json.dumps({"id": "1", "title": "soup", "split": "train"}))
    with pytest.raises(DataError, match="no photo whose split is 'train'"):
        train_generator(replace(flow, out=tmp_path / "b", data=tmp_path))
