"""From a folder of trained weights to a ready :class:`models.reasoning.reasoner.AttentionReasoner`."""

from __future__ import annotations

from pathlib import Path

from models.captioning.vision import MapTower
from models.joint.loading import parse_device
from models.reasoning.network import ReasoningNetwork
from models.reasoning.reasoner import AttentionReasoner
from models.reasoning.weights import load_reasoner_weights, reasoner_fingerprint, reasoner_folder


def load_attention_reasoner(folder: Path, device: str = "cpu") -> AttentionReasoner:
    """The reasoner whose trained weights lie in ``folder``.

    Raises:
        ReasonerUnavailableError: weights, backbone or device are missing, changed or don't fit each other.
    """
    weights = load_reasoner_weights(folder)
    manifest = weights.manifest
    with reasoner_folder(folder).building():
        where = parse_device(device)
        tower = MapTower(manifest.vision, weights.tower)
        if tower.width != manifest.network.features:
            raise ValueError(f"the map has {tower.width} channels, the network takes {manifest.network.features}")
        network = ReasoningNetwork(manifest.network)
        network.load_state_dict(dict(weights.network))
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
