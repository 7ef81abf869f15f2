"""From a setting to a ready reasoner."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from models.captioning.vision import MapTower
from models.joint.loading import parse_device
from models.reasoning.network import ReasoningNetwork
from models.reasoning.reasoner import AttentionReasoner
from models.reasoning.types import Reasoner, ReasonerUnavailableError
from models.reasoning.weights import REMEDY, SHIPPED_ANSWERS, ReasonerManifest, load_reasoner_weights
from models.types import EncoderUnavailableError

DEFAULT_REASONER = "tastespace-answers"


def load_reasoner(spec: str = DEFAULT_REASONER, device: str = "cpu") -> Reasoner:
    """Load a reasoner.

    Args:
        spec: ``tastespace-answers`` (ships with the code), ``attend:FOLDER`` (trained by ``tastespace train
            reasoner``) or ``huggingface:NAME`` (ViLT or BLIP: a name at the hub, or a folder).
        device: a torch device, such as ``cpu`` or ``cuda:0``.

    Raises:
        ReasonerUnavailableError: with one sentence that says what is missing.
    """
    kind, _, rest = spec.partition(":")
    if spec == DEFAULT_REASONER:
        return load_attention_reasoner(SHIPPED_ANSWERS, device)
    if kind == "attend" and rest:
        return load_attention_reasoner(Path(rest), device)
    if kind == "huggingface" and rest:
        from models.reasoning.huggingface import load_huggingface_reasoner

        return load_huggingface_reasoner(rest, device)
    raise ReasonerUnavailableError(
        f"no reasoner is called {spec!r}; use {DEFAULT_REASONER}, attend:FOLDER or huggingface:NAME"
    )


def load_attention_reasoner(folder: Path = SHIPPED_ANSWERS, device: str = "cpu") -> AttentionReasoner:
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
