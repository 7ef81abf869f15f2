"""From a folder of trained weights to a ready :class:`models.captioning.captioner.TellCaptioner`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from models.captioning.captioner import TellCaptioner
from models.captioning.decoder import AttentionDecoder
from models.captioning.types import CaptionerUnavailableError
from models.captioning.vision import MapTower
from models.captioning.weights import REMEDY, CaptionerManifest, load_captioner_weights
from models.joint.loading import parse_device
from models.types import EncoderUnavailableError


def load_tell(folder: Path, device: str = "cpu") -> TellCaptioner:
    """The captioner whose trained weights lie in ``folder``.

    Raises:
        CaptionerUnavailableError: weights, backbone or device are missing, changed or don't fit each other.
    """
    weights = load_captioner_weights(folder)
    manifest = weights.manifest
    try:
        where = parse_device(device)
        tower = MapTower(manifest.vision, weights.tower)
        if tower.width != manifest.decoder.features:
            raise ValueError(f"the map has {tower.width} channels, the decoder takes {manifest.decoder.features}")
        decoder = AttentionDecoder(manifest.decoder)
        decoder.load_state_dict(dict(weights.decoder))
    except EncoderUnavailableError as error:
        raise CaptionerUnavailableError(str(error)) from error
    except (RuntimeError, ValueError) as error:
        raise CaptionerUnavailableError(
            f"the weights in {folder} don't fit their own configuration: {error}; {REMEDY}"
        ) from error
    return TellCaptioner(
        tower.to(where),
        decoder.to(where),
        weights.vocabulary,
        manifest.search,
        length_alphas=manifest.length_alphas,
        gate=weights.gate,
        name=manifest.model,
        fingerprint=captioner_fingerprint(manifest),
        licence=manifest.licence,
        description=str(manifest.training.get("data", "")),
    )


def captioner_fingerprint(manifest: CaptionerManifest) -> str:
    """Hex sha256 over weights, words, tower, shape, preprocessing and search: equal ones write equal captions."""
    record = {name: value for name, value in asdict(manifest).items() if name not in ("training", "metrics", "licence")}
    return hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).hexdigest()
