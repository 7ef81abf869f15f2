"""A trained reasoner on disk: float16 safetensors, its vocabulary in a file of its own, and a manifest.

A tower that was tuned is kept with the network, so that a new encoder leaves the answers as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from models.captioning.vision import VisionConfig, check_tower, rounded_digest
from models.reasoning.calibration import Calibration
from models.reasoning.network import NetworkConfig
from models.reasoning.space import SpaceShape
from models.reasoning.types import ReasonerUnavailableError
from models.reasoning.vocabulary import ReasoningVocabulary
from models.weight_folder import WEIGHTS_FILE, WeightFolder, pack, part_of, record_fingerprint

VOCABULARY_FILE = "vocabulary.json"
REMEDY = "make one with `tastespace train reasoner`"
_NETWORK, _TOWER = "network.", "trunk."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonerManifest:
    """What ``manifest.json`` holds.

    ``tower`` is a digest of the tuned tensors of the vision tower, empty where it is the pretrained one. ``backbones``
    are the sha256 of what the tower stands on, ``files`` those of the files beside the manifest.
    """

    model: str
    vision: VisionConfig
    network: NetworkConfig
    calibration: Calibration
    licence: str
    tower: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReasonerWeights:
    """What :func:`load_reasoner_weights` reads; ``tower`` has the tuned tensors by their names in timm's network."""

    manifest: ReasonerManifest
    vocabulary: ReasoningVocabulary
    network: Mapping[str, Tensor]
    tower: Mapping[str, Tensor]


def save_reasoner_weights(
    folder: Path,
    network: Mapping[str, Tensor],
    tower: Mapping[str, Tensor],
    vocabulary: ReasoningVocabulary,
    manifest: ReasonerManifest,
) -> None:
    """Write weights, vocabulary and manifest into ``folder``; digests are filled in. What was there is replaced."""
    files = {
        WEIGHTS_FILE: pack({_NETWORK: network, _TOWER: tower}),
        VOCABULARY_FILE: vocabulary.to_text().encode(),
    }
    record = asdict(manifest) | {"tower": rounded_digest(tower)}
    reasoner_folder(folder).write(record, files, manifest.vision.backbones)


def load_reasoner_weights(folder: Path) -> ReasonerWeights:
    """Manifest, vocabulary and float32 tensors of a folder, checked against each other.

    Raises:
        ReasonerUnavailableError: a file is missing, changed or of another format, the weights were trained over
            another vision tower than the pinned one, or the parts don't fit each other.
    """
    files = reasoner_folder(folder)
    record = files.read_record()
    try:
        manifest = _manifest(record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReasonerUnavailableError(f"{folder} has no manifest of a reasoner: {error}; {REMEDY}") from error
    files.check_backbones(record, manifest.vision.backbones)
    text = files.read_file(VOCABULARY_FILE, record)
    tensors = files.read_tensors(record)
    try:
        vocabulary = ReasoningVocabulary.from_text(text.decode("utf-8"))
        _check_shape(vocabulary, manifest)
    except ValueError as error:
        raise ReasonerUnavailableError(f"the vocabulary in {folder} doesn't fit: {error}; {REMEDY}") from error
    tower = part_of(tensors, _TOWER)
    check_tower(files, tower, manifest.tower)
    return ReasonerWeights(manifest, vocabulary, part_of(tensors, _NETWORK), tower)


def reasoner_folder(folder: Path) -> WeightFolder:
    """The folder, with the words and the error of reasoners."""
    return WeightFolder(folder, "reasoner", REMEDY, ReasonerUnavailableError)


def reasoner_fingerprint(manifest: ReasonerManifest) -> str:
    """See :func:`models.weight_folder.manifest_fingerprint`; a network without a joint space has the one that it had
    before networks could know any."""
    record = asdict(manifest)
    if manifest.network.space is None:
        del record["network"]["space"]
    return record_fingerprint(record)


def _manifest(record: Mapping[str, Any]) -> ReasonerManifest:
    network, calibration = dict(record["network"]), dict(record["calibration"])
    network["grid"] = tuple(network["grid"])
    if network.get("space") is not None:
        network["space"] = SpaceShape(**network["space"])
    for name in ("temperatures", "thresholds"):
        calibration[name] = tuple(calibration[name])
    parts = {
        "vision": VisionConfig.from_record(record["vision"]),
        "network": NetworkConfig(**network),
        "calibration": Calibration(**calibration),
    }
    return ReasonerManifest(**{name: value for name, value in record.items() if name != "format"} | parts)


def _check_shape(vocabulary: ReasoningVocabulary, manifest: ReasonerManifest) -> None:
    network = manifest.network
    there = (vocabulary.size, len(vocabulary.answers), len(vocabulary.types), len(vocabulary.types))
    needed = (network.vocabulary, network.answers, network.types, len(manifest.calibration.temperatures))
    if there != needed:
        raise ValueError(f"words, answers, types and temperatures number {there}, the network needs {needed}")
    if network.grid != manifest.vision.grid:
        raise ValueError(f"the network reads maps of {network.grid}, the tower makes ones of {manifest.vision.grid}")
