"""Trained weights on disk: float16 safetensors and a manifest that says what they are and what they need.

``manifest.json`` names the sha256 of each file and of each backbone file; whatever differs at load is refused, since
weights over another backbone would give vectors that look fine and mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from models.backbones import TEXT_FILES, VISION_FILES, BackboneFile
from models.files import sha256_file, write_file
from models.joint.lite import LiteConfig
from models.types import EncoderUnavailableError

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What ``manifest.json`` holds. ``training`` has the command, the data, the seed and the settings."""

    model: str
    config: LiteConfig
    licence: str
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


def needed_backbones(config: LiteConfig) -> dict[str, BackboneFile]:
    """The files that an encoder of this shape stands on. Raises KeyError on an unknown vision tower."""
    return {config.vision: VISION_FILES[config.vision], **TEXT_FILES}


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], manifest: Manifest) -> Manifest:
    """Write weights (as float16) and manifest into ``folder``; digests are filled in.

    Args:
        tensors: what was trained, by its name in :class:`models.joint.lite.LiteModel`; towers left alone stay out.

    Returns:
        The manifest as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in tensors.items()}
    write_file(folder / WEIGHTS_FILE, save(halves))
    complete = Manifest(
        model=manifest.model,
        config=manifest.config,
        licence=manifest.licence,
        training=manifest.training,
        metrics=manifest.metrics,
        files={WEIGHTS_FILE: sha256_file(folder / WEIGHTS_FILE)},
        backbones={name: file.sha256 for name, file in needed_backbones(manifest.config).items()},
    )
    write_file(folder / MANIFEST_FILE, (json.dumps(asdict(complete), indent=2, sort_keys=True) + "\n").encode())
    return complete


def load_checkpoint(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """The manifest and the float32 tensors of a folder, checked.

    Raises:
        EncoderUnavailableError: a file is missing or changed, the manifest is of another format, or the weights were
            trained over other backbones than those pinned.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    if WEIGHTS_FILE not in manifest.files:
        raise EncoderUnavailableError(f"{folder / MANIFEST_FILE} doesn't name {WEIGHTS_FILE}")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise EncoderUnavailableError(f"{path} is missing, though {MANIFEST_FILE} names it")
        found = sha256_file(path)
        if found != expected:
            raise EncoderUnavailableError(f"{path} has sha256 {found}, its manifest says {expected}: the file changed")
    pinned = {name: file.sha256 for name, file in needed_backbones(manifest.config).items()}
    for name in sorted(pinned.keys() | manifest.backbones.keys()):
        if manifest.backbones.get(name) != pinned.get(name):
            raise EncoderUnavailableError(
                f"the weights in {folder} need the backbone {name} with sha256 {manifest.backbones.get(name)}, "
                f"this version has {pinned.get(name)}; train them anew"
            )
    return manifest, {name: tensor.float() for name, tensor in load_file(str(folder / WEIGHTS_FILE)).items()}


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise EncoderUnavailableError(f"{path.parent} holds no trained encoder: {MANIFEST_FILE} is missing")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("format") != FORMAT:
            raise EncoderUnavailableError(f"{path} has format {record.get('format')!r}, this version reads {FORMAT}")
        known = {entry.name for entry in fields(Manifest)}
        config = LiteConfig(**record["config"])
        if config.vision not in VISION_FILES:
            raise ValueError(f"no vision tower is called {config.vision!r}")
        if not all(isinstance(record[name], dict) for name in ("files", "backbones")):
            raise TypeError("files and backbones must be objects")
        return Manifest(**{name: v for name, v in record.items() if name in known} | {"config": config})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EncoderUnavailableError(f"{path} is not a manifest of a trained encoder: {error}") from error
