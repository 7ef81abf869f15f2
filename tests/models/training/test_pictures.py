import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from models.data import DataError
from models.generation.autoencoder import AutoencoderConfig, from_pixels
from models.generation.weights import AUTOENCODER_FILE, MANIFEST_FILE, load_autoencoder, load_autoencoder_weights
from models.training import pictures
from models.training.joint import TrainingProgress
from models.training.picture_data import PictureTable
from models.training.pictures import DivergenceError, train_autoencoder
from models.training.pictures_config import AutoencoderTrainingConfig
from models.training.run_folder import RunFolderError

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def config(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> AutoencoderTrainingConfig:
    folder = tmp_path_factory.mktemp("autoencoder")
    return AutoencoderTrainingConfig(
        data=collection,
        out=folder / "run",
        cache=folder / "pictures",
        model=AutoencoderConfig(size=32, channels=4, encoder=8, decoder=(8, 8, 4), blocks=(1, 0, 0)),
        epochs=3,
        batch_size=4,
        perceptual_size=32,
        learning_rate=3e-3,
        adversarial=0.3,
        adversarial_from=0.5,
        ema_decay=0.5,
    )


def _lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _same(left: Path, right: Path) -> bool:
    a, b = (load_file(str(folder / AUTOENCODER_FILE)) for folder in (left, right))
    return all(np.array_equal(a[name], b[name]) for name in a.keys() | b.keys())


@pytest.fixture(scope="module")
def trained(config: AutoencoderTrainingConfig) -> AutoencoderTrainingConfig:
    train_autoencoder(config)
    return config


def test_it_leaves_an_autoencoder_with_metrics_and_pictures(trained: AutoencoderTrainingConfig) -> None:
    lines = _lines(trained.out)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["val_psnr"] > lines[0]["val_psnr"]
    assert {"absolute", "perceptual", "pictures_per_second"} <= lines[0].keys()
    assert "critic" not in lines[0]
    assert "critic" in lines[-1]
    manifest = json.loads((trained.out / MANIFEST_FILE).read_text())
    assert manifest["training"]["photos"] == 16
    assert str(trained.out.parent) not in json.dumps(manifest)
    with Image.open(trained.out / "reconstructions.png") as sheet:
        assert sheet.size == (8 * 32, 2 * 32)


def test_its_latents_have_unit_variance_over_the_photos(
    trained: AutoencoderTrainingConfig, collection: Path, tmp_path: Path
) -> None:
    network = load_autoencoder(trained.out)
    table = PictureTable(tmp_path, [collection / f"{i}.png" for i in range(16)], 32)
    latents = network.encode(from_pixels(torch.from_numpy(table.middle_squares(range(16)))))
    assert latents.shape == (16, 4, 4, 4)
    assert latents.mean((0, 2, 3)).abs().max() < 0.02
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.02


@pytest.mark.fault
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(trained: AutoencoderTrainingConfig, tmp_path: Path) -> None:
    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "epochs" and progress.done == 2:
            raise KeyboardInterrupt

    broken = replace(trained, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(broken, interrupt)
    assert load_autoencoder(broken.out).config.size == 32
    with pytest.raises(RunFolderError, match="holds a run already"):
        train_autoencoder(broken)
    train_autoencoder(replace(broken, resume=True))
    assert _same(trained.out, broken.out)


def test_a_run_starts_from_an_earlier_one(trained: AutoencoderTrainingConfig, tmp_path: Path) -> None:
    later = replace(trained, out=tmp_path, init=trained.out, epochs=1, model=AutoencoderConfig(), learning_rate=1e-5)
    train_autoencoder(later)
    assert _lines(tmp_path)[0]["val_psnr"] == pytest.approx(_lines(trained.out)[-1]["val_psnr"], abs=1.0)


def test_a_decoder_alone_leaves_the_latents_as_they_are(trained: AutoencoderTrainingConfig, tmp_path: Path) -> None:
    later = replace(trained, out=tmp_path, init=trained.out, decoder_only=True, adversarial_from=0.0, halved=0.0)
    train_autoencoder(later)
    before, after = (load_file(str(folder / AUTOENCODER_FILE)) for folder in (trained.out, tmp_path))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("decoder.") for name in changed)
    old, new = load_autoencoder_weights(trained.out), load_autoencoder_weights(tmp_path)
    assert old.data != new.data
    assert old.latents_digest() == new.latents_digest()
    with pytest.raises(ValueError, match="decoder_only needs init"):
        replace(later, init=None)


def test_a_discriminator_that_hardly_counts_changes_next_to_nothing(
    config: AutoencoderTrainingConfig, tmp_path: Path
) -> None:
    """So that all other losses count beside it, those of the whole picture too."""
    plain = replace(config, out=tmp_path / "plain", adversarial=0.0, adversarial_from=0.0, halved=0.0, epochs=1)
    hardly = replace(plain, out=tmp_path / "hardly", adversarial=1e-9)
    for each in (plain, hardly):
        train_autoencoder(each)
    assert _lines(hardly.out)[0]["val_absolute"] == pytest.approx(_lines(plain.out)[0]["val_absolute"], rel=1e-3)
    one, other = (load_file(str(each.out / AUTOENCODER_FILE)) for each in (plain, hardly))
    assert all(np.abs(one[name].astype(float) - other[name].astype(float)).max() < 2e-3 for name in one)


def test_a_run_that_gets_far_worse_stops_and_keeps_what_it_had(
    trained: AutoencoderTrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([0.1, 0.14, 0.16])
    monkeypatch.setattr(pictures._Run, "_validate", lambda _: {"val_absolute": next(errors)})
    with pytest.raises(DivergenceError, match=r"rose from 0\.1 to 0\.16 in epoch 3; the weights of the epoch before"):
        train_autoencoder(replace(trained, out=tmp_path))
    assert [line["epoch"] for line in _lines(tmp_path)] == [1, 2]
    assert json.loads((tmp_path / MANIFEST_FILE).read_text())["training"]["epoch"] == 2


def test_without_photos_to_measure_it_trains_all_the_same(
    trained: AutoencoderTrainingConfig, collection: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in (collection / "recipes.jsonl").read_text().splitlines()[:4]]
    for name in ("0.png", "1.png", "2.png", "3.png"):
        (tmp_path / name).write_bytes((collection / name).read_bytes())
    (tmp_path / "recipes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    result = train_autoencoder(replace(trained, data=tmp_path, out=tmp_path / "run", epochs=1))
    assert result.metrics == {}
    (tmp_path / "recipes.jsonl").write_text("\n".join(json.dumps(line | {"image": None}) for line in lines))
    with pytest.raises(DataError, match="no photo whose split is 'train'"):
        train_autoencoder(replace(trained, data=tmp_path, out=tmp_path / "none"))
