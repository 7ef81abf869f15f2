"""From a folder of trained weights to a ready :class:`models.captioning.captioner.TellCaptioner`."""

from __future__ import annotations

from pathlib import Path

from models.captioning.captioner import TellCaptioner
from models.captioning.decoder import AttentionDecoder
from models.captioning.vision import MapTower
from models.captioning.weights import captioner_folder, load_captioner_weights
from models.joint.loading import parse_device
from models.weight_folder import manifest_fingerprint


def load_tell(folder: Path, device: str = "cpu") -> TellCaptioner:
    """The captioner whose trained weights lie in ``folder``.

    Raises:
        CaptionerUnavailableError: weights, backbone or device are missing, changed or don't fit each other.
    """
    weights = load_captioner_weights(folder)
    manifest = weights.manifest
    with captioner_folder(folder).building():
        where = parse_device(device)
        tower = MapTower(manifest.vision, weights.tower)
        if tower.width != manifest.decoder.features:
            raise ValueError(f"the map has {tower.width} channels, the decoder takes {manifest.decoder.features}")
        decoder = AttentionDecoder(manifest.decoder)
        decoder.load_state_dict(dict(weights.decoder))
    return TellCaptioner(
        tower.to(where),
        decoder.to(where),
        weights.vocabulary,
        manifest.search,
        length_alphas=manifest.length_alphas,
        gate=weights.gate,
        name=manifest.model,
        fingerprint=manifest_fingerprint(manifest),
        licence=manifest.licence,
        description=str(manifest.training.get("data", "")),
    )
