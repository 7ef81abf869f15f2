"""A trained generator on disk: the averaged network, the autoencoder in whose latents it draws, a manifest, and, in a
file of its own that drawing doesn't need, what a further training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor

from models.generation.autoencoder import AutoencoderConfig
from models.generation.flow import FlowConfig, FlowSampling, LatentFlow
from models.generation.gan import GanConfig, LatentGenerator
from models.generation.types import GeneratorUnavailableError
from models.generation.weights import (
    AUTOENCODER_FILE,
    FORMAT,
    MANIFEST_FILE,
    AutoencoderWeights,
    pack,
    read_checked,
    read_record,
    unpack,
    write_weights,
)

Backend: TypeAlias = Literal["gan", "flow"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
Network: TypeAlias = LatentFlow | LatentGenerator
NetworkConfig: TypeAlias = FlowConfig | GanConfig
GENERATOR_FILE = "generator.safetensors"
TRAINING_FILE = "training.safetensors"
#: The generator that ships with the code.
SHIPPED_PICTURES = Path(__file__).parent.parent / "weights" / "tastespace-pictures"
REMEDY = "make one with `tastespace train generator`"
_NETWORK, _MEANS = "network.", "centring.means"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorManifest:
    """What ``manifest.json`` holds.

    ``encoder`` is the fingerprint of the joint encoder whose vectors the generator is told, ``encoder_name`` its name
    in the training. ``sampling`` is how a flow is followed where the caller doesn't say otherwise. ``files`` are the
    sha256 of the files beside the manifest.
    """

    model: str
    backend: Backend
    network: NetworkConfig
    autoencoder: AutoencoderConfig
    encoder: str
    encoder_name: str
    licence: str
    sampling: FlowSampling = field(default_factory=FlowSampling)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class GeneratorWeights:
    """What :func:`load_generator_weights` reads: tensors of the averaged network, the means of the kinds of vectors,
    and the autoencoder's bytes."""

    manifest: GeneratorManifest
    network: Mapping[str, Tensor]
    means: Tensor
    autoencoder: bytes


def build_network(config: NetworkConfig) -> Network:
    """The untrained network of this shape."""
    return LatentFlow(config) if isinstance(config, FlowConfig) else LatentGenerator(config)


def save_generator_weights(
    folder: Path,
    network: Mapping[str, Tensor],
    means: Tensor,
    autoencoder: AutoencoderWeights,
    training: Mapping[str, Tensor],
    manifest: GeneratorManifest,
) -> None:
    """Write the three files (as float16) and the manifest; digests are filled in. What was there is replaced."""
    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in network.items()} | {_MEANS: means}
    contents = {GENERATOR_FILE: pack(tensors), AUTOENCODER_FILE: autoencoder.data, TRAINING_FILE: pack(training)}
    write_weights(folder, contents, asdict(manifest))


def load_generator_weights(folder: Path) -> GeneratorWeights:
    """Manifest and float32 tensors of a folder, checked.

    Raises:
        GeneratorUnavailableError: a file is missing, changed or of another format.
    """
    manifest = _read_manifest(folder)
    record = asdict(manifest)
    data, autoencoder = (read_checked(folder, name, record, REMEDY) for name in (GENERATOR_FILE, AUTOENCODER_FILE))
    tensors = unpack(data, folder / GENERATOR_FILE)
    if _MEANS not in tensors:
        raise GeneratorUnavailableError(f"{folder / GENERATOR_FILE} has no means of the encoder's vectors; {REMEDY}")
    means = tensors.pop(_MEANS)
    network = {name.removeprefix(_NETWORK): tensor for name, tensor in tensors.items()}
    return GeneratorWeights(manifest, network, means, autoencoder)


def load_training_weights(folder: Path) -> dict[str, Tensor]:
    """What a further training starts from beside the averaged network.

    Raises:
        GeneratorUnavailableError: the file is missing or changed.
    """
    data = read_checked(folder, TRAINING_FILE, asdict(_read_manifest(folder)), REMEDY)
    return unpack(data, folder / TRAINING_FILE)


def _read_manifest(folder: Path) -> GeneratorManifest:
    record = read_record(folder, "generator", REMEDY)
    try:
        if record["backend"] not in BACKENDS:
            raise ValueError(f"no backend is called {record['backend']!r}")
        network: NetworkConfig = (
            FlowConfig(**record["network"]) if record["backend"] == "flow" else GanConfig(**record["network"])
        )
        parts = {
            "network": network,
            "autoencoder": AutoencoderConfig(**record["autoencoder"]),
            "sampling": FlowSampling(**record["sampling"]),
        }
        known = {entry.name for entry in fields(GeneratorManifest)}
        return GeneratorManifest(**{name: value for name, value in record.items() if name in known} | parts)
    except (ValueError, TypeError, KeyError) as error:
        raise GeneratorUnavailableError(
            f"{folder / MANIFEST_FILE} is not a manifest of a generator: {error}"
        ) from error
