"""A trained captioner on disk: float16 safetensors, the words in a file of their own, and a manifest.

All are checked when they are read: a decoder over another tower's maps would write captions that look fine and mean
nothing. A tower that was tuned is kept with the decoder, so that a new encoder leaves the captions as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.backbones import VISION_FILES
from models.captioning.decoder import DecoderConfig
from models.captioning.search import SearchSettings
from models.captioning.style import StyleGate
from models.captioning.types import CaptionerUnavailableError, CaptionStyle
from models.captioning.vision import MAP_STAGES, VisionConfig, tensors_digest
from models.captioning.vocabulary import CaptionVocabulary
from models.files import write_file

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
VOCABULARY_FILE = "vocabulary.txt"
MANIFEST_FILE = "manifest.json"
REMEDY = "make one with `tastespace train captioner`"
_DECODER, _TOWER, _GATE = "decoder.", "trunk.", "gate."


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionerManifest:
    """What ``manifest.json`` holds.

    ``search`` are the settings that captions are searched with, where the caller doesn't say otherwise; a style may
    have a ``length_alpha`` of its own in ``length_alphas``. ``tower`` is
    a digest of the tuned tensors of the vision tower, empty where it is the pretrained one. ``backbones`` are the
    sha256 of what the tower stands on, ``files`` those of the files beside the manifest.
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
    format: int = FORMAT


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
    folder.mkdir(parents=True, exist_ok=True)
    chooses = {} if gate is None else {"weight": torch.from_numpy(gate.weight), "bias": torch.tensor(gate.bias)}
    halves = {
        f"{prefix}{name}": tensor.detach().to("cpu", torch.float16).contiguous().clone()
        for prefix, tensors in ((_DECODER, decoder), (_TOWER, tower), (_GATE, chooses))
        for name, tensor in tensors.items()
        if not (manifest.decoder.tied and prefix == _DECODER and name == "out.weight")
    }
    contents = {WEIGHTS_FILE: save(halves), VOCABULARY_FILE: vocabulary.to_text().encode()}
    rounded = {name: halves[f"{_TOWER}{name}"].float() for name in tower}
    record = asdict(manifest) | {
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        "backbones": {manifest.vision.vision: VISION_FILES[manifest.vision.vision].sha256},
        "tower": tensors_digest(rounded),
    }
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    for name, content in {**contents, MANIFEST_FILE: text.encode()}.items():
        write_file(folder / name, content)


def load_captioner_weights(folder: Path) -> CaptionerWeights:
    """Manifest, words and float32 tensors of a folder, checked against each other.

    Raises:
        CaptionerUnavailableError: a file is missing, changed or of another format, or the weights were trained over
            another vision tower than the pinned one.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    words, data = (_read(folder / name, manifest) for name in (VOCABULARY_FILE, WEIGHTS_FILE))
    name = manifest.vision.vision
    if manifest.backbones != {name: VISION_FILES[name].sha256}:
        raise CaptionerUnavailableError(
            f"the captioner in {folder} needs the backbones {dict(manifest.backbones)}, this version has {name} with "
            f"sha256 {VISION_FILES[name].sha256}; {REMEDY}"
        )
    try:
        vocabulary = CaptionVocabulary.from_text(words.decode("utf-8"), manifest.styles)
        tensors = {name: tensor.float() for name, tensor in load(data).items()}
    except (SafetensorError, ValueError) as error:
        raise CaptionerUnavailableError(f"the captioner in {folder} can't be read: {error}") from error
    if len(vocabulary) != manifest.decoder.vocabulary:
        raise CaptionerUnavailableError(
            f"{folder / VOCABULARY_FILE} makes a vocabulary of {len(vocabulary)}, "
            f"the decoder has one of {manifest.decoder.vocabulary}; {REMEDY}"
        )
    decoder, tower, chooses = (
        {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        for prefix in (_DECODER, _TOWER, _GATE)
    )
    if tensors_digest(tower) != manifest.tower:
        raise CaptionerUnavailableError(
            f"the captioner in {folder} needs the tuned vision tower {manifest.tower or '(none)'}, "
            f"its weights hold {tensors_digest(tower) or '(none)'}; {REMEDY}"
        )
    if manifest.decoder.tied and "words.weight" in decoder:
        decoder["out.weight"] = decoder["words.weight"]
    return CaptionerWeights(manifest, vocabulary, decoder, tower, _read_gate(chooses, manifest, folder))


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


def _read(path: Path, manifest: CaptionerManifest) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        raise CaptionerUnavailableError(f"{path} is missing, though {MANIFEST_FILE} names it; {REMEDY}") from None
    found, expected = hashlib.sha256(data).hexdigest(), manifest.files.get(path.name)
    if found != expected:
        raise CaptionerUnavailableError(f"{path} has sha256 {found}, its manifest says {expected}: the file changed")
    return data


def _read_manifest(path: Path) -> CaptionerManifest:
    if not path.is_file():
        raise CaptionerUnavailableError(f"{path.parent} holds no captioner: {MANIFEST_FILE} is missing; {REMEDY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("format") != FORMAT:
            raise CaptionerUnavailableError(
                f"{path} has format {record.get('format')!r}, this version reads {FORMAT}; {REMEDY}"
            )
        known = {entry.name for entry in fields(CaptionerManifest)}
        vision = VisionConfig(**record["vision"])
        if vision.vision not in VISION_FILES or vision.stage not in MAP_STAGES:
            raise ValueError(f"no map is called {vision.vision!r}, {vision.stage!r}")
        if not all(isinstance(record[name], dict) for name in ("files", "backbones")):
            raise TypeError("files and backbones must be objects")
        parts = {
            "vision": vision,
            "decoder": DecoderConfig(**record["decoder"]),
            "search": SearchSettings(**record["search"]),
            "styles": tuple(record["styles"]),
        }
        return CaptionerManifest(**{name: value for name, value in record.items() if name in known} | parts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CaptionerUnavailableError(f"{path} is not a manifest of a captioner: {error}") from error
