import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor

from models.generation.autoencoder import PictureAutoencoder, from_pixels
from models.generation.conditions import ConditionCentring
from models.generation.flow import FlowConfig, FlowSampling, LatentFlow
from models.generation.generator_weights import GENERATOR_FILE, TRAINING_FILE
from models.generation.types import GeneratorUnavailableError
from models.training import generator
from models.training.generator import GeneratorTrainingConfig, train_generator
from models.training.generator_alignment import (
    AlignmentHead,
    alignment_loss,
    alignment_targets,
    check_alignable,
    standardise,
)
from models.training.generator_config import ConditionMix, FlowOptions
from models.training.generator_data import GeneratorBatch, TrainingPictures, picture_latents
from models.training.generator_flow import flow_losses
from models.training.generator_views import Float16Array, view_arrays
from models.training.joint import TrainingProgress
from models.training.perceptual import PerceptualNetwork, SemanticNetwork
from models.training.picture_data import PictureTable
from models.types import UInt8Array
from tests.models.generation.world import ColourEncoder
from tests.models.training.conftest import DISHES
from tests.models.training.generator_world import SHAPE, metric_lines, same_weights, write_autoencoder
from tests.pictures import plate

FLOW = FlowConfig(4, 8, 6, widths=(16, 16, 32), blocks=(1, 1, 1), attention=(False, False, True))
CPU = torch.device("cpu")


@pytest.fixture
def network() -> LatentFlow:
    torch.manual_seed(0)
    network = LatentFlow(FLOW)
    with torch.no_grad():
        for parameter in network.parameters():  # what begins as 0 passes no gradient on
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.fixture
def batch() -> GeneratorBatch:
    torch.manual_seed(1)
    return GeneratorBatch(torch.randn(5, 4, 8, 8), torch.randn(5, 6), torch.randn(5, 7, 2, 2))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PictureTable:
    """Half a plate at the left of each, so that left and right differ."""
    folder = tmp_path_factory.mktemp("table")
    photos = [folder / f"{i}.png" for i in range(4)]
    for colour, path in zip(DISHES, photos, strict=True):
        plate(colour, size=(192, 144)).crop((80, 0, 272, 144)).save(path)
    return PictureTable(folder, photos, 128)


def test_the_loss_is_one_less_the_mean_cosine() -> None:
    torch.manual_seed(0)
    found, targets = torch.randn(3, 7, 2, 4), torch.randn(3, 7, 2, 4)
    cosines = []
    for n, row, column in itertools.product(range(3), range(2), range(4)):
        a, b = found[n, :, row, column].numpy(), targets[n, :, row, column].numpy()
        cosines.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    assert alignment_loss(found, targets).item() == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert alignment_loss(3 * targets, targets).item() == pytest.approx(0, abs=1e-6)
    assert alignment_loss(-targets, targets).item() == pytest.approx(2, abs=1e-6)


def test_a_head_looks_at_each_place_by_itself() -> None:
    torch.manual_seed(0)
    head, features = AlignmentHead(6, 5), torch.randn(2, 6, 3, 4)
    found = head(features)
    assert found.shape == (2, 5, 3, 4)
    for n, row, column in itertools.product(range(2), range(3), range(4)):
        assert torch.allclose(found[n, :, row, column], head.layers(features[n, :, row, column]), atol=1e-6)


def test_alignment_teaches_the_network_up_to_the_features_and_no_further(
    network: LatentFlow, batch: GeneratorBatch
) -> None:
    flow_losses(network, batch, 0.5, AlignmentHead(32, 7))["align"].backward()  # type: ignore[no-untyped-call]
    above = ("up.", "grow.", "norm.", "out.")
    for name, parameter in network.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert reached != name.startswith(above), name


def test_alignment_leaves_the_other_loss_as_it_is(network: LatentFlow, batch: GeneratorBatch) -> None:
    torch.manual_seed(2)
    plain = flow_losses(network, batch, 0.5)
    torch.manual_seed(2)
    aligned = flow_losses(network, batch, 0.5, AlignmentHead(32, 7).requires_grad_(False))
    assert plain.keys() == {"loss"}
    torch.manual_seed(2)
    head = AlignmentHead(32, 7)
    torch.manual_seed(2)
    assert torch.equal(flow_losses(network, batch, 0.5, head)["loss"], plain["loss"])
    assert 0 < aligned["align"].item() < 2
    with pytest.raises(ValueError, match="needs batches with targets"):
        flow_losses(network, replace(batch, targets=None), 0.5, head)


