"""A trained captioner on disk: float16 safetensors, the words in a file of their own, and a manifest.

All are checked when they are read: a decoder over another tower's maps would write captions that look fine and mean
nothing. A tower that was tuned is kept with the decoder, so that a new encoder leaves the captions as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.captioning.decoder import DecoderConfig
from models.captioning.search import SearchSettings
from models.captioning.style import StyleGate
from models.captioning.types import CaptionerUnavailableError, CaptionStyle
from models.captioning.vision import VisionConfig, check_tower, rounded_digest
from models.captioning.vocabulary import CaptionVocabulary
from models.weight_folder import MANIFEST_FILE, WEIGHTS_FILE, WeightFolder, pack, part_of

VOCABULARY_FILE = "vocabulary.txt"
REMEDY = "make one with `tastespace train captioner`"
_DECODER, _TOWER, _GATE = "decoder.", "trunk.", "gate."


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionerManifest:
    """What ``manifest.json`` holds.

    ``search`` are the settings that captions are searched with, where the caller doesn't say otherwise; a style may
    have a ``length_alpha`` of its own in ``length_alphas``. ``tower`` is a digest of the tuned tensors of the vision
    tower, empty where it is the pretrained one. ``backbones`` are the sha256 of what the tower stands on, ``files``
    those of the files beside the manifest.
    """

    model: str
    vision: VisionConfig
    decoder: DecoderConfig
    search: SearchSettings
    styles: tuple[CaptionStyle, ...]
    licence: str
    length_alphas: Mapping[CaptionStyle, float] = field(default_factory=dict)
    tower: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)
    format: int = 1


@dataclass(frozen=True, slots=True)
class CaptionerWeights:
    """What :func:`load_captioner_weights` reads; ``tower`` has the tuned tensors by their names in timm's network,
    ``gate`` is None where the folder has none."""

    manifest: CaptionerManifest
    vocabulary: CaptionVocabulary
    decoder: Mapping[str, Tensor]
    tower: Mapping[str, Tensor]
    gate: StyleGate | None


def save_captioner_weights(
    folder: Path,
    decoder: Mapping[str, Tensor],
    tower: Mapping[str, Tensor],
    vocabulary: CaptionVocabulary,
    manifest: CaptionerManifest,
    gate: StyleGate | None = None,
) -> None:
    """Write weights (as float16), words and manifest into ``folder``; digests are filled in. What was there is
    replaced."""
    chooses = {} if gate is None else {"weight": torch.from_numpy(gate.weight), "bias": torch.tensor(gate.bias)}
    tied = manifest.decoder.tied
    own = {name: tensor for name, tensor in decoder.items() if not (tied and name == "out.weight")}
    files = {
        WEIGHTS_FILE: pack({_DECODER: own, _TOWER: tower, _GATE: chooses}),
        VOCABULARY_FILE: vocabulary.to_text().encode(),
    }
    record = asdict(manifest) | {"tower": rounded_digest(tower)}
    captioner_folder(folder).write(record, files, manifest.vision.backbones)


def load_captioner_weights(folder: Path) -> CaptionerWeights:
    """Manifest, words and float32 tensors of a folder, checked against each other.

    Raises:
        CaptionerUnavailableError: a file is missing, changed or of another format, or the weights were trained over
            another vision tower than the pinned one.
    """
    files = captioner_folder(folder)
    record = files.read_record()
    try:
        manifest = _manifest(record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CaptionerUnavailableError(
            f"{folder / MANIFEST_FILE} is not a manifest of a captioner: {error}"
        ) from error
    files.check_backbones(record, manifest.vision.backbones)
    words = files.read_file(VOCABULARY_FILE, record)
    tensors = files.read_tensors(record)
    try:
        vocabulary = CaptionVocabulary.from_text(words.decode("utf-8"), manifest.styles)
    except ValueError as error:
        raise CaptionerUnavailableError(f"the captioner in {folder} can't be read: {error}") from error
    if len(vocabulary) != manifest.decoder.vocabulary:
        raise CaptionerUnavailableError(
            f"{folder / VOCABULARY_FILE} makes a vocabulary of {len(vocabulary)}, "
            f"the decoder has one of {manifest.decoder.vocabulary}; {REMEDY}"
        )
    decoder, tower, chooses = (part_of(tensors, prefix) for prefix in (_DECODER, _TOWER, _GATE))
    check_tower(files, tower, manifest.tower)
    if manifest.decoder.tied and "words.weight" in decoder:
        decoder["out.weight"] = decoder["words.weight"]
    return CaptionerWeights(manifest, vocabulary, decoder, tower, _read_gate(chooses, manifest, folder))


def captioner_folder(folder: Path) -> WeightFolder:
    """The folder, with the words and the error of captioners."""
    return WeightFolder(folder, "captioner", REMEDY, CaptionerUnavailableError)


def _read_gate(tensors: Mapping[str, Tensor], manifest: CaptionerManifest, folder: Path) -> StyleGate | None:
    if not tensors:
        return None
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {"weight": (manifest.decoder.features,), "bias": ()}:
        raise CaptionerUnavailableError(
            f"the weights in {folder} have a gate of the shapes {shapes}, "
            f"the map has {manifest.decoder.features} channels; {REMEDY}"
        )
    return StyleGate(np.asarray(tensors["weight"].numpy(), dtype=np.float32), float(tensors["bias"]))


def _manifest(record: Mapping[str, Any]) -> CaptionerManifest:
    known = {entry.name for entry in fields(CaptionerManifest)}
    parts = {
        "vision": VisionConfig.from_record(record["vision"]),
        "decoder": DecoderConfig(**record["decoder"]),
        "search": SearchSettings(**record["search"]),
        "styles": tuple(record["styles"]),
    }
    return CaptionerManifest(**{name: value for name, value in record.items() if name in known} | parts)
