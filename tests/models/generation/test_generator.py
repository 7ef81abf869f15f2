"""Generators on disk, loaded and drawing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.generation.autoencoder import AutoencoderConfig, PictureAutoencoder
from models.generation.flow import FlowConfig, FlowSampling
from models.generation.gan import GanConfig
from models.generation.generator_weights import (
    GENERATOR_FILE,
    TRAINING_FILE,
    Backend,
    GeneratorManifest,
    build_network,
    load_training_weights,
    save_generator_weights,
)
from models.generation.loading import load_generator
from models.generation.types import Generator, GeneratorUnavailableError, PictureRequest, PictureRequestError
from models.generation.weights import (
    AUTOENCODER_FILE,
    MANIFEST_FILE,
    AutoencoderManifest,
    load_autoencoder,
    load_autoencoder_weights,
    save_autoencoder,
)
from models.types import Float32Array

DIM, ENCODER = 6, "e" * 64
SHAPE = AutoencoderConfig(size=32, channels=4, encoder=8, decoder=(8, 8, 4), blocks=(1, 0, 0))
NETWORKS: dict[Backend, FlowConfig | GanConfig] = {
    "flow": FlowConfig(channels=4, grid=4, condition=DIM, widths=(16, 16), blocks=(1, 1), attention=(False, True)),
    "gan": GanConfig(channels=4, grid=4, condition=DIM, noise=5, embedding=8, widths=(16,), critic=8),
}


def write_generator(folder: Path, backend: Backend) -> None:
    """An untrained one, all of whose weights are random."""
    torch.manual_seed(0)
    coder, network = PictureAutoencoder(SHAPE), build_network(NETWORKS[backend])
    for parameter in [*coder.parameters(), *network.parameters()]:
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    save_autoencoder(folder / "coder", coder.state_dict(), AutoencoderManifest(model="a", config=SHAPE, licence="none"))
    manifest = GeneratorManifest(
        model="tastespace-pictures", backend=backend, network=NETWORKS[backend], autoencoder=SHAPE, encoder=ENCODER,
        encoder_name="colours", licence="none", sampling=FlowSampling(steps=3), training={"data": "none"},
    )  # fmt: skip
    means, weights = torch.randn(3, DIM), load_autoencoder_weights(folder / "coder")
    save_generator_weights(folder, network.state_dict(), means, weights, {"x": torch.ones(2)}, manifest)


@pytest.fixture(params=["flow", "gan"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_generator(tmp_path, request.param)
    return tmp_path


@pytest.fixture
def generator(folder: Path) -> Generator:
    return load_generator(f"latent:{folder}", encoder=ENCODER)


def _vector(seed: int) -> Float32Array:
    row = np.random.default_rng(seed).standard_normal(DIM, dtype=np.float32)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


def _ask(number: int, **values: Any) -> PictureRequest:
    plain: dict[str, Any] = {"vector": _vector(number), "seed": number, "size": 32}
    return PictureRequest(**plain | values)


def _apart(left: Any, right: Any) -> float:
    return float(np.abs(left.pixels.astype(int) - right.pixels.astype(int)).max())


def test_the_autoencoder_of_a_generator_can_be_gone_on_with(folder: Path) -> None:
    alone, within = load_autoencoder_weights(folder / "coder"), load_autoencoder_weights(folder)
    assert within.manifest.config == SHAPE
    assert within.data == alone.data


def test_a_picture_depends_on_its_request_alone(generator: Generator) -> None:
    requests = [_ask(i, modality=("text", "recipe", "photo")[i % 3]) for i in range(5)]
    drawn = generator.draw(requests)
    assert [each.seed for each in drawn] == list(range(5))
    assert all(each.pixels.shape == (32, 32, 3) and each.pixels.dtype == np.uint8 for each in drawn)
    for request, together in zip(requests, drawn, strict=True):
        assert _apart(generator.draw([request])[0], together) <= 1
    assert _apart(drawn[0], drawn[1]) > 1


def test_seed_vector_kind_and_truncation_matter(generator: Generator) -> None:
    (plain,) = generator.draw([_ask(1)])
    for other in (_ask(1, seed=2), _ask(1, vector=_vector(3)), _ask(1, modality="photo"), _ask(1, truncation=0.2)):
        assert _apart(plain, generator.draw([other])[0]) > 0
    assert _apart(plain, generator.draw([_ask(1)])[0]) == 0


def test_negatives_are_for_flows(generator: Generator) -> None:
    request = _ask(1, negative_vector=_vector(7), negative_text="rice")
    if generator.info.negative:
        plain, other = generator.draw([_ask(1), request])
        assert _apart(plain, other) > 0
    else:
        with pytest.raises(PictureRequestError, match="can't be told what not to draw"):
            generator.draw([request])


def test_what_it_says_of_itself(generator: Generator, folder: Path) -> None:
    info = generator.info
    assert (info.encoder, info.dim, info.sizes, info.conditions) == (ENCODER, DIM, (32,), "vector")
    assert info.name == f"latent:{folder}"
    assert info.parameters > 0
    again = load_generator(f"latent:{folder}").info
    assert again.fingerprint == info.fingerprint
    _edit(folder, sampling={"steps": 4, "guidance": 2.5, "solver": "euler"})
    assert load_generator(f"latent:{folder}").info.fingerprint != info.fingerprint
    with pytest.raises(PictureRequestError, match="size 64"):
        generator.draw([_ask(1, size=64)])
    with pytest.raises(ValueError, match="no request"):
        generator.draw([])


def test_drawing_needs_nothing_of_the_training(folder: Path) -> None:
    assert torch.equal(load_training_weights(folder)["x"], torch.ones(2))
    before = load_generator(f"latent:{folder}").info.fingerprint
    (folder / TRAINING_FILE).unlink()
    assert load_generator(f"latent:{folder}").info.fingerprint == before
    with pytest.raises(GeneratorUnavailableError, match="is missing"):
        load_training_weights(folder)


def _edit(folder: Path, **values: Any) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.fault
@pytest.mark.parametrize("name", [GENERATOR_FILE, AUTOENCODER_FILE, MANIFEST_FILE])
def test_missing_and_changed_files_are_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-3] + b"xyz")
    with pytest.raises(GeneratorUnavailableError, match=r"the file changed|is not a manifest"):
        load_generator(f"latent:{folder}")
    (folder / name).unlink()
    with pytest.raises(GeneratorUnavailableError, match=r"is missing; .*tastespace train generator"):
        load_generator(f"latent:{folder}")


@pytest.mark.fault
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 9}, "has format 9, this version reads 1"),
        ({"backend": "magic"}, "no backend is called 'magic'"),
        ({"files": []}, "it names no files"),
        ({"network": {"colour": 1}}, "is not a manifest of a generator"),
        ({"sampling": {"steps": 0}}, "is not a manifest of a generator"),
        ({"autoencoder": {"size": 64, "channels": 4}}, "don't fit their own configuration"),
    ],
)
def test_manifests_that_make_no_sense_are_refused(folder: Path, values: dict[str, Any], message: str) -> None:
    _edit(folder, **values)
    with pytest.raises(GeneratorUnavailableError, match=message):
        load_generator(f"latent:{folder}")


def test_another_encoders_vectors_are_refused(folder: Path) -> None:
    with pytest.raises(GeneratorUnavailableError, match="vectors of the encoder eeeeeeeeeeee"):
        load_generator(f"latent:{folder}", encoder="d" * 64)


def test_unknown_names_and_devices_are_refused(folder: Path) -> None:
    for spec in ("magic", "latent:", "diffusers:"):
        with pytest.raises(GeneratorUnavailableError, match=f"no generator is called '{spec}'"):
            load_generator(spec)
    with pytest.raises(GeneratorUnavailableError, match="device"):
        load_generator(f"latent:{folder}", "cuda:99")


def test_an_autoencoder_is_checked_as_well(folder: Path) -> None:
    assert load_autoencoder(folder / "coder").config == SHAPE
    with pytest.raises(GeneratorUnavailableError, match="tastespace train autoencoder"):
        load_autoencoder(folder / "nowhere")
    _edit(folder / "coder", config={"size": 31})
    with pytest.raises(GeneratorUnavailableError, match="is not a manifest of an autoencoder"):
        load_autoencoder(folder / "coder")