def test_targets_are_standardised_over_everything_and_of_length_one() -> None:
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((2, 5, 6, 2, 2)) * [[[1]], [[9]], [[2]], [[1]], [[1]], [[0]]] + 4).astype(
        np.float16
    )
    channels = features.astype(np.float64).swapaxes(0, 2).reshape(6, -1)
    naive = (features - channels.mean(1)[:, None, None]) / np.maximum(channels.std(1), 1e-6)[:, None, None]
    naive = naive / np.linalg.norm(naive, axis=2, keepdims=True)
    standardise(features)
    assert np.abs(features - naive).max() < 1e-3
    assert np.allclose(np.linalg.norm(features.astype(np.float32), axis=2), 1, atol=1e-3)
    constant = np.full((1, 2, 3, 1, 1), 7, dtype=np.float16)
    standardise(constant)
    assert (constant == 0).all()


@pytest.mark.weights
def test_the_features_are_those_of_the_last_block() -> None:
    torch.manual_seed(0)
    semantic, pictures = SemanticNetwork(), torch.rand(2, 3, 128, 128) * 2 - 1
    found = semantic(pictures)
    assert found.shape == (2, SemanticNetwork.CHANNELS, 128 // SemanticNetwork.STRIDE, 4)
    assert not any(parameter.requires_grad for parameter in semantic.parameters())
    maps = list(semantic.maps(pictures))
    assert torch.equal(found, maps[6])
    compared = PerceptualNetwork().features(pictures)
    assert all(torch.equal(a, maps[stage]) for a, stage in zip(compared, (1, 2, 4), strict=True))


def _pixels(pixels: UInt8Array) -> Float16Array:
    return pixels.astype(np.float16)


@pytest.mark.weights
def test_latents_and_targets_are_of_the_same_views(table: PictureTable, tmp_path: Path) -> None:
    seen = view_arrays(tmp_path / "seen.npy", table, 3, (128, 128, 3), _pixels, lambda *_: None)
    assert (seen[1] == seen[0][:, :, ::-1]).all()
    assert not (seen[2] == seen[0]).all()
    coder = PictureAutoencoder(replace(SHAPE, size=128)).eval().requires_grad_(False)
    latents = picture_latents(tmp_path, table, coder, "d", 3)
    targets = alignment_targets(tmp_path, table, 3, CPU)
    pictures = [from_pixels(torch.from_numpy(view.astype(np.uint8))) for view in seen]
    assert all(np.allclose(latents[view], coder.encode(each).numpy(), atol=1e-2) for view, each in enumerate(pictures))
    semantic = SemanticNetwork()
    naive = np.stack([semantic(each).numpy() for each in pictures]).astype(np.float16)
    standardise(naive)
    assert targets.dtype == np.float16
    assert np.allclose(targets, naive, atol=5e-3)


@pytest.mark.weights
def test_a_mirrored_view_has_mirrored_targets(table: PictureTable, tmp_path: Path) -> None:
    """Not quite: the classifier's strided convolutions begin at the left."""
    plain, mirrored = (torch.from_numpy(np.array(view)) for view in alignment_targets(tmp_path, table, 2, CPU))
    assert plain.shape == (4, 320, 4, 4)
    as_it_is, turned = alignment_loss(mirrored, plain), alignment_loss(mirrored.flip(3), plain)
    print(turned, as_it_is)
    assert turned < 0.5 * as_it_is


@pytest.mark.weights
def test_targets_are_made_once_and_known_by_their_content(table: PictureTable, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    first = alignment_targets(tmp_path, table, 2, CPU, lambda *step: steps.append(step))
    assert steps == [("features to align with", 4, 8), ("features to align with", 8, 8)]
    again = alignment_targets(tmp_path, table, 2, CPU, lambda *step: steps.append(step))
    assert len(steps) == 2
    assert (first == again).all()
    assert isinstance(again, np.memmap)
    alignment_targets(tmp_path, table, 1, CPU)
    assert len(list(tmp_path.glob("alignment-*.npy"))) == len(list(tmp_path.iterdir())) == 2


def test_a_batch_has_the_targets_of_its_latents() -> None:
    numbers = np.arange(3 * 5, dtype=np.float16).reshape(3, 5, 1, 1, 1)
    vectors = np.ones((3, 5, 4), dtype=np.float32)
    pictures = TrainingPictures(numbers, vectors, np.tile(-numbers, (1, 1, 2, 1, 1)))
    rows = np.array([4, 0, 2, 1])

    def taken(source: TrainingPictures) -> GeneratorBatch:
        return source.batch(rows, np.random.default_rng(0), ConditionCentring(4), ConditionMix(), CPU)

    batch, plain = taken(pictures), taken(TrainingPictures(numbers, vectors))
    assert batch.targets is not None
    assert torch.equal(batch.targets, -batch.latents.expand(-1, 2, -1, -1))
    assert (batch.latents.flatten().numpy() % 5 == rows).all()
    assert plain.targets is None
    assert torch.equal(plain.latents, batch.latents)
    assert torch.equal(plain.condition, batch.condition)
    with pytest.raises(ValueError, match="targets of"):
        TrainingPictures(numbers, vectors, numbers[:2])


def test_alignment_that_cannot_be_is_refused() -> None:
    check_alignable(FlowConfig())
    with pytest.raises(GeneratorUnavailableError, match=r"2 widths can't be aligned: .* 16 pixels wide.* learn 32"):
        check_alignable(FlowConfig(widths=(16, 16), blocks=(1, 1), attention=(False, False)))
    with pytest.raises(ValueError, match="must not be negative"):
        FlowOptions(align=-0.1)
    with pytest.raises(ValueError, match="leave align at 0 for a gan"):
        GeneratorTrainingConfig(Path("data"), Path("out"), backend="gan", flow=FlowOptions(align=0.5))


def test_runs_without_alignment_have_the_settings_that_they_always_had() -> None:
    plain = GeneratorTrainingConfig(Path("data"), Path("out"))
    assert "align" not in plain.settings()["flow"]
    assert replace(plain, flow=FlowOptions(align=0.5)).settings()["flow"]["align"] == 0.5


@pytest.fixture(scope="module")
def aligned(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> GeneratorTrainingConfig:
    folder = tmp_path_factory.mktemp("aligned")
    write_autoencoder(folder / "autoencoder")
    sampling = FlowSampling(steps=1)
    return GeneratorTrainingConfig(
        data=collection,
        out=folder / "aligned",
        autoencoder=folder / "autoencoder",
        cache=folder / "pictures",
        flow=FlowOptions((16, 16, 32), (1, 1, 1), (False, False, True), sampling=sampling, align=0.5),
        epochs=2,
        steps=3,
        batch_size=8,
        views=3,
        prompts=("tomato soup",),
        sheet_seeds=2,
        val_pictures=4,
        least_spread=0.0,
    )


@pytest.fixture
def trained(aligned: GeneratorTrainingConfig, monkeypatch: pytest.MonkeyPatch) -> GeneratorTrainingConfig:
    """Its run is there afterwards."""
    monkeypatch.setattr(generator, "load_encoder", lambda *_, **__: ColourEncoder())
    if not (aligned.out / "state.pt").exists():
        train_generator(aligned)
    return aligned


def _head(folder: Path) -> dict[str, Tensor]:
    tensors = load_file(str(folder / TRAINING_FILE))
    return {name: torch.from_numpy(tensor) for name, tensor in tensors.items() if name.startswith("head.")}


@pytest.mark.weights
def test_a_run_tells_its_alignment_and_keeps_the_head_from_what_draws(trained: GeneratorTrainingConfig) -> None:
    assert all(0 < line["align"] < 2 for line in metric_lines(trained.out))
    assert len(_head(trained.out)) == 4
    assert not any("head" in name for name in load_file(str(trained.out / GENERATOR_FILE)))


@pytest.mark.fault
@pytest.mark.weights
def test_an_interrupted_aligned_run_goes_on_as_if_nothing_had_been(
    trained: GeneratorTrainingConfig, tmp_path: Path
) -> None:
    def interrupt(progress: TrainingProgress) -> None:
        if progress.stage == "epochs":
            raise KeyboardInterrupt

    broken = replace(trained, out=tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train_generator(broken, interrupt)
    train_generator(replace(broken, resume=True))
    assert same_weights(trained.out, broken.out)
    assert [line["align"] for line in metric_lines(broken.out)] == [line["align"] for line in metric_lines(trained.out)]


@pytest.mark.weights
def test_alignment_may_begin_go_on_and_end_with_an_earlier_generator(
    trained: GeneratorTrainingConfig, tmp_path: Path
) -> None:
    still = replace(trained, epochs=1, learning_rate=1e-12, autoencoder=None, init=trained.out)
    train_generator(replace(still, out=tmp_path / "on"))
    before, after = _head(trained.out), _head(tmp_path / "on")
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)
    without = replace(still, flow=replace(trained.flow, align=0.0), cache=tmp_path / "cache")
    train_generator(replace(without, out=tmp_path / "end"))
    assert not _head(tmp_path / "end")
    assert not list((tmp_path / "cache").glob("alignment-*"))
    assert "align" not in metric_lines(tmp_path / "end")[0]
    train_generator(replace(still, out=tmp_path / "begin", init=tmp_path / "end"))
    assert _head(tmp_path / "begin").keys() == before.keys()
    flat = FlowOptions((16, 32), (1, 1), (False, True), sampling=trained.flow.sampling)
    train_generator(replace(trained, epochs=1, steps=1, out=tmp_path / "flat", flow=flat))
    with pytest.raises(GeneratorUnavailableError, match="2 widths can't be aligned"):
        train_generator(replace(still, out=tmp_path / "refused", init=tmp_path / "flat"))
