"""From a folder of trained weights to a ready :class:`models.reasoning.reasoner.AttentionReasoner`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from models.captioning.vision import MapTower
from models.joint.loading import parse_device
from models.reasoning.network import ReasoningNetwork
from models.reasoning.reasoner import AttentionReasoner
from models.reasoning.types import ReasonerUnavailableError
from models.reasoning.weights import REMEDY, ReasonerManifest, load_reasoner_weights
from models.types import EncoderUnavailableError


def load_attention_reasoner(folder: Path, device: str = "cpu") -> AttentionReasoner:
    """The reasoner whose trained weights lie in ``folder``.

    Raises:
        ReasonerUnavailableError: weights, backbone or device are missing, changed or don't fit each other.
    """
    weights = load_reasoner_weights(folder)
    manifest = weights.manifest
    try:
        where = parse_device(device)
        tower = MapTower(manifest.vision, weights.tower)
        if tower.width != manifest.network.features:
            raise ValueError(f"the map has {tower.width} channels, the network takes {manifest.network.features}")
        network = ReasoningNetwork(manifest.network)
        network.load_state_dict(dict(weights.network))
    except EncoderUnavailableError as error:
        raise ReasonerUnavailableError(str(error)) from error
    except (RuntimeError, ValueError) as error:
        raise ReasonerUnavailableError(
            f"the weights in {folder} don't fit their own configuration: {error}; {REMEDY}"
        ) from error
    return AttentionReasoner(
        tower.to(where),
        network.to(where),
        weights.vocabulary,
        manifest.calibration,
        name=manifest.model,
        fingerprint=reasoner_fingerprint(manifest),
        licence=manifest.licence,
        description=str(manifest.training.get("data", "")),
    )


def reasoner_fingerprint(manifest: ReasonerManifest) -> str:
    """Hex sha256 over weights, vocabulary, tower, shape, preprocessing and calibration: equal ones answer alike."""
    record = {name: value for name, value in asdict(manifest).items() if name not in ("training", "metrics", "licence")}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
