"""Autoencoders on disk, and what all weights of this package have in common: float16 safetensors and a manifest that
names the sha256 of each file, checked when they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.files import write_file
from models.generation.autoencoder import AutoencoderConfig, PictureAutoencoder
from models.generation.types import GeneratorUnavailableError

FORMAT = 1
MANIFEST_FILE = "manifest.json"
AUTOENCODER_FILE = "autoencoder.safetensors"
_DECODER = "decoder."
_IN_A_GENERATOR = "autoencoder"
_AUTOENCODER_REMEDY = "make one with `tastespace train autoencoder`"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderManifest:
    """What ``manifest.json`` of an autoencoder holds. ``files`` are the sha256 of the files beside it."""

    model: str
    config: AutoencoderConfig
    licence: str
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class AutoencoderWeights:
    """An autoencoder as it lies on disk: ``data`` are the bytes of its safetensors."""

    manifest: AutoencoderManifest
    data: bytes

    def latents_digest(self) -> str:
        """Hex sha256 of what decides the latents: the encoder and their statistics. Where it is equal, one decoder
        can stand for the other.

        Raises:
            GeneratorUnavailableError: the bytes are no safetensors.
        """
        tensors = unpack(self.data, Path(AUTOENCODER_FILE))
        return hashlib.sha256(pack({n: t for n, t in tensors.items() if not n.startswith(_DECODER)})).hexdigest()


def save_autoencoder(folder: Path, tensors: Mapping[str, Tensor], manifest: AutoencoderManifest) -> None:
    """Write weights (as float16) and manifest into ``folder``; digests are filled in. What was there is replaced."""
    write_weights(folder, {AUTOENCODER_FILE: pack(tensors)}, asdict(manifest))


def load_autoencoder_weights(folder: Path) -> AutoencoderWeights:
    """The checked weights of a folder: an autoencoder's own, or that of the generator which draws in its latents.

    Raises:
        GeneratorUnavailableError: a file is missing, changed or of another format.
    """
    record = read_record(folder, "autoencoder", _AUTOENCODER_REMEDY)
    if _IN_A_GENERATOR in record:
        record["config"] = record[_IN_A_GENERATOR]
    try:
        known = {entry.name for entry in fields(AutoencoderManifest)}
        values = {name: value for name, value in record.items() if name in known}
        manifest = AutoencoderManifest(**values | {"config": AutoencoderConfig(**record["config"])})
    except (ValueError, TypeError, KeyError) as error:
        raise GeneratorUnavailableError(
            f"{folder / MANIFEST_FILE} is not a manifest of an autoencoder: {error}"
        ) from error
    data = read_checked(folder, AUTOENCODER_FILE, record, _AUTOENCODER_REMEDY)
    return AutoencoderWeights(manifest, data)


def build_autoencoder(config: AutoencoderConfig, data: bytes, where: Path) -> PictureAutoencoder:
    """The network with its weights, in evaluation mode and frozen.

    Raises:
        GeneratorUnavailableError: the weights don't fit the configuration.
    """
    network = PictureAutoencoder(config)
    fill(network, unpack(data, where / AUTOENCODER_FILE), where)
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def load_autoencoder(folder: Path) -> PictureAutoencoder:
    """The trained autoencoder of a folder, in evaluation mode and frozen.

    Raises:
        GeneratorUnavailableError: its files are missing, changed or don't fit each other.
    """
    weights = load_autoencoder_weights(folder)
    return build_autoencoder(weights.manifest.config, weights.data, folder)


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Float16 safetensors."""
    return save(
        {name: tensor.detach().to("cpu", torch.float16).contiguous().clone() for name, tensor in tensors.items()}
    )


def unpack(data: bytes, path: Path) -> dict[str, Tensor]:
    """Float32 tensors. Raises GeneratorUnavailableError where the bytes are no safetensors; ``path`` names them."""
    try:
        return {name: tensor.float() for name, tensor in load(data).items()}
    except (SafetensorError, ValueError) as error:
        raise GeneratorUnavailableError(f"{path} can't be read: {error}") from error


def fill(network: torch.nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Load all tensors of a network. Raises GeneratorUnavailableError where one is missing, unknown or of another
    shape."""
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise GeneratorUnavailableError(
            f"the weights in {where} don't fit their own configuration: {reason}"
        ) from error


def write_weights(folder: Path, contents: Mapping[str, bytes], record: Mapping[str, Any]) -> None:
    """Write files and then a manifest that holds their digests: whoever reads in between finds a mismatch, not a
    mixture."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text = json.dumps({**record, "files": digests}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    for name, content in {**contents, MANIFEST_FILE: text.encode()}.items():
        write_file(folder / name, content)


def read_record(folder: Path, what: str, remedy: str) -> dict[str, Any]:
    """The manifest of a folder as JSON, its format and its digests' place checked.

    Raises:
        GeneratorUnavailableError: it is missing, of another format, or no manifest.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise GeneratorUnavailableError(f"{folder} holds no {what}: {MANIFEST_FILE} is missing; {remedy}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GeneratorUnavailableError(f"{path} is not a manifest of a {what}: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        raise GeneratorUnavailableError(f"{path} is not a manifest of a {what}: it names no files")
    if record.get("format") != FORMAT:
        raise GeneratorUnavailableError(
            f"{path} has format {record.get('format')!r}, this version reads {FORMAT}; {remedy}"
        )
    return record


def read_checked(folder: Path, name: str, record: Mapping[str, Any], remedy: str) -> bytes:
    """A file's bytes, whose digest the manifest names.

    Raises:
        GeneratorUnavailableError: the file is missing or changed.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError:
        raise GeneratorUnavailableError(f"{path} is missing; {remedy}") from None
    found, expected = hashlib.sha256(data).hexdigest(), record["files"].get(name)
    if found != expected:
        raise GeneratorUnavailableError(f"{path} has sha256 {found}, its manifest says {expected}: the file changed")
    return data
