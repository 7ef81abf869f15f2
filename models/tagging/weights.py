"""Trained tag weights on disk: float16 safetensors and a manifest that says what they are and what they fit.

Both are checked when they are read: weights over another encoder's vectors would give tags that look fine and mean
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.files import write_file
from models.tagging.types import TaggerUnavailableError
from models.types import Float32Array

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
MANIFEST_FILE = "manifest.json"
#: The tag weights that ship with the code.
SHIPPED_TAGS = Path(__file__).parent.parent / "weights" / "tastespace-tags"
REMEDY = "make ones that fit with `tastespace train tags`; vocabularies of one's own work without them"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagManifest:
    """What ``manifest.json`` holds.

    ``fingerprint`` and ``dim`` are those of the encoder whose vectors the weights take. ``threshold`` is the
    probability from which a tag counts as given (chosen in training for the best micro F1). ``zero_shot`` has the
    ``scale`` and ``bias`` of :class:`models.tagging.zero_shot.ZeroShotCalibration`, and its ``threshold``.
    """

    model: str
    encoder: str
    fingerprint: str
    dim: int
    names: tuple[str, ...]
    groups: tuple[str, ...]
    threshold: float
    zero_shot: Mapping[str, float]
    licence: str
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


def save_tag_weights(folder: Path, tensors: Mapping[str, Float32Array], manifest: TagManifest) -> None:
    """Write weights (as float16) and manifest into ``folder``; digests are filled in. What was there is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save({name: np.ascontiguousarray(tensor, dtype=np.float16) for name, tensor in tensors.items()})
    record = asdict(manifest) | {"files": {WEIGHTS_FILE: hashlib.sha256(data).hexdigest()}}
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    for name, content in ((WEIGHTS_FILE, data), (MANIFEST_FILE, text.encode())):
        write_file(folder / name, content)


def load_tag_weights(folder: Path) -> tuple[TagManifest, dict[str, Float32Array]]:
    """The manifest and the float32 tensors of a folder, checked against each other.

    Raises:
        TaggerUnavailableError: a file is missing, changed or of another format.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except OSError:
        raise TaggerUnavailableError(f"{path} is missing, though {MANIFEST_FILE} names it; {REMEDY}") from None
    found, expected = hashlib.sha256(data).hexdigest(), manifest.files.get(WEIGHTS_FILE)
    if found != expected:
        raise TaggerUnavailableError(
            f"{path} has sha256 {found}, its manifest says {expected}: the file changed; {REMEDY}"
        )
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in load(data).items()}
    except SafetensorError as error:
        raise TaggerUnavailableError(f"{path} can't be read: {error}") from error
    return manifest, tensors


def _read_manifest(path: Path) -> TagManifest:
    if not path.is_file():
        raise TaggerUnavailableError(f"{path.parent} holds no tag weights: {MANIFEST_FILE} is missing; {REMEDY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("format") != FORMAT:
            raise TaggerUnavailableError(f"{path} has format {record.get('format')!r}, this version reads {FORMAT}")
        known = {entry.name for entry in fields(TagManifest)}
        values = {name: value for name, value in record.items() if name in known}
        tuples = {name: tuple(values[name]) for name in ("names", "groups")}
        return TagManifest(**values | tuples)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TaggerUnavailableError(f"{path} is not a manifest of tag weights: {error}") from error
